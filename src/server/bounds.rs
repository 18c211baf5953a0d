//! The bounds in effect, for `GET /bounds`: each bounded queue, limit and timeout with its key, its metrics and its outcome.

use std::time::Duration;

use crate::{
    api::{BoundDefinition, BoundLevel, BoundUnit, BoundValue, MetricSelector},
    config::{ActorsConfig, Config, JournalConfig, LimitsConfig, ServerConfig, SocketioConfig},
    telemetry::snapshot::LabelFilter,
};

use BoundLevel::{HighWater, Present};

/// Returns the bounds of this configuration, in the order in which a mutation and its events pass them.
pub(super) fn effective_bounds(config: &Config) -> Vec<BoundDefinition> {
    let sections = [
        of_connections(&config.server),
        of_queues(&config.actors),
        of_sockets(&config.socketio),
        of_limits(&config.limits),
        of_journal(&config.journal),
    ];
    sections.into_iter().flatten().collect()
}

/// A bound without metrics, to which [`level`](Draft::level) and [`hits`](Draft::hits) add them.
struct Draft(BoundDefinition);

/// Begins a bound: what is bounded, its value, its unit and the outcome at the bound.
fn bound(what: &'static str, value: BoundValue, unit: BoundUnit, outcome: &'static str) -> Draft {
    Draft(BoundDefinition {
        key: None,
        what,
        value,
        unit,
        level: None,
        hits: None,
        outcome,
    })
}

impl Draft {
    fn key(self, key: &'static str) -> Self {
        Self(BoundDefinition {
            key: Some(key),
            ..self.0
        })
    }

    fn level(self, level: BoundLevel) -> Self {
        Self(BoundDefinition {
            level: Some(level),
            ..self.0
        })
    }

    fn hits(self, hits: MetricSelector) -> Self {
        Self(BoundDefinition {
            hits: Some(hits),
            ..self.0
        })
    }
}

const fn metric(name: &'static str) -> MetricSelector {
    MetricSelector { name, labels: &[] }
}

const fn labelled(name: &'static str, labels: LabelFilter<'static>) -> MetricSelector {
    MetricSelector { name, labels }
}

/// Returns the value of a key whose 0 means that there is no limit.
fn optional(limit: u32) -> BoundValue {
    match limit {
        0 => BoundValue::Unlimited,
        limit => BoundValue::Limit(f64::from(limit)),
    }
}

fn number(limit: usize) -> BoundValue {
    BoundValue::Limit(limit as f64)
}

fn seconds(duration: Duration) -> BoundValue {
    BoundValue::Limit(duration.as_secs_f64())
}

fn finish(drafts: impl IntoIterator<Item = Draft>) -> Vec<BoundDefinition> {
    drafts.into_iter().map(|Draft(bound)| bound).collect()
}

fn of_connections(server: &ServerConfig) -> Vec<BoundDefinition> {
    let gauge = |name, labels| BoundValue::Gauge(labelled(name, labels));
    let pool = |what, labels, outcome| {
        bound(
            what,
            gauge("database_connections_max", labels),
            BoundUnit::Connections,
            outcome,
        )
        .level(Present(labelled("database_connections_in_use", labels)))
    };
    finish([
        bound(
            "open connections of the main listener",
            gauge("connections_max", &[("listener", "main")]),
            BoundUnit::Connections,
            "503 UNAVAILABLE: the connection is refused",
        )
        .key("server.max_connections")
        .level(Present(labelled("connections", &[("listener", "main")])))
        .hits(labelled(
            "connections_refused_total",
            &[("listener", "main")],
        )),
        bound(
            "open connections of the admin listener",
            gauge("connections_max", &[("listener", "admin")]),
            BoundUnit::Connections,
            "503 UNAVAILABLE: the connection is refused",
        )
        .level(Present(labelled("connections", &[("listener", "admin")])))
        .hits(labelled(
            "connections_refused_total",
            &[("listener", "admin")],
        )),
        bound(
            "open file descriptors of the process",
            BoundValue::Gauge(metric("process_max_fds")),
            BoundUnit::Descriptors,
            "the bound of connections keeps the process below it",
        )
        .level(Present(metric("process_open_fds"))),
        bound(
            "size of a request body",
            number(server.max_body),
            BoundUnit::Bytes,
            "413 PAYLOAD_TOO_LARGE",
        )
        .key("server.max_body")
        .hits(labelled(
            "http_refusals_total",
            &[("code", "payload_too_large")],
        )),
        pool(
            "database connections of joins, mutations and recovery",
            &[("pool", "reader")],
            "the read waits; 503 after 30 s",
        ),
        pool(
            "database connections of HTTP reads",
            &[("pool", "listings")],
            "the read waits; 503 after 30 s",
        ),
        pool(
            "database connections of the readiness check",
            &[("pool", "probe")],
            "the check waits",
        ),
    ])
}

