//! What is counted of connected users and of what they hear.

use std::time::Instant;

use prometheus::{Histogram, IntCounter, IntCounterVec};

use crate::{
    metrics::{Mailbox, Mailboxes, Metrics, SECONDS, counter, counters, histogram},
    problem::Code,
    socketio::DisconnectReason,
};

/// What is counted of connected users. Cheap to clone; clones count together.
#[derive(Clone, Debug)]
pub struct Meters {
    connects: IntCounterVec,
    disconnects: IntCounterVec,
    joins: IntCounterVec,
    recoveries: IntCounterVec,
    deliveries: IntCounter,
    pub(super) replayed: IntCounter,
    commit_to_queue: Histogram,
    pub(super) forgotten: IntCounter,
    pub(super) mailbox: Mailbox,
}

/// What became of a client that claimed to be another one.
#[derive(Clone, Copy, Debug)]
pub(super) enum Recovering {
    /// It is that one again.
    Done,
    /// Nothing is kept of that one, or not for this user.
    Nothing,
    /// It cannot be told what it saw.
    Unclear,
    /// What it missed is no longer kept, or of another history.
    Trimmed,
    /// The database did not answer.
    Failed,
}

impl Meters {
    /// Registers them.
    pub fn register(metrics: &Metrics, mailboxes: &Mailboxes) -> Self {
        let meters = Self {
            mailbox: mailboxes.of("relay"),
            ..Self::default()
        };
        metrics.add(meters.connects.clone());
        metrics.add(meters.disconnects.clone());
        metrics.add(meters.joins.clone());
        metrics.add(meters.recoveries.clone());
        metrics.add(meters.deliveries.clone());
        metrics.add(meters.replayed.clone());
        metrics.add(meters.commit_to_queue.clone());
        metrics.add(meters.forgotten.clone());
        meters
    }

    /// What a CONNECT came to.
    pub(super) fn connect(&self, outcome: &str) {
        self.connects.with_label_values(&[outcome]).inc();
    }

    /// A connected user is gone.
    pub(super) fn disconnect(&self, reason: DisconnectReason) {
        self.disconnects.with_label_values(&[reason.as_str()]).inc();
    }

    /// A join was answered.
    pub(super) fn joined(&self, resync: bool) {
        let outcome = if resync { "resync" } else { "joined" };
        self.joins.with_label_values(&[outcome]).inc();
    }

    /// A join was refused.
    pub(super) fn refused(&self, code: Code) {
        self.joins.with_label_values(&[code.label()]).inc();
    }

    pub(super) fn recovery(&self, outcome: Recovering) {
        let outcome = match outcome {
            Recovering::Done => "recovered",
            Recovering::Nothing => "nothing kept",
            Recovering::Unclear => "offset unknown",
            Recovering::Trimmed => "trimmed",
            Recovering::Failed => "failed",
        };
        self.recoveries.with_label_values(&[outcome]).inc();
    }

    /// An event went into the outboxes of so many sockets, after its vault heard at this time that it is on disk.
    pub(super) fn delivered(&self, sockets: usize, committed: Instant) {
        self.deliveries.inc_by(sockets as u64);
        self.commit_to_queue
            .observe(committed.elapsed().as_secs_f64());
    }
}

impl Default for Meters {
    fn default() -> Self {
        Self {
            connects: counters(
                "connects_total",
                "CONNECTs to the namespace, by what they came to.",
                &["outcome"],
            ),
            disconnects: counters(
                "disconnects_total",
                "Connected sockets that left, by the server's name of the reason.",
                &["reason"],
            ),
            joins: counters(
                "joins_total",
                "Joins of vaults by what they came to: joined, resync, or the code of a refusal.",
                &["outcome"],
            ),
            recoveries: counters(
                "recoveries_total",
                "Clients that came back with a pid, by what that came to.",
                &["outcome"],
            ),
            deliveries: counter(
                "deliveries_total",
                "Events put into the outboxes of sockets, replayed ones not counted.",
            ),
            replayed: counter(
                "replayed_events_total",
                "Events told again or later: by `since`, at a recovery, or to a worker thread that had fallen behind.",
            ),
            commit_to_queue: histogram(
                "commit_to_queue_seconds",
                "From when a vault heard that an event is on disk until a worker thread had put it into its sockets' outboxes.",
                SECONDS,
            ),
            forgotten: counter(
                "recovery_log_dropped_total",
                "Entries of what a socket was sent that were dropped before a heartbeat confirmed them: recovery from before them is refused.",
            ),
            mailbox: Mailbox::default(),
        }
    }
}
