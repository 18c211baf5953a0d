//! Deletes expired rows in the background: remembered answers, stored sockets, events, and deleted vaults
//! ([`Retention`]).
//!
//! The sweeper finds expired rows on the read pool, so a sweep that finds nothing writes nothing. It deletes them through
//! the committer in small steps, each of which joins the next transaction, so no mutation waits long behind one. Of several
//! nodes one sweeps at a time ([`SweepLock`]). Two that sweep all the same do no harm; the later one finds nothing left to delete.

use std::time::Duration;

use sea_orm::{DatabaseConnection, DbErr};
use tokio::sync::watch;
use tracing::info;

use crate::domain::{Timestamp, VaultId, idempotency::REMEMBERED_FOR_MILLIS};

use super::{
    database_clock::DatabaseClock,
    db_thread::DbThread,
    error::{JournalError, report},
    metrics::JournalMetrics,
    purge,
    request::{PurgeStep, WriteRequest},
    retention::{self, EventTime, Retention, RetentionRow},
    socket_rows,
    sweep_lock::SweepLock,
    write_queue::{WeakWriteQueue, WriteQueue},
};

/// How many vaults one read returns.
const PAGE: u64 = 256;

/// Time between two sweeps.
const INTERVAL: Duration = Duration::from_secs(10 * 60);

/// Time before another attempt when another node was sweeping.
const RETRY_INTERVAL: Duration = Duration::from_secs(60);

/// The result of an attempt to sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SweepOutcome {
    Swept(SweepStats),
    /// Another node is sweeping.
    Skipped,
}

/// The number of rows that a sweep deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SweepStats {
    /// Remembered answers.
    pub answers: u64,
    /// Stored sockets whose clients did not reconnect.
    pub sockets: u64,
    /// Events.
    pub events: u64,
    /// Deleted vaults, of which no row is left.
    pub vaults: u64,
}

/// Finds and deletes expired rows.
pub(super) struct RetentionSweeper<'a> {
    pub reader: &'a DbThread,
    pub queue: &'a WriteQueue,
    pub metrics: &'a JournalMetrics,
}

/// Sweeps periodically until the committer ends. The first sweep starts at once, because a service that restarts often would
/// otherwise never sweep; a changed [`Retention`] also starts one.
pub(super) async fn run(
    reader: DbThread,
    queue: WeakWriteQueue,
    mut retention: watch::Receiver<Retention>,
    clock: DatabaseClock,
    metrics: JournalMetrics,
) {
    while let Some(queue) = queue.upgrade() {
        let sweeper = RetentionSweeper {
            reader: &reader,
            queue: &queue,
            metrics: &metrics,
        };
        let limits = *retention.borrow_and_update();
        let interval = match sweeper.try_sweep(limits, clock.now()).await {
            Ok(SweepOutcome::Swept(stats)) => {
                log_stats(stats);
                INTERVAL
            }
            Ok(SweepOutcome::Skipped) => RETRY_INTERVAL,
            Err(error) => {
                report!(error, "retention sweep failed; retrying later");
                INTERVAL
            }
        };
        drop(queue);
        let changed = tokio::time::timeout(interval, retention.changed()).await;
        if matches!(changed, Ok(Err(_))) {
            return; // the journal was closed
        }
    }
}

fn log_stats(stats: SweepStats) {
    let SweepStats {
        answers,
        sockets,
        events,
        vaults,
    } = stats;
    if stats != SweepStats::default() {
        info!(answers, sockets, events, vaults, "expired rows deleted");
    }
}

impl RetentionSweeper<'_> {
    /// Deletes all rows that have expired at this time, unless another node is doing so.
    ///
    /// # Errors
    /// When the database does not answer. The steps before stay committed.
    pub(super) async fn try_sweep(
        &self,
        retention: Retention,
        now: Timestamp,
    ) -> Result<SweepOutcome, JournalError> {
        match SweepLock::try_acquire(self.reader).await? {
            Some(_lock) => Ok(SweepOutcome::Swept(self.sweep(retention, now).await?)),
            None => Ok(SweepOutcome::Skipped),
        }
    }

    /// Deletes all rows that have expired at this time, step by step.
    ///
    /// # Errors
    /// When the database does not answer. The steps before stay committed.
    pub(super) async fn sweep(
        &self,
        retention: Retention,
        now: Timestamp,
    ) -> Result<SweepStats, JournalError> {
        let mut stats = SweepStats {
            answers: self.purge_answers(now).await?,
            sockets: self.purge_sockets(now).await?,
            ..SweepStats::default()
        };
        let mut last: Option<VaultId> = None;
        loop {
            let after = last.clone();
            let read =
                |db| async move { retention::retention_rows(&db, after.as_ref(), PAGE).await };
            let vaults = self.reader.run(read).await?;
            for vault in &vaults {
                if retention.is_purgeable(vault, now) {
                    stats.events += self.purge_events(vault, |_| true).await?;
                    let vault = vault.id.clone();
                    stats.vaults += self.purge(PurgeStep::Tombstone { vault }).await?;
                } else if retention.has_expired_events(vault, now) {
                    let is_expired = |event| retention.is_expired(vault.head, event, now);
                    stats.events += self.purge_events(vault, is_expired).await?;
                }
            }
            match vaults.into_iter().next_back() {
                Some(vault) => last = Some(vault.id),
                None => return Ok(stats),
            }
        }
    }

    async fn purge_answers(&self, now: Timestamp) -> Result<u64, JournalError> {
        let until = Timestamp(now.0 - REMEMBERED_FOR_MILLIS);
        let has_more = |db| async move { retention::has_answers_until(&db, until).await };
        self.purge_while(has_more, PurgeStep::Answers { until })
            .await
    }

    async fn purge_sockets(&self, until: Timestamp) -> Result<u64, JournalError> {
        let has_more = |db| async move { socket_rows::has_expired(&db, until).await };
        self.purge_while(has_more, PurgeStep::Sockets { until })
            .await
    }

    /// Repeats a step as long as there are rows for it.
    async fn purge_while<F>(
        &self,
        has_more: impl Fn(DatabaseConnection) -> F,
        step: PurgeStep,
    ) -> Result<u64, JournalError>
    where
        F: Future<Output = Result<bool, DbErr>> + Send + 'static,
    {
        let mut total = 0;
        while self.reader.run(&has_more).await? {
            total += self.purge(step.clone()).await?;
        }
        Ok(total)
    }

    /// Deletes a vault's oldest events, up to the first that has not expired.
    async fn purge_events(
        &self,
        vault: &RetentionRow,
        is_expired: impl Fn(EventTime) -> bool,
    ) -> Result<u64, JournalError> {
        let mut total = 0;
        loop {
            let id = vault.id.clone();
            let read =
                |db| async move { retention::oldest_events(&db, &id, purge::MAX_ROWS).await };
            let oldest = self.reader.run(read).await?;
            let expired = oldest.into_iter().take_while(|event| is_expired(*event));
            let Some(EventTime { seq: through, .. }) = expired.last() else {
                return Ok(total);
            };
            let vault = vault.id.clone();
            let deleted = self.purge(PurgeStep::Events { vault, through }).await?;
            self.metrics.trimmed_events.inc_by(deleted);
            total += deleted;
        }
    }

    /// Executes one step and returns the number of deleted rows.
    async fn purge(&self, step: PurgeStep) -> Result<u64, JournalError> {
        let outcome = self.queue.write(WriteRequest::Purge(step)).await?;
        Ok(outcome.purged)
    }
}
