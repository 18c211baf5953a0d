//! `vaultcast epoch`: replaces the history id of the database after a backup was restored.

use clap::Subcommand;

use crate::{
    config::Config,
    server::{ServerError, database, startup::DatabaseLock},
};

/// The operation on the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
pub enum EpochStep {
    /// Begin a new epoch after a backup was restored, and print it
    ///
    /// Clients that know events later than the backup then list sources again, instead of relying on sequence numbers
    /// that are assigned a second time. Run it before the service is started: on a SQLite file it is refused
    /// while the service runs.
    Renew,
}

/// Begins a new epoch and returns it. A running service keeps the epoch that it read at its start, so none may run on the
/// same SQLite file.
///
/// # Errors
/// When the database cannot be used, was not migrated, was migrated by a newer version, or is in use by another process.
pub async fn renew_epoch(config: &Config) -> Result<String, ServerError> {
    let _lock = DatabaseLock::acquire(&config.database.url)?;
    let database = database::open(config).await?;
    let renewed = database.renew_epoch().await;
    let epoch = renewed.map_err(|source| database::unusable(config, source.into()))?;
    let closed = database.close().await;
    closed.map_err(|source| database::unusable(config, source.into()))?;
    Ok(epoch)
}
