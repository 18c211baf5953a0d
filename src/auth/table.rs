//! Sessions that are rows: the table of the Prisma adapter, as the application beside us keeps it. It is read, never
//! written, over connections of its own, so that a slow application holds nobody's journal up.
//!
//! Times are UTC however they are stored: PostgreSQL's timestamps with and without a zone, and on SQLite the
//! milliseconds or the text that Prisma writes. Whatever a column's type is, the database itself is asked for text.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, NaiveDateTime};
use sea_orm::{ConnectOptions, DatabaseConnection, DbBackend, DbErr, FromQueryResult, Statement};
use tracing_log::log::LevelFilter;

use super::claims::CLOCK_TOLERANCE;
use crate::config::{self, ColumnName, DatabaseUrl, TableName};
use crate::domain::{Principal, UserId};
use crate::journal::Line;

/// How long a look-up may take, to find a connection and to be answered. Then the database counts as one that cannot
/// tell.
const PATIENCE: Duration = Duration::from_secs(5);

/// Look-ups at a time: each is one row by its key.
const CONNECTIONS: u32 = 4;

/// Nobody's session token is longer.
const LONGEST: usize = 1024;

/// Why sessions cannot be looked up.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The database cannot be reached, or has no such tables.
    #[error("auth.database_url: cannot read sessions in {url}: {source}")]
    Unreadable {
        /// The database, without its password.
        url: DatabaseUrl,
        /// What it says.
        source: DbErr,
    },
    /// A database that could be read at the start does not answer, or not in time.
    #[error(transparent)]
    Unavailable(#[from] DbErr),
    /// The end of a session is not one that we can read.
    #[error("it ends at {0:?}, which is no time")]
    NoTime(String),
}

/// The table of sessions. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Table {
    line: Line,
    query: String,
}

/// A session as it is written there.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    pub(super) principal: Principal,
    /// The moment from which the session is refused: its end and the tolerance after it.
    pub(super) expires_at: SystemTime,
}

#[derive(FromQueryResult)]
struct Row {
    id: String,
    name: Option<String>,
    email: Option<String>,
    expires: String,
}

impl Table {
    /// Connects, and finds out whether sessions can be read there at all.
    pub(super) async fn open(config: &config::Auth, url: &DatabaseUrl) -> Result<Self, TableError> {
        let unreadable = |source| TableError::Unreadable {
            url: url.clone(),
            source,
        };
        let line = Line::open("sessions", connect_options(url.expose()));
        let line = line.await.map_err(unreadable)?;
        let backend = line.run(|db| async move { Ok(db.get_database_backend()) });
        let query = query(config, backend.await.map_err(unreadable)?);
        let table = Self { line, query };
        table.row("").await.map_err(unreadable)?;
        Ok(table)
    }

    /// The session of this token, if there is one, over or not.
    pub(super) async fn find(&self, token: &str) -> Result<Option<Found>, TableError> {
        if token.is_empty() || token.len() > LONGEST || token.contains('\0') {
            return Ok(None);
        }
        let Some(row) = self.row(token).await? else {
            return Ok(None);
        };
        let Some(expires) = moment(&row.expires) else {
            return Err(TableError::NoTime(row.expires));
        };
        // A user whose id cannot be one of ours has no session here.
        let Some(id) = UserId::new(row.id) else {
            return Ok(None);
        };
        let shown = |text: Option<String>| text.filter(|text| !text.contains('\0'));
        Ok(Some(Found {
            principal: Principal {
                id,
                name: shown(row.name),
                email: shown(row.email),
            },
            expires_at: expires + CLOCK_TOLERANCE,
        }))
    }

    async fn row(&self, token: &str) -> Result<Option<Row>, DbErr> {
        let (query, token) = (self.query.clone(), token.to_owned());
        let ask = |db: DatabaseConnection| async move {
            let statement =
                Statement::from_sql_and_values(db.get_database_backend(), query, [token.into()]);
            let row = Row::find_by_statement(statement).one(&db);
            let answer = tokio::time::timeout(PATIENCE, row).await;
            answer.unwrap_or_else(|_| Err(DbErr::Custom("no answer in time".to_owned())))
        };
        self.line.run(ask).await
    }
}

