//! The connection and the transactions of a committer.
//!
//! The committer holds its connection permanently, because a pool tests a connection each time it is returned. The cost of
//! a transaction is its hops to the connection: to a thread on SQLite, over the network on PostgreSQL. On SQLite, `BEGIN` is
//! sent with the first statement and `COMMIT` with the last ones, so a transaction that only inserts rows takes two hops.

use std::{sync::Arc, time::Duration};

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr,
    Statement, Values, prelude::async_trait::async_trait, sqlx::pool::CloseEvent,
};
use tokio::{sync::Mutex, time::timeout};

use super::{
    database_file::DatabaseFile,
    db_connection::{DbConnection, StatementOutcome},
    db_thread::{DbThread, no_answer},
    deadlines::ANSWER_DEADLINE,
    outage::OutageMonitor,
    statements::{SqlScript, SqlText},
};

/// How long to wait for the answer to BEGIN on PostgreSQL. It waits for no lock and no disk: a connection that takes longer is
/// probably dead, and nothing has begun.
const BEGIN_DEADLINE: Duration = Duration::from_secs(3);

/// The only connection of a pool, with at most one open transaction.
pub(super) struct WriterConnection {
    pool: DatabaseConnection,
    file: Option<Arc<DatabaseFile>>,
    state: Mutex<WriterState>,
}

#[derive(Default)]
struct WriterState {
    /// `None` before the first transaction, and after a failure.
    connection: Option<DbConnection>,
    /// The BEGIN command that is sent with the next statement.
    pending_begin: Option<&'static str>,
    /// Whether the transaction has a statement that writes.
    has_written: bool,
    outage: Option<Arc<OutageMonitor>>,
}

/// The mode of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TransactionMode {
    /// Reads and writes. On SQLite the lock is taken at once: a transaction that starts with a read cannot be upgraded when
    /// another process writes in between.
    Write,
    /// Reads from one snapshot.
    Snapshot,
}

impl TransactionMode {
    fn begin_command(self, backend: DbBackend) -> &'static str {
        match (self, backend) {
            (Self::Write, DbBackend::Sqlite) => "BEGIN IMMEDIATE",
            // In WAL mode every SQLite transaction reads from one snapshot.
            (Self::Snapshot, DbBackend::Sqlite) | (Self::Write, _) => "BEGIN",
            (Self::Snapshot, _) => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        }
    }
}

impl WriterConnection {
    /// Creates a writer on the thread's pool. It must be used on that thread.
    pub(super) fn new(db_thread: &DbThread) -> Self {
        let state = WriterState {
            outage: db_thread.outage(),
            ..WriterState::default()
        };
        Self {
            pool: db_thread.pool().clone(),
            file: db_thread.file(),
            state: Mutex::new(state),
        }
    }

    /// Resolves when the pool starts to close, which waits for the connection.
    pub(super) fn closing(&self) -> CloseEvent {
        match self.pool.get_database_backend() {
            DbBackend::Sqlite => self.pool.get_sqlite_connection_pool().close_event(),
            _ => self.pool.get_postgres_connection_pool().close_event(),
        }
    }

    /// Begins a transaction. Retries on a new connection when the idle one is broken; this is safe because nothing has
    /// begun.
    ///
    /// # Errors
    /// When there is no connection, or the SQLite file is not at its path. A lock that another process holds on SQLite is
    /// reported by the first statement.
    pub(super) async fn begin(&self, mode: TransactionMode) -> Result<(), DbErr> {
        let begin = mode.begin_command(self.pool.get_database_backend());
        let mut state = self.state.lock().await;
        self.check_file(&state)?;
        state.has_written = false;
        if self.pool.get_database_backend() == DbBackend::Sqlite {
            state.connect(&self.pool).await?;
            state.pending_begin = Some(begin);
            return Ok(());
        }
        if state.connection.is_some() && state.begin_now(begin).await.is_ok() {
            return Ok(());
        }
        state.discard_connection().await;
        state.connect(&self.pool).await?;
        state.begin_now(begin).await
    }

