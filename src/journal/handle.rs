//! The handle to the journal: writes through the committers, and the reads that vaults need.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use sea_orm::{DatabaseConnection, DbErr};
use tokio::sync::watch;

use crate::domain::{Epoch, Mutation, MutationAnswer, Seq, Timestamp, UserProfile, Vault, VaultId};

use super::{
    committer,
    current_epoch::CurrentEpoch,
    database::{self, Database},
    database_clock::DatabaseClock,
    db_thread::DbThread,
    error::JournalError,
    lookup,
    metrics::JournalMetrics,
    record::JournalRecord,
    request::{BatchBase, BatchRequest, CommitOutcome, MutationError, NewVault, WriteRequest},
    retention::Retention,
    retention_sweeper::{self, RetentionSweeper, SweepOutcome, SweepStats},
    sharing::DatabaseSharing,
    write_check::WriteCheck,
    write_queue::WriteQueue,
};

/// The journal of all vaults. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Journal {
    database: Arc<Database>,
    /// One queue for each writing connection. A vault always uses the same one.
    queues: Arc<[WriteQueue]>,
    retention: Arc<watch::Sender<Retention>>,
    epoch: CurrentEpoch,
    pub(super) clock: DatabaseClock,
    replacements: Arc<AtomicU64>,
    metrics: Arc<JournalMetrics>,
    pub(super) write_check: WriteCheck,
}

impl Journal {
    /// Starts the committers and the retention sweeper. They run until the last clone is dropped.
    ///
    /// # Errors
    /// When the database does not answer or was not migrated.
    pub async fn open(
        mut database: Database,
        retention: Retention,
        metrics: JournalMetrics,
    ) -> Result<Self, JournalError> {
        database.measure_waits(&metrics.connection_wait);
        let epoch = database.epoch().await?;
        let clock = DatabaseClock::default();
        clock.read(&database).await?;
        let write_check = WriteCheck::new(database.write_outage.clone());
        let (retention, retention_changes) = watch::channel(retention);
        let start = |writer: &DbThread| {
            let (queue, receiver) = WriteQueue::new();
            writer.spawn(committer::run(writer.clone(), receiver, metrics.clone()));
            queue
        };
        let queues: Arc<[_]> = database.writers.iter().map(start).collect();
        if let (Some(writer), Some(queue)) = (database.writers.first(), queues.first()) {
            writer.spawn(retention_sweeper::run(
                database.reader.clone(),
                queue.downgrade(),
                retention_changes,
                clock.clone(),
                metrics.clone(),
            ));
        }
        Ok(Self {
            database: Arc::new(database),
            queues,
            retention: Arc::new(retention),
            epoch: CurrentEpoch::new(epoch.into()),
            clock,
            replacements: Arc::default(),
            metrics: Arc::new(metrics),
            write_check,
        })
    }

    /// Returns the present time by the clock that all processes on the database share.
    pub fn shared_time(&self) -> Timestamp {
        self.clock.now()
    }

    /// Changes the retention limits. A change starts a sweep at once.
    pub fn set_retention(&self, retention: Retention) {
        self.retention.send_if_modified(|current| {
            let is_changed = *current != retention;
            *current = retention;
            is_changed
        });
    }

    /// Returns the epoch, which distinguishes this history from one that was restored from a backup. An answer that carries
    /// it takes it before it reads: if both change meanwhile, its reader must not take the new epoch for that of old numbers.
    pub fn epoch(&self) -> Epoch {
        self.epoch.get()
    }

    /// Replaces the epoch, because the database has another one than before.
    pub fn set_epoch(&self, epoch: Epoch) {
        self.epoch.set(epoch);
    }

    /// Records that another database may have been put in the place of the first one: it has another epoch, or a head went back.
    pub fn record_replacement(&self) {
        self.replacements.fetch_add(1, Ordering::AcqRel);
    }

    /// Returns how often the database may have been replaced. What was read or written at another number may be gone.
    pub fn replacements(&self) -> u64 {
        self.replacements.load(Ordering::Acquire)
    }

    /// Waits until a connection to PostgreSQL was opened since the last call has returned: after a failover, another database may
    /// have answered. There is one caller at a time.
    pub async fn connected(&self) {
        self.database.connected.notified().await;
    }

    /// Returns which processes write the database.
    pub fn sharing(&self) -> DatabaseSharing {
        self.database.sharing
    }

