//! `vaultcast migrate`: applies, reverts or lists the migrations of the database.

use clap::Subcommand;

use crate::{
    config::Config,
    journal::{MigrationStatus, MigrationStep},
    server::{ServerError, database, startup::DatabaseLock},
};

/// The operation on the migrations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
pub enum MigrateStep {
    /// Apply the pending migrations
    Up,
    /// Revert the last applied migration
    Down,
    /// List the applied and the pending migrations
    Status,
}

/// Performs the operation and returns one line per migration. `up` and `down` need exclusive access to a SQLite file;
/// `status` does not.
///
/// # Errors
/// When the database cannot be used, was migrated by a newer version, or is in use by another process.
pub async fn migrate(config: &Config, step: MigrateStep) -> Result<Vec<String>, ServerError> {
    let _lock = match step {
        MigrateStep::Up | MigrateStep::Down => Some(DatabaseLock::acquire(&config.database.url)?),
        MigrateStep::Status => None,
    };
    let database = match step {
        MigrateStep::Up | MigrateStep::Down => database::open(config).await?,
        MigrateStep::Status => database::connect(config).await?,
    };
    let applied = match step {
        MigrateStep::Up => database.migrate().await,
        MigrateStep::Down => database.revert_last().await,
        MigrateStep::Status => Ok(()),
    };
    applied.map_err(|source| database::unusable(config, source))?;
    let line = |MigrationStep { name, status }| match status {
        MigrationStatus::Applied => format!("applied {name}"),
        MigrationStatus::Pending => format!("pending {name}"),
        MigrationStatus::Unknown => format!("unknown {name} (of a newer version)"),
    };
    let steps = database::migrations(config, &database).await?;
    Ok(steps.into_iter().map(line).collect())
}
