//! What is done to a database without serving it: its migrations, and a new epoch after a backup was put back. The service
//! opens its database in the same way.

use crate::{
    cli::Migrate,
    config::{Config, Synchronous},
    journal::{Database, DatabaseOptions},
};

use super::AppError;

/// Takes one step of `vaultcast migrate`; a line for each migration.
///
/// # Errors
/// When the database does not answer or refuses.
pub async fn migrate(config: &Config, step: Migrate) -> Result<Vec<String>, AppError> {
    let database = open_database(config).await?;
    let applied = match step {
        Migrate::Up => database.migrate().await,
        Migrate::Down => database.revert_last().await,
        Migrate::Status => Ok(()),
    };
    applied.map_err(|source| cannot_use(config, source))?;
    let listed = database.migrations().await;
    let listed = listed.map_err(|source| cannot_use(config, source))?;
    let line = |(name, applied)| format!("{} {name}", if applied { "applied" } else { "pending" });
    Ok(listed.into_iter().map(line).collect())
}

/// Begins a new epoch of the database, after a backup was put back; the epoch.
///
/// # Errors
/// When the database does not answer or was not migrated.
pub async fn renew_epoch(config: &Config) -> Result<String, AppError> {
    let database = open_database(config).await?;
    let epoch = database.renew_epoch().await;
    let epoch = epoch.map_err(|source| cannot_use(config, source))?;
    let closed = database.close().await;
    closed.map_err(|source| cannot_use(config, source))?;
    Ok(epoch)
}

/// Connects to the configured database.
///
/// # Errors
/// When it does not answer.
pub async fn open_database(config: &Config) -> Result<Database, AppError> {
    let options = DatabaseOptions {
        url: config.database.url.expose().to_owned(),
        full_sync: config.database.synchronous == Synchronous::Full,
    };
    let database = Database::connect(&options).await;
    database.map_err(|source| cannot_use(config, source))
}

pub(super) fn cannot_use(config: &Config, source: sea_orm::DbErr) -> AppError {
    let url = config.database.url.to_string();
    AppError::Database { url, source }
}
