//! Reads sessions from the table of the application (by default that of the Prisma adapter).
//!
//! The table is never written. It has separate connections, so that a slow application database does not delay the
//! journal. A row that cannot be read refuses its session alone.

use std::sync::Arc;
use std::time::Duration;

use sea_orm::{ConnectOptions, DatabaseConnection, DbErr, FromQueryResult, RuntimeErr};
use tracing_log::log::LevelFilter;

use super::claims::CLOCK_TOLERANCE;
use super::user_session_expiry::parse_stored_time;
use super::user_session_lookups::{QUEUES, UserSessionSource, WORKERS_PER_QUEUE};
use super::user_session_principal::user_session_principal;
use super::user_session_query::UserSessionQuery;
use super::user_session_record::{
    LookupError, LookupResult, SessionRowError, UserSessionRecord, UserSessionTableError,
};
use crate::config::{AuthConfig, DatabaseUrl};
use crate::domain::UserId;
use crate::journal::{DbThread, JournalError, SearchOrder, SessionSettings};

/// The timeout of a lookup: for acquiring a connection, and again for the query.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);

/// The maximum number of connections: one for each worker that looks sessions up.
const MAX_CONNECTIONS: u32 = (QUEUES * WORKERS_PER_QUEUE) as u32;

/// The maximum length of a session token in bytes.
const MAX_TOKEN_LENGTH: usize = 1024;

/// The table of sessions. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct UserSessionTable {
    db_thread: DbThread,
    query: UserSessionQuery,
    /// For errors.
    columns: Arc<SessionColumns>,
}

/// The names of the columns, for errors.
#[derive(Debug)]
struct SessionColumns {
    /// All of them.
    all: String,
    /// The expiry.
    expires: String,
}

/// The result of the query, all columns as text.
#[derive(FromQueryResult)]
struct UserSessionRow {
    /// The index of the token.
    n: String,
    id: String,
    name: Option<String>,
    email: Option<String>,
    expires: Option<String>,
}

impl UserSessionTable {
    /// Connects to the database and runs the query once, to check that the tables can be read. Tables whose name has no
    /// schema are searched in `order`.
    pub(super) async fn open(
        config: &AuthConfig,
        url: &DatabaseUrl,
        order: SearchOrder,
    ) -> Result<Self, UserSessionTableError> {
        let unreadable = |source: DbErr| UserSessionTableError::Unreadable {
            url: url.to_string(),
            source: source.into(),
        };
        let settings = SessionSettings::for_application(url.schema(), order);
        let db_thread = DbThread::open("sessions", connect_options(url.driver_url()), settings);
        let db_thread = db_thread.await.map_err(unreadable)?;
        let db_thread = db_thread.with_deadline(LOOKUP_TIMEOUT);
        let tables = config.clone();
        let query = |db| async move { UserSessionQuery::prepare(&tables, &db).await };
        let query = db_thread.run(query).await.map_err(unreadable)?;
        let table = Self {
            db_thread,
            query,
            columns: SessionColumns::new(config).into(),
        };
        let rows = table.rows(vec![String::new()]).await.map_err(unreadable)?;
        rows.ok_or(UserSessionTableError::TimedOut)?;
        Ok(table)
    }

    /// Returns the rows of these tokens, or `None` if the database did not answer in time.
    async fn rows(&self, tokens: Vec<String>) -> Result<Option<Vec<UserSessionRow>>, DbErr> {
        let statement = self.query.statement(tokens);
        let find_rows = |db: DatabaseConnection| async move {
            let rows = UserSessionRow::find_by_statement(statement).all(&db);
            let result = tokio::time::timeout(LOOKUP_TIMEOUT, rows).await;
            result.map_or(Ok(None), |rows| rows.map(Some))
        };
        self.db_thread.run(find_rows).await
    }
}

impl UserSessionSource for UserSessionTable {
    async fn find(&self, tokens: Vec<String>) -> Result<Vec<LookupResult>, LookupError> {
        let mut results: Vec<LookupResult> = tokens.iter().map(|_| Ok(None)).collect();
        let is_single = tokens.len() == 1;
        let rows = match self.rows(tokens).await {
            // The encoding of the database lacks a character of the token.
            Err(error) if is_single && is_untranslatable(&error) => return Ok(results),
            rows => rows.map_err(|error| self.lookup_error(error))?,
        };
        for row in rows.ok_or(UserSessionTableError::TimedOut)? {
            // The last token may be repeated, with higher indexes.
            let n: Option<usize> = row.n.parse().ok();
            if let Some(result) = n.and_then(|n| results.get_mut(n)) {
                *result = row.into_record(&self.columns).map_err(LookupError::from);
            }
        }
        Ok(results)
    }
}

impl UserSessionTable {
    fn lookup_error(&self, error: DbErr) -> UserSessionTableError {
        match JournalError::from(error) {
            JournalError::Fault(source) => SessionRowError {
                columns: self.columns.all.clone(),
                problem: source.to_string(),
            }
            .into(),
            error => error.into(),
        }
    }
}

impl UserSessionRow {
    /// Returns the session of the row.
    fn into_record(
        self,
        columns: &SessionColumns,
    ) -> Result<Option<UserSessionRecord>, UserSessionTableError> {
        let expires = self.expires.as_deref().unwrap_or("NULL");
        let Some(expires) = parse_stored_time(expires) else {
            return Err(SessionRowError {
                columns: columns.expires.clone(),
                problem: format!("{expires:?} is not a time"),
            }
            .into());
        };
        // A user with an invalid id cannot use the service.
        let Some(id) = UserId::new(self.id) else {
            return Ok(None);
        };
        Ok(Some(UserSessionRecord {
            principal: user_session_principal(id, self.name, self.email),
            expires_at: expires + CLOCK_TOLERANCE,
        }))
    }
}

impl SessionColumns {
    fn new(config: &AuthConfig) -> Self {
        let (sessions, users) = (&config.session_table, &config.user_table);
        let [token, user, expires] = &config.session_columns;
        let [id, name, email] = &config.user_columns;
        Self {
            all: format!(
                "{sessions} ({token}, {user}, {expires}) or {users} ({id}, {name}, {email})"
            ),
            expires: format!("{sessions} ({expires})"),
        }
    }
}

/// Returns whether the error is PostgreSQL's `untranslatable_character`.
fn is_untranslatable(error: &DbErr) -> bool {
    let (DbErr::Query(RuntimeErr::SqlxError(error)) | DbErr::Exec(RuntimeErr::SqlxError(error))) =
        error
    else {
        return false;
    };
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| code == "22P05")
}

fn connect_options(url: &str) -> ConnectOptions {
    let mut connect = ConnectOptions::new(url);
    connect
        .max_connections(MAX_CONNECTIONS)
        .min_connections(0)
        .acquire_timeout(LOOKUP_TIMEOUT)
        .connect_timeout(LOOKUP_TIMEOUT)
        .sqlx_logging(false)
        .test_before_acquire(false)
        // During an outage every waiting lookup would log this warning.
        .map_sqlx_sqlite_pool_opts(|pool| pool.acquire_slow_level(LevelFilter::Debug))
        // The file belongs to the application: it is opened without changes and not created if missing.
        .map_sqlx_sqlite_opts(|sqlite| sqlite.read_only(true).busy_timeout(LOOKUP_TIMEOUT));
    connect
}

/// Returns whether a table can contain this token.
pub(super) fn is_possible_token(token: &str) -> bool {
    !token.is_empty() && token.len() <= MAX_TOKEN_LENGTH && !token.contains('\0')
}