fn of_queues(actors: &ActorsConfig) -> Vec<BoundDefinition> {
    let slow = "closed as slow: the client reconnects and is recovered without a gap";
    finish([
        bound(
            "mutations waiting for one vault (level: the fullest vault)",
            number(actors.vault_mailbox),
            BoundUnit::Mutations,
            "503 VAULT_BUSY",
        )
        .key("actors.vault_mailbox")
        .level(Present(metric("vault_queue_deepest_mutations")))
        .hits(metric("vault_busy_total")),
        bound(
            "mutations of one vault in one transaction",
            number(actors.commit_batch),
            BoundUnit::Mutations,
            "the rest waits for the next transaction",
        )
        .key("actors.commit_batch"),
        bound(
            "events waiting for one worker thread",
            number(actors.relay_mailbox),
            BoundUnit::Events,
            "the relay falls behind and resumes from the journal",
        )
        .key("actors.relay_mailbox")
        .hits(metric("relay_fell_behind_total")),
        bound(
            "events waiting for one socket",
            number(actors.session_outbox),
            BoundUnit::Events,
            slow,
        )
        .key("actors.session_outbox")
        .level(HighWater(metric("outbox_high_water_events")))
        .hits(metric("slow_closings_total")),
        bound(
            "bytes waiting for one socket",
            number(actors.session_outbox_bytes),
            BoundUnit::Bytes,
            slow,
        )
        .key("actors.session_outbox_bytes")
        .level(HighWater(metric("outbox_high_water_bytes")))
        .hits(metric("slow_closings_total")),
        bound(
            "time that a join waits for its vault",
            seconds(actors.join_timeout),
            BoundUnit::Seconds,
            "VAULT_BUSY: the client joins again",
        )
        .key("actors.join_timeout")
        .hits(labelled("joins_total", &[("outcome", "vault_busy")])),
        bound(
            "time that an idle vault stays in memory",
            seconds(actors.vault_idle),
            BoundUnit::Seconds,
            "the vault is unloaded; the next request loads it",
        )
        .key("actors.vault_idle")
        .hits(metric("vaults_retired_total")),
        bound(
            "memory of all loaded vaults",
            number(actors.vault_memory),
            BoundUnit::Bytes,
            "vaults without subscribers are unloaded earlier",
        )
        .key("actors.vault_memory")
        .level(Present(metric("vaults_memory_bytes")))
        .hits(metric("vaults_unloaded_early_total")),
    ])
}

fn of_sockets(socketio: &SocketioConfig) -> Vec<BoundDefinition> {
    let closed = |reason| labelled("sockets_closed_total", reason);
    finish([
        bound(
            "size of one message from a client",
            number(socketio.max_payload),
            BoundUnit::Bytes,
            "the socket is closed: payload too large",
        )
        .key("socketio.max_payload")
        .hits(closed(&[("reason", "payload too large")])),
        bound(
            "time of a client to answer a ping",
            seconds(socketio.ping_timeout),
            BoundUnit::Seconds,
            "the socket is closed: ping timeout",
        )
        .key("socketio.ping_timeout")
        .hits(closed(&[("reason", "ping timeout")])),
        bound(
            "time of a new connection to join a namespace",
            seconds(socketio.connect_timeout),
            BoundUnit::Seconds,
            "the socket is closed: connect timeout",
        )
        .key("socketio.connect_timeout")
        .hits(closed(&[("reason", "connect timeout")])),
        bound(
            "time in which a disconnected socket can be recovered",
            seconds(socketio.recovery_window),
            BoundUnit::Seconds,
            "the client is a new connection and joins again",
        )
        .key("socketio.recovery_window")
        .hits(labelled(
            "recoveries_total",
            &[("outcome", "nothing stored")],
        )),
        bound(
            "unconfirmed events recorded for one socket",
            BoundValue::Limit(socketio.recovery_events as f64),
            BoundUnit::Events,
            "the oldest is dropped: a client that needs it is not recovered",
        )
        .key("socketio.recovery_events")
        .hits(metric("delivery_trace_dropped_total")),
    ])
}

