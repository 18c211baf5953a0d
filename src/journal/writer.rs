//! The connection that a committer writes with, and its transactions.
//!
//! It is held for as long as the committer works. What a transaction costs is hops to the connection (on SQLite to a
//! thread of its own, on PostgreSQL over the network), and a pool asks a connection how it is whenever it is given back.
//! On SQLite `BEGIN` leaves together with the first statement and `COMMIT` with the last ones, so that a transaction
//! that only adds rows is two hops.

use std::sync::Arc;

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, DbErr, ExecResult, QueryResult, Statement,
    Value, Values, prelude::async_trait::async_trait, sqlx::pool::CloseEvent,
};
use tokio::sync::Mutex;

use super::{
    connection::{Connection, Outcome},
    line::Line,
    outage::Outage,
    statements::Script,
};

/// The one connection of a pool that has no other, and at most one transaction on it.
pub(super) struct Writer {
    pool: DatabaseConnection,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    connection: Option<Connection>,
    /// A transaction that begins, by these words, with the next statement.
    begins: Option<&'static str>,
    outage: Option<Arc<Outage>>,
}

/// What a transaction is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To write. On SQLite the lock is taken at once: a transaction that began by reading could not be raised to a
    /// writing one when another process wrote in between.
    Write,
    /// To read from one snapshot.
    Read,
}

impl Purpose {
    fn begin(self, backend: DbBackend) -> &'static str {
        match (self, backend) {
            (Self::Write, DbBackend::Sqlite) => "BEGIN IMMEDIATE",
            // In WAL mode every transaction reads from one snapshot.
            (Self::Read, DbBackend::Sqlite) | (Self::Write, _) => "BEGIN",
            (Self::Read, _) => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        }
    }
}

impl Writer {
    /// Writes with the connection of this line, on its thread.
    pub(super) fn of(line: &Line) -> Self {
        let held = Held {
            outage: line.outage(),
            ..Held::default()
        };
        Self {
            pool: line.connection().clone(),
            held: Mutex::new(held),
        }
    }

    /// Resolves when the pool is about to close, which waits for the connection.
    pub(super) fn closing(&self) -> CloseEvent {
        match self.pool.get_database_backend() {
            DbBackend::Sqlite => self.pool.get_sqlite_connection_pool().close_event(),
            _ => self.pool.get_postgres_connection_pool().close_event(),
        }
    }

    /// Begins a transaction, if need be on another connection: one that was idle may have died without a word, and where
    /// nothing has begun nothing is in doubt.
    ///
    /// # Errors
    /// When there is no connection. That another process holds SQLite's lock shows at the first statement.
    pub(super) async fn begin(&self, purpose: Purpose) -> Result<(), DbErr> {
        let begin = purpose.begin(self.pool.get_database_backend());
        let mut held = self.held.lock().await;
        if let Connection::Sqlite(_) = held.connection(&self.pool).await? {
            held.begins = Some(begin);
        } else if held.say(&self.pool, begin).await.is_err() {
            held.let_go().await;
            held.say(&self.pool, begin).await?;
        }
        Ok(())
    }

    /// Executes what is left to be done, and commits.
    ///
    /// # Errors
    /// When either fails, and nobody can say which. A [`rollback`](Self::rollback) or [`renew`](Self::renew) must follow.
    pub(super) async fn commit(&self, last: Script) -> Result<(), DbErr> {
        let mut held = self.held.lock().await;
        if held.begins.is_some() && last.is_empty() {
            held.begins = None;
            return Ok(());
        }
        for (sql, values) in last.followed_by("COMMIT") {
            held.run(&self.pool, sql, values).await?;
        }
        // What went before may succeed where a commit fails, as on a disk that is full.
        if let Some(outage) = &held.outage {
            outage.over();
        }
        Ok(())
    }

    /// Ends the transaction without a trace. A connection that cannot is let go of, to the same effect.
    pub(super) async fn rollback(&self) {
        let mut held = self.held.lock().await;
        let begun = held.begins.take().is_none();
        if begun && held.say(&self.pool, "ROLLBACK").await.is_err() {
            held.let_go().await;
        }
    }

    /// Lets go of a connection that failed: nobody knows in which state it is. The next transaction opens another, and
    /// what was open on this one is rolled back with it.
    pub(super) async fn renew(&self) {
        self.held.lock().await.let_go().await;
    }

    async fn run(&self, statement: Statement) -> Result<Outcome, DbErr> {
        let Statement { sql, values, .. } = statement;
        let Values(values) = values.unwrap_or_else(|| Values(Vec::new()));
        let mut held = self.held.lock().await;
        held.run(&self.pool, sql, values).await
    }
}

impl Held {
    async fn connection(&mut self, pool: &DatabaseConnection) -> Result<&mut Connection, DbErr> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::of(pool).await?,
        };
        Ok(self.connection.insert(connection))
    }

    async fn run(
        &mut self,
        pool: &DatabaseConnection,
        sql: String,
        values: Vec<Value>,
    ) -> Result<Outcome, DbErr> {
        let (sql, unheard) = match self.begins.take() {
            Some(begin) => (format!("{begin}; {sql}"), 1),
            None => (sql, 0),
        };
        let outcome = match self.connection(pool).await {
            Ok(connection) => connection.run(sql, values, unheard).await,
            Err(error) => Err(error),
        };
        if let (Err(error), Some(outage)) = (&outcome, &self.outage) {
            outage.note(error);
        }
        outcome
    }

    async fn say(&mut self, pool: &DatabaseConnection, word: &str) -> Result<(), DbErr> {
        self.run(pool, word.to_owned(), Vec::new()).await.map(drop)
    }

    async fn let_go(&mut self) {
        self.begins = None;
        if let Some(connection) = self.connection.take() {
            connection.close().await;
        }
    }
}

#[async_trait]
impl ConnectionTrait for Writer {
    fn get_database_backend(&self) -> DbBackend {
        self.pool.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        Ok(self.run(statement).await?.done)
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
