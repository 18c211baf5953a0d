//! The bounds of sockets, of users and of the journal.

use crate::{
    api::{BoundDefinition, BoundLevel::Present, BoundUnit, BoundValue},
    config::{JournalConfig, LimitsConfig, SocketioConfig},
};

use super::draft::{bound, finish, labelled, metric, number, optional, seconds};

/// Returns the bounds of one socket.
pub(super) fn of_sockets(socketio: &SocketioConfig) -> Vec<BoundDefinition> {
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

/// Returns the limits of users, sockets and addresses.
pub(super) fn of_limits(limits: &LimitsConfig) -> Vec<BoundDefinition> {
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

/// Returns the bounds of the journal.
pub(super) fn of_journal(journal: &JournalConfig) -> Vec<BoundDefinition> {
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
