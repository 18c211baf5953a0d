//! The journal: what vaults remember. One durable order of events per vault, and everything that follows
//! from it, written in the same transaction.
//!
//! [`Journal::append`] is how a vault's batch gets on disk: it goes to a committer (`committer.rs`), which
//! joins what waits of several vaults, decides each mutation by the rules of [`domain`](crate::domain) on what
//! is true at its place in the order (`write.rs`), and writes rows and events together (`insert.rs`). Nobody
//! hears of an event before that returned. Reads (`reads.rs`) have connections of their own and never queue
//! behind a writer. What is old is let go of in the background (`sweep.rs`, `retention.rs`). Sockets that are to come
//! back after a restart are kept here too (`kept.rs`).
//!
//! Nothing here assumes to be the only writer of the database: a vault's head is taken by comparison.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use sea_orm::{DatabaseConnection, DbErr};
use tokio::sync::{mpsc, oneshot, watch};

use crate::domain::{Answer, Mutation, Principal, Seq, Timestamp, Vault, VaultId};

mod committer;
mod connection;
mod database;
mod error;
mod gathering;
mod insert;
mod kept;
mod line;
mod lookup;
mod meters;
mod outage;
mod reads;
mod record;
mod retention;
mod rows;
mod schema;
mod statements;
mod sweep;
mod witness;
mod work;
mod write;
mod writer;

pub use database::{Database, DatabaseOptions, begin_read};
pub use error::JournalError;
pub(crate) use error::report;
pub use gathering::Gathering;
pub use kept::KeptSocket;
pub use line::Line;
pub use meters::{Meters, register_gauges};
pub use reads::{Listing, Stretch};
pub use record::{Kind, Record};
pub use retention::Retention;
pub use schema::{Standing, Step};
pub use sweep::Swept;
pub use work::{Denied, NewVault, Written};

use committer::Task;
use sweep::Broom;
use work::Work;

/// How many works wait for one committer before those who bring more wait too. Each vault has one at a time.
const WORKS_WAITING: usize = 1024;

/// The journal of all vaults. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Journal {
    database: Database,
    /// One committer per writing connection; a vault always has the same.
    committers: Vec<mpsc::Sender<Task>>,
    retention: Arc<watch::Sender<Retention>>,
    epoch: String,
    meters: Meters,
}

impl Journal {
    /// Begins to write and read, and to let go of what is kept no longer. The committers live until every clone is gone.
    ///
    /// # Errors
    /// When the database does not answer or was not migrated.
    pub async fn open(
        mut database: Database,
        retention: Retention,
        meters: Meters,
    ) -> Result<Self, JournalError> {
        let wait = meters.connection_wait.with_label_values(&[meters::READER]);
        database.reader.measure_wait(wait);
        let epoch = database.epoch().await?;
        let (retention, kept) = watch::channel(retention);
        let start = |writer: &Line| {
            let (tasks, waiting) = mpsc::channel(WORKS_WAITING);
            writer.spawn(committer::run(writer.clone(), waiting, meters.clone()));
            tasks
        };
        let committers: Vec<_> = database.writers.iter().map(start).collect();
        for (writer, tasks) in database.writers.iter().zip(&committers).take(1) {
            let reader = database.reader.clone();
            let (tasks, meters) = (tasks.downgrade(), meters.clone());
            writer.spawn(sweep::run(reader, tasks, kept.clone(), meters));
        }
        Ok(Self {
            database,
            committers,
            retention: Arc::new(retention),
            epoch,
            meters,
        })
    }

    /// Keeps so much from now on. What is too much is looked for at once.
    pub fn retain(&self, retention: Retention) {
        self.retention.send_if_modified(|kept| {
            let is_another = *kept != retention;
            *kept = retention;
            is_another
        });
    }

    /// What tells this history from one put back from a backup.
    pub fn epoch(&self) -> &str {
        &self.epoch
    }

    /// The vault as it stands; `None` when it never was. A deleted one has no members.
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

    /// Where the vault stands; `None` when it never was, or nothing of it is left.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn head(&self, id: &VaultId) -> Result<Option<Seq>, JournalError> {
        let id = id.clone();
        self.read(|db| async move { lookup::head(&db, &id).await })
            .await
    }

    /// At most `limit` records after a place, oldest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn after(
        &self,
        id: &VaultId,
        place: Seq,
        limit: usize,
    ) -> Result<Vec<Record>, JournalError> {
        let id = id.clone();
        self.read(|db| async move { lookup::records(&db, &id, place, limit).await })
            .await
    }

    /// Decides and writes a vault's batch: all of its accepted mutations are on disk when this returns. Runs to
    /// its end even when nobody awaits it any longer.
    ///
    /// # Errors
    /// When nothing of it was written, or (`Unknown`) nobody can tell.
    pub async fn append(
        &self,
        vault: Vault,
        mutations: Vec<Mutation>,
    ) -> Result<Written, JournalError> {
        let mut hasher = DefaultHasher::new();
        vault.id.hash(&mut hasher);
        let lane = hasher.finish() as usize % self.committers.len();
        let work = Work::Batch {
            vault,
            missed: Vec::new(),
            mutations,
        };
        self.write(lane, work).await
    }

    /// Makes a vault, with its creator as its first owner.
    ///
    /// # Errors
    /// When its idempotency key was used for something else, or the database does not answer.
    pub async fn create_vault(&self, new: NewVault) -> Result<Answer, Denied> {
        // Equal keys must meet in one committer, so that the second sees the first.
        let mut written = self.write(0, Work::NewVault(new)).await?;
        written.results.pop().expect("one vault has one result")
    }

    /// Records a user as his session tells him.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn record_user(&self, principal: Principal) -> Result<(), JournalError> {
        self.write(0, Work::User(principal)).await.map(drop)
    }

    /// Lets go of everything that is not kept at this time any longer: answers, sockets that did not come back,
    /// events, deleted vaults; how much that was.
    /// The journal does so by itself every now and then.
    ///
    /// # Errors
    /// When the database does not answer; what went before is gone all the same.
    pub async fn sweep(&self, now: Timestamp) -> Result<Swept, JournalError> {
        let broom = Broom {
            reader: &self.database.reader,
            committer: self.committers.first().expect("there is always one writer"),
            meters: &self.meters,
        };
        let kept = *self.retention.borrow();
        broom.sweep(kept, now).await
    }

    /// Ends the committers, once every other clone is gone, and closes the connections.
    ///
    /// # Errors
    /// When the database fails to close.
    pub async fn close(self) -> Result<(), JournalError> {
        drop(self.committers);
        Ok(self.database.close().await?)
    }

    async fn write(&self, lane: usize, work: Work) -> Result<Written, JournalError> {
        let (answer, outcome) = oneshot::channel();
        let committer = &self.committers[lane];
        (self.meters.mailbox).sent(committer.max_capacity() - committer.capacity());
        committer
            .send(Task::now(work, answer))
            .await
            .map_err(|_| JournalError::Closed)?;
        outcome.await.map_err(|_| JournalError::Closed)?
    }

    /// The connections.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Reads on a connection that nobody writes with.
    async fn read<T, F>(
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
