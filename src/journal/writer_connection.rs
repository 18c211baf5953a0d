//! The connection and the transactions of a committer.
//!
//! The committer holds its connection permanently, because a pool tests a connection each time it is returned. On SQLite a
//! statement runs on the committer's own thread; on PostgreSQL each one is a round trip.

use std::{sync::Arc, time::Duration};

use sea_orm::{DatabaseConnection, DbBackend, DbErr, RuntimeErr, sqlx::pool::CloseEvent};
use tokio::{sync::Mutex, time::timeout};

use super::{
    commit_error::CommitError,
    database_file::DatabaseFile,
    db_connection::DbConnection,
    db_thread::{DbThread, no_answer},
    deadlines::ANSWER_DEADLINE,
    outage::OutageMonitor,
    sql_executor::{SqlExecutor, SqlText},
    sql_row::SqlRow,
    statements::SqlScript,
};

/// How long to wait for the answer to BEGIN on PostgreSQL. It waits for no lock and no disk: a connection that takes longer is
/// probably dead, and nothing has begun.
const BEGIN_DEADLINE: Duration = Duration::from_secs(3);

/// A connection of a pool that is kept, with at most one open transaction.
pub(super) struct WriterConnection {
    pool: DatabaseConnection,
    file: Option<Arc<DatabaseFile>>,
    state: Mutex<WriterState>,
}

#[derive(Default)]
struct WriterState {
    /// `None` before the first transaction, and after a failure.
    connection: Option<DbConnection>,
    /// Whether the transaction has a statement that writes.
    has_written: bool,
    outage: Option<Arc<OutageMonitor>>,
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
    /// When there is no connection, the SQLite file is not at its path, or another process holds its lock for too long.
    pub(super) async fn begin(&self) -> Result<(), DbErr> {
        let mut state = self.state.lock().await;
        self.check_file(&state)?;
        state.has_written = false;
        if self.pool.get_database_backend() == DbBackend::Sqlite {
            state.connect(&self.pool).await?;
            return state.begin_now().await;
        }
        if state.connection.is_some() && state.begin_now().await.is_ok() {
            return Ok(());
        }
        state.discard_connection();
        state.connect(&self.pool).await?;
        state.begin_now().await
    }

    /// Executes the remaining statements, each in a message of its own, and commits.
    ///
    /// # Errors
    /// When a statement or the commit fails. The caller must then call [`rollback`](Self::rollback) or
    /// [`discard_connection`](Self::discard_connection).
    pub(super) async fn commit(&self, remaining: SqlScript) -> Result<(), CommitError> {
        let mut state = self.state.lock().await;
        let has_written = state.has_written || !remaining.is_empty();
        for text in remaining.into_statements() {
            let executed = state.execute(text, ANSWER_DEADLINE).await;
            executed.map_err(CommitError::NotCommitted)?;
        }
        let commit = SqlText::command("COMMIT");
        let committed = state.execute(commit, ANSWER_DEADLINE).await;
        committed.map_err(CommitError::of_sent)?;
        // The file may have been moved since the transaction began. The next start does not find the commit then.
        self.check_file(&state).map_err(CommitError::Unknown)?;
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
        let rollback = SqlText::command("ROLLBACK");
        if state.connection.is_some() && state.execute(rollback, ANSWER_DEADLINE).await.is_err() {
            state.discard_connection();
        }
    }

    /// Closes a failed connection, whose state is unknown. The database rolls its transaction back; the next transaction
    /// opens a new connection.
    pub(super) async fn discard_connection(&self) {
        self.state.lock().await.discard_connection();
    }

    fn check_file(&self, state: &WriterState) -> Result<(), DbErr> {
        state.record(self.file.as_ref().map_or(Ok(()), |file| file.check()))
    }
}

impl WriterState {
    /// Takes a connection from the pool, unless there is one.
    async fn connect(&mut self, pool: &DatabaseConnection) -> Result<(), DbErr> {
        if self.connection.is_none() {
            let acquired = DbConnection::acquire(pool).await;
            self.connection = Some(self.record(acquired)?);
        }
        Ok(())
    }

