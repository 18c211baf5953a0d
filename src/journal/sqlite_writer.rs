//! The writing connection on SQLite, which executes statements on the thread of its caller.
//!
//! sqlx runs each SQLite connection on a thread of its own: every statement costs two switches between threads, more than
//! the statement itself. Errors are those that sqlx would report, so that all connections fail alike.

use std::{
    borrow::Cow,
    error::Error,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use rusqlite::{CachedStatement, Connection, ErrorCode, OpenFlags, types};
use sea_orm::{
    DatabaseConnection, DbErr, RuntimeErr, Value,
    sqlx::{
        self, AssertSqlSafe, Row, Sqlite,
        error::{DatabaseError, ErrorKind},
        pool::PoolConnection,
    },
};
use tokio::time::sleep;

use super::{
    db_thread::STATEMENT_CACHE,
    deadlines::TIMEOUT,
    sql_executor::SqlText,
    sql_row::{SqlRow, SqliteRow},
};

/// The first and the longest pause before BEGIN is repeated while another process holds the lock.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// The settings of a connection. The journal mode is one of the file.
const SETTINGS: [&str; 4] = [
    "foreign_keys",
    "synchronous",
    "temp_store",
    "wal_autocheckpoint",
];

/// A connection to the file of a pool.
pub(super) struct SqliteWriter {
    // Fields are dropped in this order: the pool's connections close last, and then checkpoint the log.
    connection: Connection,
    /// A connection of the pool, which therefore cannot close before this one.
    _pooled: PoolConnection<Sqlite>,
}

impl SqliteWriter {
    /// Opens a connection with the settings of the pool's connections.
    ///
    /// # Errors
    /// When the pool has no connection within its timeout, or the file cannot be opened.
    pub(super) async fn open(pool: &DatabaseConnection) -> Result<Self, DbErr> {
        let pool = pool.get_sqlite_connection_pool();
        let failed = |error: sqlx::Error| DbErr::Conn(RuntimeErr::SqlxError(error.into()));
        let mut pooled = pool.acquire().await.map_err(failed)?;
        let mut settings = Vec::with_capacity(SETTINGS.len());
        for name in SETTINGS {
            let query = sqlx::query(AssertSqlSafe(format!("PRAGMA {name}")));
            let row = query.fetch_one(&mut *pooled).await.map_err(failed)?;
            settings.push((name, row.get::<i64, _>(0)));
        }
        let options = pool.connect_options();
        let open = || {
            // Without CREATE: the pool has created the file, and a new one in its place would be empty.
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection = Connection::open_with_flags(options.get_filename(), flags)?;
            // A wait inside SQLite would block the thread: see `begin`.
            connection.busy_timeout(Duration::ZERO)?;
            connection.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
            for (name, value) in &settings {
                connection.pragma_update(None, name, value)?;
            }
            Ok(connection)
        };
        Ok(Self {
            connection: open().map_err(|error| DbErr::Conn(runtime_error(error)))?,
            _pooled: pooled,
        })
    }

    /// Begins a transaction. Takes the lock of the file at once, so that no later statement has to wait for it. Only other
    /// programs, such as a backup, can hold it.
    ///
    /// # Errors
    /// When the lock is not free within [`TIMEOUT`], or the file cannot be read.
    pub(super) async fn begin(&mut self) -> Result<(), DbErr> {
        let started = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            let Err(error) = self.execute_now(&SqlText::command("BEGIN IMMEDIATE")) else {
                return Ok(());
            };
            let is_locked = error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy);
            if !is_locked || started.elapsed() >= TIMEOUT {
                return Err(DbErr::Exec(runtime_error(error)));
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Executes a statement and returns the number of affected rows. Rows that a foreign key deletes do not count.
    ///
    /// # Errors
    /// When the database rejects the statement.
    pub(super) fn execute(&self, text: &SqlText) -> Result<u64, DbErr> {
        let affected = self.execute_now(text);
        affected.map_err(|error| DbErr::Exec(runtime_error(error)))
    }

    /// Executes a statement and returns its rows.
    ///
    /// # Errors
    /// When the database rejects the statement.
    pub(super) fn query(&self, text: &SqlText) -> Result<Vec<SqlRow>, DbErr> {
        let rows = self.query_now(text);
        rows.map_err(|error| DbErr::Query(runtime_error(error)))
    }

    fn execute_now(&self, text: &SqlText) -> Result<u64, rusqlite::Error> {
        let affected = self.prepare(text)?.raw_execute()?;
        Ok(affected as u64)
    }

    fn query_now(&self, text: &SqlText) -> Result<Vec<SqlRow>, rusqlite::Error> {
        let mut statement = self.prepare(text)?;
        let columns = statement.column_names().into_iter();
        let columns: Arc<[String]> = columns.map(str::to_owned).collect();
        let mut found = Vec::new();
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next()? {
            let values = (0..columns.len()).map(|n| row.get::<_, types::Value>(n));
            found.push(SqlRow::Sqlite(SqliteRow {
                columns: columns.clone(),
                values: values.collect::<Result<_, _>>()?,
            }));
        }
        Ok(found)
    }

    /// Returns the prepared statement with its values bound. SQLite takes `$2` for a name, and numbers names by their first
    /// appearance.
    fn prepare(&self, text: &SqlText) -> Result<CachedStatement<'_>, rusqlite::Error> {
        let mut statement = self.connection.prepare_cached(&text.sql)?;
        for parameter in 1..=statement.parameter_count() {
            let name = statement.parameter_name(parameter);
            let number = name.and_then(|name| name.strip_prefix('$')?.parse().ok());
            let number: usize = number.unwrap_or(parameter);
            let value = number.checked_sub(1).and_then(|n| text.values.get(n));
            let value = value.ok_or(rusqlite::Error::InvalidParameterCount(
                text.values.len(),
                number,
            ))?;
            bind(&mut statement, parameter, value)?;
        }
        Ok(statement)
    }
}

/// Binds a value. The journal's rows contain only text and integers.
fn bind(
    statement: &mut CachedStatement<'_>,
    parameter: usize,
    value: &Value,
) -> Result<(), rusqlite::Error> {
    match value {
        Value::String(text) => statement.raw_bind_parameter(parameter, text),
        Value::BigInt(number) => statement.raw_bind_parameter(parameter, number),
        other => Err(rusqlite::Error::ToSqlConversionFailure(
            format!("cannot bind a value of type {other:?}").into(),
        )),
    }
}

/// An error of SQLite as sqlx reports it.
#[derive(Debug)]
struct SqliteFailure {
    /// The extended code: <https://sqlite.org/rescode.html>.
    code: i32,
    message: String,
}

/// Converts an error to the one that sqlx would report.
pub(super) fn runtime_error(error: rusqlite::Error) -> RuntimeErr {
    let Some(failure) = error.sqlite_error() else {
        return RuntimeErr::Internal(error.to_string());
    };
    let code = failure.extended_code;
    let message = match error {
        rusqlite::Error::SqliteFailure(_, Some(message)) => message,
        error => error.to_string(),
    };
    RuntimeErr::SqlxError(sqlx::Error::database(SqliteFailure { code, message }).into())
}

impl fmt::Display for SqliteFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "(code: {}) {}", self.code, self.message)
    }
}