    /// Executes the remaining statements and commits.
    ///
    /// # Errors
    /// When a statement or the commit fails; the error does not show which. The caller must then call
    /// [`rollback`](Self::rollback) or [`discard_connection`](Self::discard_connection).
    pub(super) async fn commit(&self, remaining: SqlScript) -> Result<(), DbErr> {
        let mut state = self.state.lock().await;
        if state.pending_begin.is_some() && remaining.is_empty() {
            state.pending_begin = None;
            return Ok(());
        }
        let has_written = state.has_written || !remaining.is_empty();
        for text in remaining.followed_by("COMMIT") {
            state.run(text, ANSWER_DEADLINE).await?;
        }
        // The file may have been moved since the transaction began.
        self.check_file(&state)?;
        // Only a commit ends an outage: with a full disk, for example, earlier statements succeed and the commit fails. A
        // commit that writes nothing proves nothing.
        if has_written && let Some(outage) = &state.outage {
            outage.record_success();
        }
        Ok(())
    }

    /// Rolls the transaction back, or discards a connection that fails to do so, which has the same effect.
    pub(super) async fn rollback(&self) {
        let mut state = self.state.lock().await;
        let has_begun = state.pending_begin.take().is_none() && state.connection.is_some();
        let rollback = SqlText::command("ROLLBACK");
        if has_begun && state.run(rollback, ANSWER_DEADLINE).await.is_err() {
            state.discard_connection().await;
        }
    }

    /// Closes a failed connection, whose state is unknown. The database rolls its transaction back; the next transaction
    /// opens a new connection.
    pub(super) async fn discard_connection(&self) {
        self.state.lock().await.discard_connection().await;
    }

    fn check_file(&self, state: &WriterState) -> Result<(), DbErr> {
        state.record(self.file.as_ref().map_or(Ok(()), |file| file.check()))
    }

    async fn run(&self, statement: Statement) -> Result<StatementOutcome, DbErr> {
        let Statement { sql, values, .. } = statement;
        let Values(values) = values.unwrap_or_else(|| Values(Vec::new()));
        let mut state = self.state.lock().await;
        state.has_written |= !sql.starts_with("SELECT");
        state.run(SqlText { sql, values }, ANSWER_DEADLINE).await
    }
}

impl WriterState {
    /// Takes a connection from the pool, unless there is one.
    async fn connect(&mut self, pool: &DatabaseConnection) -> Result<(), DbErr> {
        if self.connection.is_none() {
            let acquired = self.record(DbConnection::acquire(pool).await);
            self.connection = Some(acquired?);
        }
        Ok(())
    }

    async fn begin_now(&mut self, begin: &'static str) -> Result<(), DbErr> {
        let begun = self.run(SqlText::command(begin), BEGIN_DEADLINE).await;
        begun.map(drop)
    }

    /// Executes a text. On PostgreSQL a connection that does not answer before the deadline is discarded. The transaction
    /// has ended then: nothing runs on another connection before the next one begins.
    async fn run(
        &mut self,
        mut text: SqlText,
        deadline: Duration,
    ) -> Result<StatementOutcome, DbErr> {
        let uncounted = match self.pending_begin.take() {
            Some(begin) => {
                text.sql = format!("{begin}; {}", text.sql);
                1
            }
            None => 0,
        };
        let outcome = match &mut self.connection {
            // SQLite has no connection that could be lost, and its transactions cannot be abandoned.
            Some(connection @ DbConnection::Sqlite(_)) => connection.run(text, uncounted).await,
            Some(connection @ DbConnection::Postgres(_)) => {
                let answer = timeout(deadline, connection.run(text, uncounted)).await;
                match answer {
                    Ok(outcome) => outcome,
                    Err(_) => {
                        self.discard_connection().await;
                        Err(no_answer(deadline))
                    }
                }
            }
            None => Err(no_connection()),
        };
        self.record(outcome)
    }

    /// Records a failure.
    fn record<T>(&self, outcome: Result<T, DbErr>) -> Result<T, DbErr> {
        if let (Err(error), Some(outage)) = (&outcome, &self.outage) {
            outage.record_failure(error);
        }
        outcome
    }

    async fn discard_connection(&mut self) {
        self.pending_begin = None;
        if let Some(connection) = self.connection.take() {
            connection.close().await;
        }
    }
}

fn no_connection() -> DbErr {
    DbErr::Conn(RuntimeErr::Internal("the connection was lost".to_owned()))
}

#[async_trait]
impl ConnectionTrait for WriterConnection {
    fn get_database_backend(&self) -> DbBackend {
        self.pool.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        Ok(self.run(statement).await?.result)
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let statement = Statement::from_string(self.get_database_backend(), sql);
        self.execute_raw(statement).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        Ok(self.query_all_raw(statement).await?.into_iter().next())
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        Ok(self.run(statement).await?.rows)
    }
}
