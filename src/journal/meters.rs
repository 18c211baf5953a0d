//! What is counted of the journal.

use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec};

use crate::metrics::{
    COUNTS, Mailbox, Mailboxes, Metrics, SECONDS, counter, counters, histogram, histograms,
};

use super::{Database, Written, error::JournalError};

/// What is counted of the journal. Cheap to clone; clones count together.
#[derive(Clone, Debug)]
pub struct Meters {
    transactions: IntCounterVec,
    pub(super) commit_seconds: Histogram,
    pub(super) batch_mutations: Histogram,
    pub(super) batch_works: Histogram,
    pub(super) mailbox: Mailbox,
    pub(super) swept_events: IntCounter,
    pub(super) connection_wait: HistogramVec,
}

impl Meters {
    /// Registers them.
    pub fn register(metrics: &Metrics, mailboxes: &Mailboxes) -> Self {
        let meters = Self {
            mailbox: mailboxes.of("committer"),
            ..Self::default()
        };
        metrics.add(meters.transactions.clone());
        metrics.add(meters.commit_seconds.clone());
        metrics.add(meters.batch_mutations.clone());
        metrics.add(meters.batch_works.clone());
        metrics.add(meters.swept_events.clone());
        metrics.add(meters.connection_wait.clone());
        meters
    }

    /// What became of one of the works of a transaction.
    pub(super) fn work(&self, outcome: &Result<Written, JournalError>) {
        let outcome = match outcome {
            Ok(_) => "written",
            Err(JournalError::Unavailable(_) | JournalError::Closed) => "unavailable",
            Err(JournalError::Contended(_)) => "contended",
            Err(JournalError::Unknown(_)) => "unknown",
            Err(JournalError::Fault(_)) => "fault",
        };
        self.transactions.with_label_values(&[outcome]).inc();
    }
}

impl Default for Meters {
    fn default() -> Self {
        Self {
            transactions: counters(
                "journal_works_total",
                "What the journal was asked to write (a vault's batch, a new vault, a user, kept sockets, old rows), by what became of it.",
                &["outcome"],
            ),
            commit_seconds: histogram(
                "commit_seconds",
                "How long a transaction took, from its first statement until it was on disk.",
                SECONDS,
            ),
            batch_mutations: histogram(
                "commit_batch_mutations",
                "Mutations of one vault in one transaction (actors.commit_batch).",
                COUNTS,
            ),
            batch_works: histogram(
                "commit_batch_works",
                "Works in one transaction: mostly vaults.",
                COUNTS,
            ),
            mailbox: Mailbox::default(),
            swept_events: counter(
                "journal_trimmed_events_total",
                "Events that are kept no longer (journal.retain_events, journal.retain_for).",
            ),
            connection_wait: histograms(
                "database_wait_seconds",
                "How long it was waited for a connection of a pool.",
                &["pool"],
                SECONDS,
            ),
        }
    }
}

/// Registers what is read of the connections when it is asked for.
pub fn register_gauges(metrics: &Metrics, database: &Database) {
    let reader = database.reader.clone();
    metrics.read(
        "database_connections_in_use",
        "Connections that something is being done with, by pool.",
        Some("pool"),
        move || vec![(READER.to_owned(), reader.in_use() as f64)],
    );
    let capacity = database.reader.capacity() as f64;
    metrics.read(
        "database_connections_max",
        "Connections that a pool may have.",
        Some("pool"),
        move || vec![(READER.to_owned(), capacity)],
    );
}

/// The name of the pool that reads.
pub(super) const READER: &str = "reader";
