//! Metrics of the journal and its database pools.

use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec};

use crate::telemetry::metrics::{
    COUNTS, MailboxFamilies, MailboxMetrics, MetricsRegistry, SECONDS, counter, counters,
    histogram, histograms,
};

use super::{database::Database, db_thread::DbThread, error::JournalError, request::CommitOutcome};

/// The metrics of the journal. Cheap to clone; clones share their values.
#[derive(Clone, Debug)]
pub struct JournalMetrics {
    requests: IntCounterVec,
    pub(super) commit_seconds: Histogram,
    pub(super) batch_mutations: Histogram,
    pub(super) batch_requests: Histogram,
    pub(super) mailbox: MailboxMetrics,
    pub(super) contended_mailbox: MailboxMetrics,
    pub(super) trimmed_events: IntCounter,
    pub(super) connection_wait: HistogramVec,
}

impl JournalMetrics {
    /// Creates and registers the metrics.
    pub fn register(registry: &MetricsRegistry, mailboxes: &MailboxFamilies) -> Self {
        let metrics = Self {
            mailbox: mailboxes.for_actor("committer"),
            contended_mailbox: mailboxes.for_actor("contended_writer"),
            ..Self::default()
        };
        registry.register(metrics.requests.clone());
        registry.register(metrics.commit_seconds.clone());
        registry.register(metrics.batch_mutations.clone());
        registry.register(metrics.batch_requests.clone());
        registry.register(metrics.trimmed_events.clone());
        registry.register(metrics.connection_wait.clone());
        metrics
    }

    /// Counts the outcome of one write request.
    pub(super) fn request_finished(&self, outcome: &Result<CommitOutcome, JournalError>) {
        let outcome = match outcome {
            Ok(_) => "written",
            Err(JournalError::Unavailable(_) | JournalError::Closed) => "unavailable",
            Err(JournalError::Contended(_)) => "contended",
            Err(JournalError::Unknown(_)) => "unknown",
            Err(JournalError::Fault(_)) => "fault",
        };
        self.requests.with_label_values(&[outcome]).inc();
    }
}

impl Default for JournalMetrics {
    fn default() -> Self {
        Self {
            requests: counters(
                "journal_requests_total",
                "Write requests (batches of a vault, new vaults, users, stored sockets, purge steps, test writes), by outcome.",
                &["outcome"],
            ),
            commit_seconds: histogram(
                "commit_seconds",
                "Duration of a transaction, from its first statement to the end of its commit.",
                SECONDS,
            ),
            batch_mutations: histogram(
                "commit_batch_mutations",
                "Mutations of one vault in one transaction (actors.commit_batch).",
                COUNTS,
            ),
            batch_requests: histogram(
                "commit_batch_requests",
                "Write requests in one transaction, mostly one for each vault.",
                COUNTS,
            ),
            mailbox: MailboxMetrics::default(),
            contended_mailbox: MailboxMetrics::default(),
            trimmed_events: counter(
                "journal_trimmed_events_total",
                "Events deleted by retention (journal.retain_events, journal.retain_for).",
            ),
            connection_wait: histograms(
                "database_wait_seconds",
                "Wait for a connection of a pool.",
                &["pool"],
                SECONDS,
            ),
        }
    }
}

/// Registers the gauges of the read pool.
pub fn register_gauges(registry: &MetricsRegistry, database: &Database) {
    let owned = |(label, share): (&str, &DbThread)| (label.to_owned(), share.clone());
    let shares = database.read_shares().map(owned);
    let capacity = shares
        .each_ref()
        .map(|(label, share)| (label.clone(), share.capacity() as f64));
    registry.register_callback(
        "database_connections_in_use",
        "Connections in use, by pool.",
        Some("pool"),
        move || {
            let in_use =
                |(label, share): &(String, DbThread)| (label.clone(), share.in_use() as f64);
            shares.iter().map(in_use).collect()
        },
    );
    registry.register_callback(
        "database_connections_max",
        "Maximum number of connections of a pool.",
        Some("pool"),
        move || capacity.to_vec(),
    );
}
