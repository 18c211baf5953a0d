//! Connections: one that writes and a pool that reads on SQLite, several of each on PostgreSQL.
//!
//! SQLite has one writer for the whole file, so that one connection is all that writing can use; readers never
//! queue behind it, for the journal is in WAL mode. `synchronous = FULL` makes an acknowledged mutation survive
//! a loss of power.

use std::time::Duration;

use migration::{Migrator, MigratorTrait};
use sea_orm::{
    AccessMode, ConnectOptions, Database as Connect, DatabaseConnection, DatabaseTransaction,
    DbBackend, DbErr, IsolationLevel, SqliteTransactionMode, TransactionOptions, TransactionTrait,
    sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous},
};

/// How long SQLite waits for somebody else's lock, and a pool for a free connection, before it gives up.
const PATIENCE: Duration = Duration::from_secs(5);

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
    /// Each with one connection and one committer of its own.
    pub writers: Vec<DatabaseConnection>,
    pub reader: DatabaseConnection,
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
        let mut connections = Vec::with_capacity(writers);
        for _ in 0..writers {
            connections.push(Connect::connect(connect_options(options, 1)).await?);
        }
        let readers = u32::try_from(cores).unwrap_or(2).clamp(2, 8);
        let mut read = connect_options(options, readers);
        read.map_sqlx_sqlite_opts(|sqlite| tuned(sqlite).pragma("query_only", "ON"));
        Ok(Self {
            writers: connections,
            reader: Connect::connect(read).await?,
        })
    }

    /// Applies the migrations that are pending.
    ///
    /// # Errors
    /// When one fails; those before it stay applied.
    pub async fn migrate(&self) -> Result<(), DbErr> {
        Migrator::up(self.writer(), None).await
    }

    /// Reverts the migration that was applied last.
    ///
    /// # Errors
    /// When it fails.
    pub async fn revert_last(&self) -> Result<(), DbErr> {
        Migrator::down(self.writer(), Some(1)).await
    }

    /// Every migration by name, oldest first, and whether it is applied.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn migrations(&self) -> Result<Vec<(String, bool)>, DbErr> {
        let all = Migrator::get_migration_with_status(self.writer()).await?;
        let applied = Migrator::get_applied_migrations(self.writer()).await?;
        let is_applied = |name: &str| applied.iter().any(|migration| migration.name() == name);
        Ok(all
            .iter()
            .map(|migration| (migration.name().to_owned(), is_applied(migration.name())))
            .collect())
    }

    /// The connection for what belongs to no vault.
    fn writer(&self) -> &DatabaseConnection {
        self.writers.first().expect("there is always one writer")
    }

    /// Closes every connection; on SQLite this writes the WAL back into the file.
    ///
    /// # Errors
    /// When the database fails to close.
    pub async fn close(self) -> Result<(), DbErr> {
        self.reader.close().await?;
        for writer in self.writers {
            writer.close().await?;
        }
        Ok(())
    }
}

/// Begins to write. On SQLite the lock is taken at once: a transaction that began by reading could not be
/// raised to a writing one when another process wrote in between.
pub(super) async fn begin_write(
    connection: &DatabaseConnection,
) -> Result<DatabaseTransaction, DbErr> {
    connection
        .begin_with_options(TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        })
        .await
}

/// Begins to read from one snapshot.
pub(super) async fn begin_read(
    connection: &DatabaseConnection,
) -> Result<DatabaseTransaction, DbErr> {
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
        // A file does not go away between two uses: no ping before each.
        connect.test_before_acquire(false).idle_timeout(None);
    }
    connect
}

type Sqlite = sea_orm::sqlx::sqlite::SqliteConnectOptions;

/// Write-ahead log; temporary tables in memory; checkpoints every 4,000 pages, for fewer of them.
fn tuned(sqlite: Sqlite) -> Sqlite {
    sqlite
        .journal_mode(SqliteJournalMode::Wal)
        .busy_timeout(PATIENCE)
        .statement_cache_capacity(256)
        .pragma("temp_store", "memory")
        .pragma("wal_autocheckpoint", "4000")
}