fn connect_options(url: &str) -> ConnectOptions {
    let mut connect = ConnectOptions::new(url);
    connect
        .max_connections(CONNECTIONS)
        .min_connections(0)
        .acquire_timeout(PATIENCE)
        .connect_timeout(PATIENCE)
        .sqlx_logging(false)
        // Who waits for a connection waits together with many others, and all of them for the same reason.
        .map_sqlx_postgres_pool_opts(|pool| pool.acquire_slow_level(LevelFilter::Debug))
        .map_sqlx_sqlite_pool_opts(|pool| pool.acquire_slow_level(LevelFilter::Debug))
        // It is somebody else's file: nothing about it is set, and it is not made when it is missing.
        .map_sqlx_sqlite_opts(|sqlite| sqlite.read_only(true).busy_timeout(PATIENCE));
    connect
}

/// One session with its user, by the session's token.
fn query(config: &config::Auth, backend: DbBackend) -> String {
    let [token, user, expires] = config.session_columns.each_ref().map(column);
    let [id, name, email] = config.user_columns.each_ref().map(column);
    let (sessions, users) = (table(&config.session_table), table(&config.user_table));
    let (place, milliseconds) = match backend {
        DbBackend::Postgres => (
            "$1",
            format!("CAST(EXTRACT(EPOCH FROM s.{expires}) * 1000 AS bigint)"),
        ),
        _ => ("?", format!("s.{expires}")),
    };
    format!(
        "SELECT CAST(u.{id} AS text) AS id, CAST(u.{name} AS text) AS name, \
         CAST(u.{email} AS text) AS email, CAST({milliseconds} AS text) AS expires \
         FROM {sessions} AS s JOIN {users} AS u ON u.{id} = s.{user} WHERE s.{token} = {place}"
    )
}

fn table(name: &TableName) -> String {
    let parts: Vec<_> = name.as_str().split('.').map(quoted).collect();
    parts.join(".")
}

fn column(name: &ColumnName) -> String {
    quoted(name.as_str())
}

/// Names keep their capitals; none has a quotation mark in it, as their types have checked.
fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}

/// The moment that a text tells: milliseconds since 1970, or a date and a time, which is UTC where it does not say
/// otherwise.
fn moment(text: &str) -> Option<SystemTime> {
    let milliseconds = match text.parse::<f64>() {
        Ok(number) => number,
        Err(_) => {
            let with_zone = DateTime::parse_from_rfc3339(text).map(|time| time.to_utc());
            let without = || {
                NaiveDateTime::parse_from_str(&text.replacen('T', " ", 1), "%Y-%m-%d %H:%M:%S%.f")
                    .map(|time| time.and_utc())
            };
            with_zone.or_else(|_| without()).ok()?.timestamp_millis() as f64
        }
    };
    /// The last moment that JavaScript's clock can show.
    const LAST: f64 = 8.64e15;
    let milliseconds = milliseconds.clamp(0.0, LAST);
    (!milliseconds.is_nan()).then(|| UNIX_EPOCH + Duration::from_millis(milliseconds as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_read_however_it_is_stored() {
        let end = UNIX_EPOCH + Duration::from_millis(1_900_000_000_500);
        for text in [
            "1900000000500",
            "1900000000500.0",
            "2030-03-17T17:46:40.500Z",
            "2030-03-17T17:46:40.500+00:00",
            "2030-03-17T19:46:40.500+02:00",
            "2030-03-17 17:46:40.500",
            "2030-03-17T17:46:40.5",
        ] {
            assert_eq!(moment(text), Some(end), "{text}");
        }
        let whole = UNIX_EPOCH + Duration::from_millis(1_900_000_000_000);
        assert_eq!(moment("2030-03-17 17:46:40"), Some(whole));
        assert_eq!(moment("-5"), Some(UNIX_EPOCH));
        for text in ["", "soon", "NaN", "2030-03-17", "2030-13-17 17:46:40"] {
            assert_eq!(moment(text), None, "{text}");
        }
    }

    #[test]
    fn the_query_names_what_the_configuration_names() {
        let config = config::Auth {
            session_table: "auth.sessions".parse().unwrap(),
            session_columns: ["session_token", "user_id", "ends"].map(|name| name.parse().unwrap()),
            ..config::Auth::default()
        };
        assert_eq!(
            query(&config, DbBackend::Sqlite),
            r#"SELECT CAST(u."id" AS text) AS id, CAST(u."name" AS text) AS name, CAST(u."email" AS text) AS email, CAST(s."ends" AS text) AS expires FROM "auth"."sessions" AS s JOIN "User" AS u ON u."id" = s."user_id" WHERE s."session_token" = ?"#
        );
    }
}
