//! Connections to the database: one writer and a pool of readers on SQLite, several writers on PostgreSQL. The pool of
//! readers is divided, so that joins and the readiness check never wait for the listings of users.
//!
//! SQLite allows one writer per file, so one writing connection is enough; in WAL mode readers never wait for it.
//! `synchronous = FULL` makes acknowledged mutations survive a power loss. Every wait for a lock or a connection ends with
//! an error after [`TIMEOUT`].

use std::{path::Path, sync::Arc};

use entity::epoch;
use prometheus::HistogramVec;
use sea_orm::{
    AccessMode, ConnectOptions, ConnectionTrait, DatabaseConnection, DatabaseTransaction,
    DbBackend, DbErr, EntityTrait, IsolationLevel, Statement, TransactionOptions, TransactionTrait,
    sea_query::Expr,
    sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

use tokio::{runtime::Handle, sync::Notify};
use tracing_log::log::LevelFilter;

use super::{
    database_error::DatabaseError,
    database_file::DatabaseFile,
    db_thread::{DbThread, STATEMENT_CACHE},
    deadlines::{ANSWER_DEADLINE, TIMEOUT},
    migration_checks::refuse_foreign_file,
    outage::OutageMonitor,
    pool_sizes::PoolSizes,
    session_settings::SessionSettings,
    sharing::DatabaseSharing,
};

/// The metric labels of the shares of the read pool.
const READER: &str = "reader";
const LISTINGS: &str = "listings";
const PROBE: &str = "probe";

/// Thread name of the read pool.
const READER_NAME: &str = "journal reader";

/// The database to connect to.
#[derive(Clone, Debug)]
pub struct DatabaseOptions {
    /// `sqlite://…` or `postgres://…`.
    pub url: String,
    /// PostgreSQL only: the schema of the tables; `None` for the first schema of the search path.
    pub schema: Option<String>,
    /// SQLite only: whether a commit waits for the disk (`FULL`) or may be lost in a power loss (`NORMAL`).
    pub full_sync: bool,
    /// PostgreSQL only: the maximum number of connections of this node, 6 at least; 0 for what the cores can use.
    pub max_connections: usize,
    /// Which processes write the database.
    pub sharing: DatabaseSharing,
}

/// The connections of one service.
#[derive(Clone, Debug)]
pub struct Database {
    /// The writing connections. Each has its own thread and committer.
    pub(super) writers: Vec<DbThread>,
    /// Reads for joins, mutations, recorded users and recovery.
    pub(super) reader: DbThread,
    /// The reads that users request over HTTP. However many there are, the other shares keep their connections.
    pub(super) listings: DbThread,
    /// The readiness check and the sweep.
    pub(super) probe: DbThread,
    /// Records the commits of all writers.
    pub(super) write_outage: Arc<OutageMonitor>,
    /// The schema of [`DatabaseOptions::schema`].
    pub(super) schema: Option<String>,
    /// Is notified of each new connection to PostgreSQL.
    pub(super) connected: Arc<Notify>,
    /// [`DatabaseOptions::sharing`].
    pub(super) sharing: DatabaseSharing,
}

impl Database {
    /// Connects to the database; creates a missing SQLite file.
    ///
    /// # Errors
    /// When the database cannot be opened, does not store text in UTF-8, or is the SQLite file of another application with
    /// tables of the same names.
    pub async fn connect(options: &DatabaseOptions) -> Result<Self, DatabaseError> {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let is_sqlite = options.url.starts_with("sqlite:");
        if is_sqlite {
            refuse_foreign_file(&options.url).await?;
        }
        let sizes = if is_sqlite {
            PoolSizes::of_sqlite(cores)
        } else {
            PoolSizes::of_postgres(cores, options.max_connections)
        };
        let write_outage = Arc::new(OutageMonitor::new("writes"));
        let mut writers = Vec::with_capacity(sizes.writers);
        let settings =
            (!is_sqlite).then(|| SessionSettings::for_journal(options.schema.as_deref()));
        let connected = Arc::new(Notify::new());
        let settings = settings.map(|settings| settings.reporting(connected.clone()));
        for n in 0..sizes.writers {
            let writer = connect_options(options, sizes.per_writer);
            let writer = DbThread::open(&writer_name(n), writer, settings.clone()).await?;
            if n == 0 && !is_sqlite {
                writer.run(check_encoding).await??;
            }
            writers.push(writer.with_outage_monitor(write_outage.clone()));
        }
        let mut read_options = connect_options(options, sizes.reading());
        read_options.map_sqlx_sqlite_opts(|sqlite| tune_sqlite(sqlite).pragma("query_only", "ON"));
        let mut pool = DbThread::open(READER_NAME, read_options, settings).await?;
        if !is_sqlite {
            // A query of a local file cannot lose its connection.
            pool = pool.with_deadline(ANSWER_DEADLINE);
        }
        let file = match options.url.strip_prefix("sqlite://") {
            Some(path) => Some(DatabaseFile::of_open_database(Path::new(path))?.into()),
            None => None,
        };
        let pool = pool
            .with_outage_monitor(OutageMonitor::new("reads").into())
            .with_file(file.clone());
        let writers = writers.into_iter().map(|writer| {
            never_create(writer.pool());
            writer.with_file(file.clone())
        });
        Ok(Self {
            writers: writers.collect(),
            reader: pool.share(sizes.readers),
            listings: pool.share(sizes.listings),
            probe: pool.share(sizes.probes),
            write_outage,
            connected,
            schema: options.schema.clone(),
            sharing: options.sharing,
        })
    }

    /// Returns the shares of the read pool with their metric labels.
    pub(super) fn read_shares(&self) -> [(&'static str, &DbThread); 3] {
        [
            (READER, &self.reader),
            (LISTINGS, &self.listings),
            (PROBE, &self.probe),
        ]
    }

    /// Measures the wait for a connection of each share of the read pool.
    pub(super) fn measure_waits(&mut self, seconds: &HistogramVec) {
        for (label, share) in [
            (READER, &mut self.reader),
            (LISTINGS, &mut self.listings),
            (PROBE, &mut self.probe),
        ] {
            share.measure_wait(seconds.with_label_values(&[label]));
        }
    }

    /// Returns the runtimes of the database threads with their names.
    pub fn threads(&self) -> impl Iterator<Item = (String, &Handle)> {
        let writers = self.writers.iter().enumerate();
        let writers = writers.map(|(n, writer)| (writer_name(n), writer.runtime()));
        writers.chain([(READER_NAME.to_owned(), self.reader.runtime())])
    }

    /// Returns the epoch, which distinguishes this history from one that was restored from a backup.
    ///
    /// # Errors
    /// When the database does not answer or was not migrated.
    pub async fn epoch(&self) -> Result<String, DbErr> {
        let row = |db| async move { epoch::Entity::find_by_id(1).one(&db).await };
        let row = self.reader.run(row).await?;
        Ok(row.ok_or_else(no_epoch)?.value)
    }

    /// Starts a new epoch after a restore from a backup. Clients that know events of the old epoch then reload instead of
    /// trusting their seq.
    ///
    /// # Errors
    /// When the database does not answer or was not migrated.
    pub async fn renew_epoch(&self) -> Result<String, DbErr> {
        // The last eight characters of a cuid are its random part.
        let new_epoch = cuid::cuid1().split_off(17);
        let value = new_epoch.clone();
        let update = |db| async move {
            epoch::Entity::update_many()
                .col_expr(epoch::Column::Value, Expr::value(value))
                .exec(&db)
                .await
        };
        match self.first_writer().run(update).await?.rows_affected {
            1 => Ok(new_epoch),
            _ => Err(no_epoch()),
        }
    }

    /// Returns the writer for statements that belong to no vault.
    pub(super) fn first_writer(&self) -> &DbThread {
        self.writers.first().expect("at least one writer exists")
    }

    /// Closes all connections. On SQLite this checkpoints the WAL into the database file.
    ///
    /// # Errors
    /// When the database fails to close.
    pub async fn close(self) -> Result<(), DbErr> {
        for db_thread in self.writers.iter().chain([&self.reader]) {
            db_thread.close().await?;
        }
        Ok(())
    }
}

fn writer_name(n: usize) -> String {
    format!("journal writer {n}")
}

/// Returns the error for a database without an epoch.
pub(super) fn no_epoch() -> DbErr {
    DbErr::RecordNotFound("the row of table epoch".to_owned())
}

/// Begins a read-only transaction that sees one snapshot of the database.
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

fn connect_options(options: &DatabaseOptions, max_connections: u32) -> ConnectOptions {
    let mut connect = ConnectOptions::new(&options.url);
    let full_sync = options.full_sync;
    connect
        .max_connections(max_connections)
        .acquire_timeout(TIMEOUT)
        .connect_timeout(TIMEOUT)
        .sqlx_logging(false)
        .map_sqlx_sqlite_pool_opts(|pool| pool.acquire_slow_level(LevelFilter::Debug))
        .test_before_acquire(false)
        .map_sqlx_sqlite_opts(move |sqlite| {
            tune_sqlite(sqlite)
                .create_if_missing(true)
                .synchronous(if full_sync {
                    SqliteSynchronous::Full
                } else {
                    SqliteSynchronous::Normal
                })
        });
    if options.url.starts_with("sqlite:") {
        // The write-ahead log is deleted when the last connection closes: the readers' stay open.
        connect.idle_timeout(None).max_lifetime(None);
    }
    connect
}

/// Checks that a PostgreSQL database can store every text. Any other encoding lacks characters; SQL_ASCII also accepts bytes that are
/// no text.
async fn check_encoding(db: DatabaseConnection) -> Result<Result<(), DatabaseError>, DbErr> {
    let sql = "SELECT current_database()::text AS database, current_setting('server_encoding') AS encoding";
    let query = Statement::from_string(DbBackend::Postgres, sql);
    let row = db.query_one_raw(query).await?;
    let row = row.ok_or_else(|| DbErr::RecordNotFound("the encoding".to_owned()))?;
    let (database, encoding): (String, String) =
        (row.try_get("", "database")?, row.try_get("", "encoding")?);
    Ok(match encoding.as_str() {
        "UTF8" => Ok(()),
        _ => Err(DatabaseError::Encoding { database, encoding }),
    })
}

/// Makes the later connections of a pool fail when the SQLite file is missing. Otherwise they would create an empty one.
fn never_create(pool: &DatabaseConnection) {
    if pool.get_database_backend() == DbBackend::Sqlite {
        let pool = pool.get_sqlite_connection_pool();
        let options = SqliteConnectOptions::clone(&pool.connect_options());
        pool.set_connect_options(options.create_if_missing(false));
    }
}

/// Sets WAL mode, temporary tables in memory, and a checkpoint every 4,000 pages, which makes checkpoints rarer.
fn tune_sqlite(sqlite: SqliteConnectOptions) -> SqliteConnectOptions {
    sqlite
        .journal_mode(SqliteJournalMode::Wal)
        .busy_timeout(TIMEOUT)
        .statement_cache_capacity(STATEMENT_CACHE)
        .pragma("temp_store", "memory")
        .pragma("wal_autocheckpoint", "4000")
}
