//! The wall clock of the database, which all processes on one PostgreSQL share. The clocks of nodes may differ by minutes, so what one
//! node stores for a time, and another one takes or deletes, is measured by this clock.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, Statement};

use crate::domain::Timestamp;

use super::database::{self, Database};

/// The time of PostgreSQL in milliseconds.
const QUERY: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS time";

/// The clock of the database, by how much it was ahead of this process's when it was last read: when the journal was opened, and with
/// each sweep. On SQLite, that of this process. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct DatabaseClock {
    ahead_millis: Arc<AtomicI64>,
}

impl DatabaseClock {
    /// Returns the present time of the database.
    pub(super) fn now(&self) -> Timestamp {
        let ahead = self.ahead_millis.load(Ordering::Relaxed);
        Timestamp(Timestamp::now().0.saturating_add(ahead))
    }

    /// Reads the clock of the database. That of SQLite is the one of this process.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(super) async fn read(&self, database: &Database) -> Result<(), DbErr> {
        let read = |db: DatabaseConnection| async move {
            match db.get_database_backend() {
                DbBackend::Postgres => {}
                _ => return Ok(Timestamp::now().0),
            }
            let query = Statement::from_string(DbBackend::Postgres, QUERY);
            let row = db.query_one_raw(query).await?;
            row.ok_or_else(database::no_epoch)?.try_get("", "time")
        };
        self.record(Timestamp(database.probe.run(read).await?));
        Ok(())
    }

    /// Records that this is the present time of the database.
    pub(super) fn record(&self, database: Timestamp) {
        let ahead = database.0.saturating_sub(Timestamp::now().0);
        self.ahead_millis.store(ahead, Ordering::Relaxed);
    }
}