impl Error for SqliteFailure {}

impl DatabaseError for SqliteFailure {
    fn message(&self) -> &str {
        &self.message
    }

    fn code(&self) -> Option<Cow<'_, str>> {
        Some(self.code.to_string().into())
    }

    fn as_error(&self) -> &(dyn Error + Send + Sync + 'static) {
        self
    }

    fn as_error_mut(&mut self) -> &mut (dyn Error + Send + Sync + 'static) {
        self
    }

    fn into_error(self: Box<Self>) -> Box<dyn Error + Send + Sync + 'static> {
        self
    }

    /// Errors are classified by their codes only.
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use sea_orm::{ConnectOptions, ConnectionTrait, Database};

    use super::{super::error::FailureClass, *};

    /// A pool with two tables and a row in each, and a writer of the same file.
    async fn open_both(directory: &Path) -> (DatabaseConnection, SqliteWriter) {
        let url = format!("sqlite://{}?mode=rwc", directory.join("v.db").display());
        let mut options = ConnectOptions::new(url);
        options
            .max_connections(2)
            .sqlx_logging(false)
            .map_sqlx_sqlite_opts(|sqlite| {
                let sqlite = sqlite.pragma("temp_store", "memory");
                let sqlite = sqlite.pragma("wal_autocheckpoint", "4000");
                sqlite.busy_timeout(Duration::ZERO)
            });
        let pool = Database::connect(options).await.unwrap();
        for sql in [
            "PRAGMA journal_mode = WAL",
            "CREATE TABLE parents (id BIGINT PRIMARY KEY, name VARCHAR NOT NULL, size BIGINT CHECK (size > 0))",
            "CREATE TABLE children (id BIGINT REFERENCES parents (id) ON DELETE CASCADE)",
            "INSERT INTO parents VALUES (1, 'a', NULL)",
            "INSERT INTO children VALUES (1), (1)",
        ] {
            pool.execute_unprepared(sql).await.unwrap();
        }
        let writer = SqliteWriter::open(&pool).await.unwrap();
        (pool, writer)
    }

    #[tokio::test]
    async fn errors_are_those_of_sqlx() {
        let directory = tempfile::tempdir().unwrap();
        let (pool, writer) = open_both(directory.path()).await;
        for sql in [
            "INSERT INTO parents VALUES (1, 'a', NULL)",
            "INSERT INTO children VALUES (9)",
            "INSERT INTO parents VALUES (2, NULL, NULL)",
            "INSERT INTO parents VALUES (2, 'a', 0)",
            "SELECT * FROM missing",
            "SELEC",
            "ROLLBACK",
        ] {
            let error = writer.execute(&SqlText::command(sql)).unwrap_err();
            let expected = pool.execute_unprepared(sql).await.unwrap_err();
            assert_eq!(error.to_string(), expected.to_string(), "{sql}");
            let class = FailureClass::of(&error);
            assert_eq!(class, FailureClass::of(&expected), "{sql}");
        }
    }

    #[tokio::test]
    async fn locked_or_read_only_database_is_an_outage() {
        let directory = tempfile::tempdir().unwrap();
        let (pool, writer) = open_both(directory.path()).await;
        let command = |sql: &str| writer.execute(&SqlText::command(sql));
        let mut other = pool.get_sqlite_connection_pool().acquire().await.unwrap();
        let begun = sqlx::query("BEGIN IMMEDIATE").execute(&mut *other).await;
        begun.unwrap();
        let locked = command("BEGIN IMMEDIATE").unwrap_err();
        assert_eq!(FailureClass::of(&locked), FailureClass::Outage, "{locked}");
        let ended = sqlx::query("ROLLBACK").execute(&mut *other).await;
        ended.unwrap();
        command("PRAGMA query_only = ON").unwrap();
        let refused = command("DELETE FROM parents").unwrap_err();
        assert_eq!(
            FailureClass::of(&refused),
            FailureClass::Outage,
            "{refused}"
        );
    }

    #[tokio::test]
    async fn settings_are_those_of_the_pool_and_parameters_are_bound_by_their_numbers() {
        let directory = tempfile::tempdir().unwrap();
        let (_pool, writer) = open_both(directory.path()).await;
        for (pragma, value) in [
            ("foreign_keys", 1),
            ("synchronous", 2),
            ("temp_store", 2),
            ("wal_autocheckpoint", 4000),
        ] {
            let row = writer.query(&SqlText::command(&format!("PRAGMA {pragma}")));
            let found: i64 = row.unwrap().pop().unwrap().take(pragma).unwrap();
            assert_eq!(found, value, "{pragma}");
        }
        let insert = SqlText {
            sql: "INSERT INTO parents (size, id, name) VALUES ($3, $1, $2), ($3, $1 + 1, $2)"
                .to_owned(),
            values: vec![5_i64.into(), "five".into(), Option::<i64>::None.into()],
        };
        assert_eq!(writer.execute(&insert).unwrap(), 2);
        let text = SqlText::command("SELECT name, size FROM parents WHERE id = 6");
        let mut row = writer.query(&text).unwrap().pop().unwrap();
        assert_eq!(row.take::<String>("name").unwrap(), "five");
        assert_eq!(row.take::<Option<i64>>("size").unwrap(), None);
        let delete = SqlText::command("DELETE FROM parents WHERE id = 1");
        assert_eq!(writer.execute(&delete).unwrap(), 1);
        let too_few = SqlText::command("DELETE FROM parents WHERE id = $1");
        writer.execute(&too_few).unwrap_err();
    }
}