    /// Returns the connections.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Returns a vault's current state: `None` when it never existed, without members when it was deleted.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn load(&self, id: &VaultId) -> Result<Option<Vault>, JournalError> {
        let id = id.clone();
        self.read(|db| async move {
            let txn = database::begin_read(&db).await?;
            let vault = lookup::vault(&txn, &id).await?;
            txn.commit().await?;
            Ok(vault)
        })
        .await
    }

    /// Returns a vault's head: `None` when it never existed or was purged.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn head(&self, id: &VaultId) -> Result<Option<Seq>, JournalError> {
        let id = id.clone();
        self.read(|db| async move { lookup::head(&db, &id).await })
            .await
    }

    /// Checks that no transaction in progress has moved the vault's head. A read would miss a commit that waits for a
    /// synchronous replica, or whose backend does not run. On SQLite a transaction ends with its connection.
    ///
    /// # Errors
    /// When the head is locked, or the database does not answer.
    pub async fn check_head_is_unlocked(&self, id: &VaultId) -> Result<(), JournalError> {
        let id = id.clone();
        self.read(|db| async move { lookup::check_head_is_unlocked(&db, &id).await })
            .await
    }

    /// Returns at most `limit` records after a seq, oldest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn records_after(
        &self,
        id: &VaultId,
        seq: Seq,
        limit: usize,
    ) -> Result<Vec<JournalRecord>, JournalError> {
        let id = id.clone();
        self.read(|db| async move { lookup::records(&db, &id, seq, limit).await })
            .await
    }

    /// Decides and writes a vault's batch. All accepted mutations are committed when this returns. The batch is completed
    /// even if the returned future is dropped.
    ///
    /// # Errors
    /// When nothing was written, or the outcome of the commit is unknown ([`JournalError::Unknown`]).
    pub async fn append(
        &self,
        vault: Vault,
        mutations: Vec<Mutation>,
    ) -> Result<CommitOutcome, JournalError> {
        let mut hasher = DefaultHasher::new();
        vault.id.hash(&mut hasher);
        let queue = hasher.finish() as usize % self.queues.len();
        let batch = BatchRequest {
            vault,
            missed: Vec::new(),
            base: BatchBase::Continued,
            mutations,
        };
        self.write(queue, WriteRequest::Batch(batch)).await
    }

    /// Creates a vault, with its creator as its first owner.
    ///
    /// # Errors
    /// When its idempotency key was used for another request, or the database does not answer.
    pub async fn create_vault(&self, new: NewVault) -> Result<MutationAnswer, MutationError> {
        // Requests with equal keys must reach the same committer, so that the second finds the answer of the first.
        let mut outcome = self.write(0, WriteRequest::CreateVault(new)).await?;
        outcome.results.pop().expect("one vault has one result")
    }

    /// Records the name and email of a user as given by their session. A session that was issued later prevails.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn record_user(&self, profile: UserProfile) -> Result<(), JournalError> {
        let request = WriteRequest::RecordUser(profile);
        self.write(0, request).await.map(drop)
    }

    /// Deletes everything that has expired at this time: remembered answers, stored sockets, events, and deleted vaults.
    /// The journal also sweeps periodically by itself.
    ///
    /// # Errors
    /// When the database does not answer. The deletions before stay committed.
    pub async fn sweep(&self, now: Timestamp) -> Result<SweepStats, JournalError> {
        let retention = *self.retention.borrow();
        self.sweeper().sweep(retention, now).await
    }

    /// Deletes all rows that have expired at this time, unless another node is doing so.
    ///
    /// # Errors
    /// When the database does not answer. The deletions before stay committed.
    pub async fn try_sweep(&self, now: Timestamp) -> Result<SweepOutcome, JournalError> {
        let retention = *self.retention.borrow();
        self.sweeper().try_sweep(retention, now).await
    }

    fn sweeper(&self) -> RetentionSweeper<'_> {
        RetentionSweeper {
            reader: &self.database.reader,
            queue: self.queues.first().expect("at least one writer exists"),
            metrics: &self.metrics,
        }
    }

    /// Ends the committers, once every other clone is dropped, and closes the connections.
    ///
    /// # Errors
    /// When the database fails to close.
    pub async fn close(self) -> Result<(), JournalError> {
        drop(self.queues);
        Ok(Arc::unwrap_or_clone(self.database).close().await?)
    }

    /// Returns the number of committers.
    pub(super) fn writers(&self) -> usize {
        self.queues.len()
    }

    /// Writes a request through the committer with this index.
    pub(super) async fn write(
        &self,
        queue: usize,
        request: WriteRequest,
    ) -> Result<CommitOutcome, JournalError> {
        let queue = &self.queues[queue];
        self.metrics.mailbox.message_sent(queue.depth());
        queue.write(request).await
    }

    /// Reads what a user requested, on connections that only such reads use.
    pub(super) async fn list<T, F>(
        &self,
        work: impl FnOnce(DatabaseConnection) -> F,
    ) -> Result<T, JournalError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, DbErr>> + Send + 'static,
    {
        Ok(self.database.listings.run(work).await?)
    }

    /// Reads what the service itself needs.
    pub(super) async fn read<T, F>(
        &self,
        work: impl FnOnce(DatabaseConnection) -> F,
    ) -> Result<T, JournalError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, DbErr>> + Send + 'static,
    {
        Ok(self.database.reader.run(work).await?)
    }
}
