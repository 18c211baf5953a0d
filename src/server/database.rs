//! Opens the configured database.

use tracing::info;

use super::ServerError;
use crate::{
    config::{Config, Synchronous},
    journal::{
        Database, DatabaseError, DatabaseOptions, DatabaseSharing, MigrationStatus, MigrationStep,
    },
};

/// Connects to the configured database. A database that a newer version has migrated is refused, because this version
/// does not know which rules it would break.
///
/// # Errors
/// When the database does not answer, or was migrated by a newer version.
pub async fn open(config: &Config) -> Result<Database, ServerError> {
    let database = connect(config).await?;
    let mut steps = migrations(config, &database).await?.into_iter();
    match steps.find(|step| step.status == MigrationStatus::Unknown) {
        None => Ok(database),
        Some(MigrationStep { name, .. }) => Err(ServerError::Newer {
            url: config.database.url.to_string(),
            migration: name,
        }),
    }
}

/// Connects to the configured database and applies pending migrations, or refuses them if `database.migrate` is false.
///
/// # Errors
/// As [`open`], and when a migration fails or must not be applied.
pub async fn open_migrated(config: &Config) -> Result<Database, ServerError> {
    let database = open(config).await?;
    let found = database.check_schema().await;
    found.map_err(|source| unusable(config, source))?;
    if config.database.migrate {
        let migrated = database.migrate().await;
        migrated.map_err(|source| unusable(config, source))?;
    } else {
        let steps = migrations(config, &database).await?;
        let is_pending = |step: &&MigrationStep| step.status == MigrationStatus::Pending;
        let pending = steps.iter().filter(is_pending).count();
        if pending > 0 {
            let url = config.database.url.to_string();
            return Err(ServerError::Pending { url, pending });
        }
    }
    Ok(database)
}

/// Connects to the configured database, whatever version has migrated it.
///
/// # Errors
/// When the database does not answer.
pub async fn connect(config: &Config) -> Result<Database, ServerError> {
    let url = &config.database.url;
    log_ignored_parameters(config);
    let options = DatabaseOptions {
        url: url.driver_url().to_owned(),
        schema: url.schema().map(str::to_owned),
        full_sync: config.database.synchronous == Synchronous::Full,
        max_connections: config.database.max_connections,
        sharing: DatabaseSharing::of_url(url.driver_url()),
    };
    let database = Database::connect(&options).await;
    database.map_err(|source| unusable(config, source))
}

/// Logs the names of the URLs' parameters that have no effect. Their values may be secret.
fn log_ignored_parameters(config: &Config) {
    let urls = [
        ("database.url", Some(&config.database.url)),
        ("auth.database_url", config.auth.database_url.as_ref()),
    ];
    for (key, url) in urls {
        let ignored = url.map_or(&[][..], |url| url.ignored_parameters());
        if !ignored.is_empty() {
            let parameters = ignored.join(", ");
            info!(
                key,
                parameters, "parameters of a database URL have no effect"
            );
        }
    }
}

/// Lists the migrations of this version and of the database.
///
/// # Errors
/// When the database does not answer.
pub async fn migrations(
    config: &Config,
    database: &Database,
) -> Result<Vec<MigrationStep>, ServerError> {
    let steps = database.migrations().await;
    steps.map_err(|source| unusable(config, source.into()))
}

/// Returns the error that names the configured database.
pub fn unusable(config: &Config, source: DatabaseError) -> ServerError {
    let url = config.database.url.to_string();
    ServerError::Database { url, source }
}
