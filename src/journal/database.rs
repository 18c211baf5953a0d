//! Connections: one that writes and a pool that reads on SQLite, several that write on PostgreSQL.
//!
//! SQLite has one writer for the whole file, so that one connection is all that writing can use; readers never
//! queue behind it, for the journal is in WAL mode. `synchronous = FULL` makes an acknowledged mutation survive
//! a loss of power. Whatever holds the database up (somebody else's lock, a server that is gone) is waited for as
//! long as `PATIENCE` says, and then it is an error.

use std::{sync::Arc, time::Duration};

use entity::epoch;
use sea_orm::{
    AccessMode, ConnectOptions, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr,
    EntityTrait, IsolationLevel, TransactionOptions, TransactionTrait,
    sea_query::Expr,
    sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous},
};

use tokio::runtime::Handle;
use tracing_log::log::LevelFilter;

use super::{line::Line, outage::Outage};

/// How long a transaction waits for somebody else's lock, and whoever needs a connection for a free or new one.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many prepared statements a connection keeps.
const STATEMENTS: usize = 256;

/// What to connect to, and how.
#[derive(Clone, Debug)]
pub struct DatabaseOptions {
    /// `sqlite://…` or `postgres://…`.
    pub url: String,
    /// SQLite only: whether a commit waits for the disk (`FULL`) or may be lost with the power (`NORMAL`).
    pub full_sync: bool,
}

/// The connections of one service.
#[derive(Clone, Debug)]
pub struct Database {
    /// Each with one connection, and one committer of its own.
    pub(super) writers: Vec<Line>,
    pub(super) reader: Line,
}

impl Database {
    /// Connects; a SQLite file is made when missing.
    ///
    /// # Errors
    /// When the database cannot be opened.
    pub async fn connect(options: &DatabaseOptions) -> Result<Self, DbErr> {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let is_sqlite = options.url.starts_with("sqlite:");
        let writers = if is_sqlite { 1 } else { cores };
        let (writing, reading) = (Outage::new("written to"), Outage::new("read"));
        let writing = Arc::new(writing);
        let mut lines = Vec::with_capacity(writers);
        for n in 0..writers {
            let write = connect_options(options, 1);
            let line = Line::open(&format!("journal writer {n}"), write).await?;
            lines.push(line.watched(writing.clone()));
        }
        let readers = u32::try_from(cores).unwrap_or(2).clamp(2, 8);
        let mut read = connect_options(options, readers);
        read.map_sqlx_sqlite_opts(|sqlite| tuned(sqlite).pragma("query_only", "ON"));
        // A committer begins again on another connection when one has died; a read asks before.
        read.test_before_acquire(!is_sqlite);
        let reader = Line::open("journal reader", read).await?;
        Ok(Self {
            writers: lines,
            reader: reader.watched(reading.into()),
        })
    }

    /// The threads that its connections live on, by name.
    pub fn threads(&self) -> impl Iterator<Item = (String, &Handle)> {
        let writers = self.writers.iter().enumerate();
        let writers = writers.map(|(n, line)| (format!("journal writer {n}"), line.thread()));
        writers.chain([("journal reader".to_owned(), self.reader.thread())])
    }

    /// The word that tells this history from one put back from a backup.
    ///
    /// # Errors
    /// When the database does not answer or was not migrated.
    pub async fn epoch(&self) -> Result<String, DbErr> {
        let row = |db| async move { epoch::Entity::find_by_id(1).one(&db).await };
        let row = self.reader.run(row).await?;
        Ok(row.ok_or_else(no_epoch)?.value)
    }

    /// Begins a new epoch, after a backup was put back: whoever knows later events of the old one lists anew instead
    /// of trusting numbers.
    ///
    /// # Errors
    /// When the database does not answer or was not migrated.
    pub async fn renew_epoch(&self) -> Result<String, DbErr> {
        // The last eight characters of a cuid are its random part.
        let fresh = cuid::cuid1().split_off(17);
        let value = fresh.clone();
        let update = |db| async move {
            epoch::Entity::update_many()
                .col_expr(epoch::Column::Value, Expr::value(value))
                .exec(&db)
                .await
        };
        match self.writer().run(update).await?.rows_affected {
            1 => Ok(fresh),
            _ => Err(no_epoch()),
        }
    }

    /// The line for what belongs to no vault.
    pub(super) fn writer(&self) -> &Line {
        self.writers.first().expect("there is always one writer")
    }

    /// Closes every connection; on SQLite this writes the WAL back into the file.
    ///
    /// # Errors
    /// When the database fails to close.
    pub async fn close(self) -> Result<(), DbErr> {
        for line in self.writers.iter().chain([&self.reader]) {
            line.run(|db| async move { db.close().await }).await?;
        }
        Ok(())
    }
}

fn no_epoch() -> DbErr {
    DbErr::RecordNotFound("the epoch".to_owned())
}

/// Begins to read from one snapshot.
///
/// # Errors
/// When the database does not answer.
pub async fn begin_read(connection: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    let options = match connection.get_database_backend() {
        // In WAL mode every SQLite transaction reads from one snapshot.
        DbBackend::Sqlite => TransactionOptions::default(),
        _ => TransactionOptions {
            isolation_level: Some(IsolationLevel::RepeatableRead),
            access_mode: Some(AccessMode::ReadOnly),
            ..TransactionOptions::default()
        },
    };
    connection.begin_with_options(options).await
}

fn connect_options(options: &DatabaseOptions, connections: u32) -> ConnectOptions {
    let mut connect = ConnectOptions::new(&options.url);
    let full_sync = options.full_sync;
    connect
        .max_connections(connections)
        .acquire_timeout(PATIENCE)
        .connect_timeout(PATIENCE)
        .sqlx_logging(false)
        // Who waits for a connection waits together with many others, and all of them for the same reason.
        .map_sqlx_postgres_pool_opts(|pool| pool.acquire_slow_level(LevelFilter::Debug))
        .map_sqlx_sqlite_pool_opts(|pool| pool.acquire_slow_level(LevelFilter::Debug))
        .test_before_acquire(false)
        .map_sqlx_postgres_opts(|postgres| {
            postgres
                .statement_cache_capacity(STATEMENTS)
                .options([("lock_timeout", PATIENCE.as_millis().to_string())])
        })
        .map_sqlx_sqlite_opts(move |sqlite| {
            tuned(sqlite)
                .create_if_missing(true)
                .synchronous(if full_sync {
                    SqliteSynchronous::Full
                } else {
                    SqliteSynchronous::Normal
                })
        });
    if options.url.starts_with("sqlite:") {
        connect.idle_timeout(None);
    }
    connect
}

type Sqlite = sea_orm::sqlx::sqlite::SqliteConnectOptions;

/// Write-ahead log; temporary tables in memory; checkpoints every 4,000 pages, for fewer of them.
fn tuned(sqlite: Sqlite) -> Sqlite {
    sqlite
        .journal_mode(SqliteJournalMode::Wal)
        .busy_timeout(PATIENCE)
        .statement_cache_capacity(STATEMENTS)
        .pragma("temp_store", "memory")
        .pragma("wal_autocheckpoint", "4000")
}