    async fn begin_now(&mut self) -> Result<(), DbErr> {
        if let Some(DbConnection::Sqlite(writer)) = &mut self.connection {
            let begun = writer.begin().await;
            return self.record(begun);
        }
        let begin = SqlText::command("BEGIN");
        self.execute(begin, BEGIN_DEADLINE).await.map(drop)
    }

    /// Executes a statement and returns the number of affected rows.
    async fn execute(&mut self, text: SqlText, deadline: Duration) -> Result<u64, DbErr> {
        self.run(deadline, async |connection| connection.execute(text).await)
            .await
    }

    /// Uses the connection. On PostgreSQL a connection that does not answer before the deadline is discarded. The transaction
    /// has ended then: nothing runs on another connection before the next one begins.
    async fn run<T>(
        &mut self,
        deadline: Duration,
        work: impl AsyncFnOnce(&mut DbConnection) -> Result<T, DbErr>,
    ) -> Result<T, DbErr> {
        let Some(connection) = &mut self.connection else {
            return self.record(Err(no_connection()));
        };
        // SQLite has no connection that could be lost: its statements return before the deadline is looked at.
        let outcome = timeout(deadline, work(connection)).await;
        let outcome = outcome.unwrap_or_else(|_| {
            self.discard_connection();
            Err(no_answer(deadline))
        });
        self.record(outcome)
    }

    /// Records a failure.
    fn record<T>(&self, outcome: Result<T, DbErr>) -> Result<T, DbErr> {
        if let (Err(error), Some(outage)) = (&outcome, &self.outage) {
            outage.record_failure(error);
        }
        outcome
    }

    fn discard_connection(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.close();
        }
    }
}

fn no_connection() -> DbErr {
    DbErr::Conn(RuntimeErr::Internal("the connection was lost".to_owned()))
}

impl SqlExecutor for WriterConnection {
    fn backend(&self) -> DbBackend {
        self.pool.get_database_backend()
    }

    async fn execute(&self, text: SqlText) -> Result<u64, DbErr> {
        let mut state = self.state.lock().await;
        state.has_written = true;
        state.execute(text, ANSWER_DEADLINE).await
    }

    async fn query(&self, text: SqlText) -> Result<Vec<SqlRow>, DbErr> {
        let mut state = self.state.lock().await;
        // A `DELETE … RETURNING` is a query, too.
        state.has_written |= !text.sql.starts_with("SELECT");
        state
            .run(ANSWER_DEADLINE, async |connection| {
                connection.query(text).await
            })
            .await
    }
}

#[cfg(test)]
mod tests {
    use sea_orm::ConnectOptions;

    use super::{super::error::FailureClass, *};

    #[tokio::test]
    async fn statement_that_fails_before_a_commit_is_no_lost_commit() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("v.db");
        let mut options = ConnectOptions::new(format!("sqlite://{}?mode=rwc", path.display()));
        options.max_connections(1);
        let db_thread = DbThread::open("test writer", options, None).await.unwrap();
        let writer = WriterConnection::new(&db_thread);
        let execute = |sql| SqlExecutor::execute(&writer, SqlText::command(sql));
        writer.begin().await.unwrap();
        execute("CREATE TABLE rows (text VARCHAR)").await.unwrap();
        writer.commit(SqlScript::new(&writer)).await.unwrap();

        writer.begin().await.unwrap();
        // As a full disk: the file cannot grow.
        let limit = SqlText::command("PRAGMA max_page_count = 1");
        writer.query(limit).await.unwrap();
        let mut remaining = SqlScript::new(&writer);
        let row = ["x".repeat(100_000).into()];
        remaining.add_rows("INSERT INTO rows (text) VALUES", vec![row], "");
        let error = match writer.commit(remaining).await.unwrap_err() {
            CommitError::NotCommitted(error) => error,
            CommitError::Unknown(error) => panic!("the commit was not sent: {error}"),
        };
        assert_eq!(FailureClass::of(&error), FailureClass::Outage, "{error}");
        // SQLite has rolled back by itself, so this closes the connection.
        writer.rollback().await;
        writer.begin().await.unwrap();
        let text = SqlText::command("SELECT text FROM rows");
        assert!(writer.query(text).await.unwrap().is_empty());
    }
}
