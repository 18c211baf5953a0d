//! Metrics of connected sockets: CONNECTs, joins, recoveries and delivered events.

use prometheus::{Histogram, IntCounter, IntCounterVec};
use tracing::debug;

use crate::{
    contract::problem::ErrorCode,
    domain::MonotonicTime,
    telemetry::metrics::{
        MailboxFamilies, MailboxMetrics, MetricsRegistry, SECONDS, counter, counters, histogram,
    },
};
use actix_socketio::DisconnectReason;

/// Metrics of all gateways. Cheap to clone; clones share the counters.
#[derive(Clone, Debug)]
pub struct GatewayMetrics {
    connects: IntCounterVec,
    disconnects: IntCounterVec,
    event_refusals: IntCounterVec,
    joins: IntCounterVec,
    recoveries: IntCounterVec,
    deliveries: IntCounter,
    pub(super) replayed: IntCounter,
    commit_to_queue: Histogram,
    pub(super) trace_dropped: IntCounter,
    pub(super) states_evicted: IntCounter,
    pub(super) mailbox: MailboxMetrics,
}

/// The outcome of a CONNECT that requests connection state recovery.
#[derive(Clone, Copy, Debug)]
pub(super) enum RecoveryOutcome {
    /// The connection was recovered.
    Recovered,
    /// No recovery state is stored for the pid and the user.
    NothingStored,
    /// The trace does not show what the client has received.
    OffsetUnknown,
    /// The journal no longer has the missed events, or they belong to another epoch.
    Trimmed,
    /// The database did not answer.
    Failed,
    /// A limit refused the CONNECT. The recovery state is kept.
    Refused,
}

impl GatewayMetrics {
    /// Creates the metrics and registers them.
    pub fn register(registry: &MetricsRegistry, mailboxes: &MailboxFamilies) -> Self {
        let metrics = Self {
            mailbox: mailboxes.for_actor("relay"),
            ..Self::default()
        };
        registry.register(metrics.connects.clone());
        registry.register(metrics.disconnects.clone());
        // Exported before the first refusal.
        for code in [ErrorCode::AccessDenied, ErrorCode::RateLimited] {
            let code = code.metric_label();
            metrics.event_refusals.with_label_values(&[code]);
        }
        registry.register(metrics.event_refusals.clone());
        registry.register(metrics.joins.clone());
        registry.register(metrics.recoveries.clone());
        registry.register(metrics.deliveries.clone());
        registry.register(metrics.replayed.clone());
        registry.register(metrics.commit_to_queue.clone());
        registry.register(metrics.trace_dropped.clone());
        registry.register(metrics.states_evicted.clone());
        metrics
    }

    /// Counts a CONNECT by its outcome.
    pub(super) fn connect(&self, outcome: &str) {
        self.connects.with_label_values(&[outcome]).inc();
    }

    /// Counts and logs a CONNECT to a namespace that does not exist.
    pub fn unknown_namespace(&self) {
        debug!(reason = "Invalid namespace", "CONNECT refused");
        self.connect("invalid_namespace");
    }

    /// Counts the end of a connected socket.
    pub(super) fn disconnect(&self, reason: DisconnectReason) {
        self.disconnects.with_label_values(&[reason.as_str()]).inc();
    }

    /// Counts an accepted join.
    pub(super) fn joined(&self, resync: bool) {
        let outcome = if resync { "resync" } else { "joined" };
        self.joins.with_label_values(&[outcome]).inc();
    }

    /// Counts a refused event of a client.
    pub(super) fn event_refused(&self, code: ErrorCode) {
        let code = code.metric_label();
        self.event_refusals.with_label_values(&[code]).inc();
    }

    /// Counts a join that its vault refused.
    pub(super) fn join_refused(&self, code: ErrorCode) {
        self.event_refused(code);
        self.joins.with_label_values(&[code.metric_label()]).inc();
    }

    /// Counts a CONNECT that requested recovery.
    pub(super) fn recovery(&self, outcome: RecoveryOutcome) {
        let outcome = match outcome {
            RecoveryOutcome::Recovered => "recovered",
            RecoveryOutcome::NothingStored => "nothing stored",
            RecoveryOutcome::OffsetUnknown => "offset unknown",
            RecoveryOutcome::Trimmed => "trimmed",
            RecoveryOutcome::Failed => "failed",
            RecoveryOutcome::Refused => "refused",
        };
        self.recoveries.with_label_values(&[outcome]).inc();
    }

    /// Counts an event that was queued for `sockets` sockets and was committed at this time.
    pub(super) fn delivered(&self, sockets: usize, committed: MonotonicTime) {
        self.deliveries.inc_by(sockets as u64);
        let elapsed = MonotonicTime::now().since(committed);
        self.commit_to_queue.observe(elapsed.as_secs_f64());
    }
}

impl Default for GatewayMetrics {
    fn default() -> Self {
        Self {
            connects: counters(
                "connects_total",
                "CONNECTs to the namespace, by outcome.",
                &["outcome"],
            ),
            disconnects: counters(
                "disconnects_total",
                "Ends of connected sockets, by reason.",
                &["reason"],
            ),
            event_refusals: counters(
                "event_refusals_total",
                "Events of clients that were refused, by error code; joins and mutations among them.",
                &["code"],
            ),
            joins: counters(
                "joins_total",
                "Joins of vaults, by outcome: joined, resync, or an error code.",
                &["outcome"],
            ),
            recoveries: counters(
                "recoveries_total",
                "CONNECTs that requested connection state recovery, by outcome.",
                &["outcome"],
            ),
            deliveries: counter(
                "deliveries_total",
                "Events put into the outboxes of sockets, without replayed events.",
            ),
            replayed: counter(
                "replayed_events_total",
                "Events replayed: for since, for a recovery, or for a relay that fell behind.",
            ),
            commit_to_queue: histogram(
                "commit_to_queue_seconds",
                "Time from the commit of an event until a worker thread has put it into the outboxes of its sockets.",
                SECONDS,
            ),
            trace_dropped: counter(
                "delivery_trace_dropped_total",
                "Entries dropped from the delivery trace of a socket before a heartbeat confirmed them.",
            ),
            states_evicted: counter(
                "recovery_states_evicted_total",
                "Recovery states of disconnected sockets that were removed before they expired, because there were too many.",
            ),
            mailbox: MailboxMetrics::default(),
        }
    }
}
