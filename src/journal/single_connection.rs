//! The connection of a command that works on a whole database, beside the service or without it.

use std::time::Duration;

use sea_orm::{
    ConnectOptions, Database, DatabaseConnection, DbErr, sqlx::sqlite::SqliteConnectOptions,
};

use super::{db_thread::configure_postgres, session_settings::SessionSettings};

/// Opens a database that exists, with one connection that lives until it is closed, however long its work takes. `timeout` bounds the
/// wait for the connection and for the locks of other clients of SQLite.
///
/// # Errors
/// When the database does not answer, or the SQLite file does not exist.
pub(crate) async fn connect_once(
    url: impl Into<String>,
    timeout: Duration,
    settings: Option<SessionSettings>,
    sqlite: impl Fn(SqliteConnectOptions) -> SqliteConnectOptions + Send + Sync + 'static,
) -> Result<DatabaseConnection, DbErr> {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(1)
        .acquire_timeout(timeout)
        .connect_timeout(timeout)
        .idle_timeout(None)
        .max_lifetime(None)
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts(move |options| {
            sqlite(options.create_if_missing(false).busy_timeout(timeout))
        });
    configure_postgres(&mut options, settings);
    Database::connect(options).await
}
