//! The bounds of connections and of queues.

use crate::{
    api::{
        BoundDefinition,
        BoundLevel::{HighWater, Present},
        BoundUnit, BoundValue,
    },
    cluster::{
        CLAIM_QUEUE_CAPACITY, HINT_QUEUE_CAPACITY,
        machine::{MAX_ANSWERING, MAX_PENDING},
    },
    config::{ActorsConfig, ServerConfig},
};

use super::draft::{bound, finish, labelled, metric, number, seconds};

/// Returns the bounds of connections, to clients and to the database.
pub(super) fn of_connections(server: &ServerConfig) -> Vec<BoundDefinition> {
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
            "database connections of the readiness check and the sweep",
            &[("pool", "probe")],
            "the check waits",
        ),
    ])
}

/// Returns the bounds of queues, and of what waits in them.
pub(super) fn of_queues(actors: &ActorsConfig) -> Vec<BoundDefinition> {
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
        bound(
            "vaults with hints that wait for the bus between nodes",
            number(HINT_QUEUE_CAPACITY),
            BoundUnit::Vaults,
            "the hint is dropped: other nodes find the event by the sweep",
        )
        .hits(labelled("hints_dropped_total", &[("reason", "queue full")])),
    ])
}

/// Returns the bounds of the claims by which a client that comes back to another node than before is recovered there.
pub(super) fn of_claims() -> Vec<BoundDefinition> {
    let queue_full = || labelled("peer_claims_total", &[("outcome", "queue full")]);
    let fresh = "the client is a new connection";
    finish([
        bound(
            "claims of this node's clients that wait to be sent to other nodes",
            number(CLAIM_QUEUE_CAPACITY),
            BoundUnit::Claims,
            fresh,
        )
        .hits(queue_full()),
        bound(
            "claims of this node's clients that wait for the answers of other nodes",
            number(MAX_PENDING),
            BoundUnit::Claims,
            fresh,
        )
        .level(Present(metric("peer_claims_pending")))
        .hits(queue_full()),
        bound(
            "claims of other nodes that are being answered",
            number(MAX_ANSWERING),
            BoundUnit::Claims,
            "answered with no: the client of the other node is a new connection",
        )
        .hits(metric("peer_claims_refused_total")),
    ])
}
