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
    /// while the service runs. On PostgreSQL, running nodes use the new epoch within 1.5 s.
    Renew,
}

/// Begins a new epoch and returns it. Running nodes on PostgreSQL use it from their next sweep on. A service on a SQLite file
/// compares nothing with the file, since no other process writes it, so none may run.
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