fn of_limits(limits: &LimitsConfig) -> Vec<BoundDefinition> {
    let limited = |limit| labelled("limited_total", limit);
    finish([
        bound(
            "mutations of one user",
            optional(limits.mutations_per_second),
            BoundUnit::MutationsPerSecond,
            "429 RATE_LIMITED",
        )
        .key("limits.mutations_per_second")
        .hits(limited(&[("limit", "mutations_per_second")])),
        bound(
            "HTTP reads of one user",
            optional(limits.reads_per_second),
            BoundUnit::ReadsPerSecond,
            "429 RATE_LIMITED",
        )
        .key("limits.reads_per_second")
        .hits(limited(&[("limit", "reads_per_second")])),
        bound(
            "packets from one socket",
            optional(limits.socket_events_per_second),
            BoundUnit::PacketsPerSecond,
            "RATE_LIMITED; the socket is closed after ten seconds over the limit",
        )
        .key("limits.socket_events_per_second")
        .hits(limited(&[("limit", "socket_events_per_second")])),
        bound(
            "bytes from one socket",
            optional(limits.socket_bytes_per_second),
            BoundUnit::BytesPerSecond,
            "RATE_LIMITED; the socket is closed after ten seconds over the limit",
        )
        .key("limits.socket_bytes_per_second")
        .hits(limited(&[("limit", "socket_bytes_per_second")])),
        bound(
            "vaults that one socket has joined",
            optional(limits.joins_per_socket),
            BoundUnit::Vaults,
            "LIMIT_EXCEEDED: the join is refused",
        )
        .key("limits.joins_per_socket")
        .hits(limited(&[("limit", "joins_per_socket")])),
        bound(
            "open sockets of one user",
            optional(limits.sockets_per_user),
            BoundUnit::Sockets,
            "LIMIT_EXCEEDED: the connection is refused",
        )
        .key("limits.sockets_per_user")
        .hits(limited(&[("limit", "sockets_per_user")])),
        bound(
            "open sockets of one address",
            optional(limits.sockets_per_address),
            BoundUnit::Sockets,
            "LIMIT_EXCEEDED: the handshake is refused",
        )
        .key("limits.sockets_per_address")
        .hits(limited(&[("limit", "sockets_per_address")])),
        bound(
            "open sockets",
            optional(limits.sockets),
            BoundUnit::Sockets,
            "LIMIT_EXCEEDED: the handshake is refused",
        )
        .key("limits.sockets")
        .level(Present(metric("sockets")))
        .hits(limited(&[("limit", "sockets")])),
    ])
}

fn of_journal(journal: &JournalConfig) -> Vec<BoundDefinition> {
    finish([
        bound(
            "events kept of one vault",
            BoundValue::Limit(journal.retain_events as f64),
            BoundUnit::Events,
            "the oldest are trimmed: 410 JOURNAL_TRIMMED, or resync",
        )
        .key("journal.retain_events")
        .hits(metric("journal_trimmed_events_total")),
        bound(
            "age of kept events",
            seconds(journal.retain_for),
            BoundUnit::Seconds,
            "the oldest are trimmed: 410 JOURNAL_TRIMMED, or resync",
        )
        .key("journal.retain_for")
        .hits(metric("journal_trimmed_events_total")),
    ])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use toml::Table;

    use super::*;

    fn keys() -> Vec<&'static str> {
        let bounds = effective_bounds(&Config::default());
        bounds.iter().filter_map(|bound| bound.key).collect()
    }

    #[test]
    fn every_key_of_a_section_that_only_has_bounds_is_listed_once() {
        let config: Table = Config::default().to_string().parse().unwrap();
        let listed = keys();
        let unique: BTreeSet<_> = listed.iter().collect();
        assert_eq!(unique.len(), listed.len());
        for section in ["actors", "journal", "limits"] {
            for key in config[section].as_table().unwrap().keys() {
                let key = format!("{section}.{key}");
                assert!(listed.contains(&key.as_str()), "{key}");
            }
        }
    }

    #[test]
    fn every_listed_key_exists() {
        let config: Table = Config::default().to_string().parse().unwrap();
        for key in keys() {
            let (section, name) = key.split_once('.').unwrap();
            assert!(config[section].get(name).is_some(), "{key}");
        }
    }

    #[test]
    fn values_are_those_of_the_configuration() {
        let mut config = Config::default();
        config.actors.vault_mailbox = 7;
        config.actors.join_timeout = Duration::from_millis(1500);
        config.limits.reads_per_second = 0;
        let bounds = effective_bounds(&config);
        let value = |key| {
            let found = bounds.iter().find(|bound| bound.key == Some(key));
            found.unwrap().value
        };
        assert_eq!(value("actors.vault_mailbox"), BoundValue::Limit(7.0));
        assert_eq!(value("actors.join_timeout"), BoundValue::Limit(1.5));
        assert_eq!(value("limits.reads_per_second"), BoundValue::Unlimited);
    }
}
