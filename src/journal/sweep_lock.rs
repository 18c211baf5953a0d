//! The advisory lock by which one node of a PostgreSQL deletes expired rows at a time. Without it they would all read the same rows.
//!
//! The lock belongs to a transaction that does nothing else: poolers in transaction mode allow that, and the server releases the lock
//! of a node that has vanished. A node that loses the lock during a sweep does no harm, because deletions repeat their conditions.

use std::time::Duration;

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, Statement,
    TransactionTrait,
};
use tokio::sync::oneshot;

use super::db_thread::DbThread;

/// The first half of the advisory lock: `vcas` as a number. The second one is of the schema, whose tables are independent.
const SWEEP_LOCK: i32 = 0x7663_6173;

/// How long a node keeps the lock at most.
const MAX_SWEEP: Duration = Duration::from_secs(10 * 60);

/// The lock, until it is dropped. Nothing is locked where only one process sweeps.
pub(super) struct SweepLock {
    _release: Option<oneshot::Sender<()>>,
}

impl SweepLock {
    /// Tries to take the lock. Returns `None` if another node has it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(super) async fn try_acquire(reader: &DbThread) -> Result<Option<Self>, DbErr> {
        let is_sqlite = reader.pool().get_database_backend() == DbBackend::Sqlite;
        // The sweep itself needs a connection beside that of the lock.
        if is_sqlite || reader.capacity() < 2 {
            return Ok(Some(Self { _release: None }));
        }
        let (report, reported) = oneshot::channel();
        let (release, released) = oneshot::channel();
        let reader = reader.clone().with_deadline(MAX_SWEEP);
        let hold = |db: DatabaseConnection| async move {
            let txn = db.begin().await?;
            let is_acquired = try_lock(&txn).await?;
            if report.send(is_acquired).is_ok() && is_acquired {
                // Nothing is ever sent. The wait ends when the lock is dropped.
                let _: Result<(), _> = released.await;
            }
            txn.rollback().await
        };
        let holder = tokio::spawn(async move { reader.run(hold).await });
        match reported.await {
            Ok(true) => Ok(Some(Self {
                _release: Some(release),
            })),
            Ok(false) => Ok(None),
            Err(_) => match holder.await {
                Ok(Err(error)) => Err(error),
                Ok(Ok(())) => Ok(None),
                Err(cause) => Err(DbErr::Custom(cause.to_string())),
            },
        }
    }
}

async fn try_lock(txn: &DatabaseTransaction) -> Result<bool, DbErr> {
    let longest = MAX_SWEEP.as_millis();
    let settings = format!("SET LOCAL idle_in_transaction_session_timeout = {longest}");
    txn.execute_unprepared(&settings).await?;
    let sql = format!(
        "SELECT pg_try_advisory_xact_lock({SWEEP_LOCK}, hashtext(current_schema())) AS acquired"
    );
    let query = Statement::from_string(DbBackend::Postgres, sql);
    let row = txn.query_one_raw(query).await?;
    row.map_or(Ok(false), |row| row.try_get("", "acquired"))
}
