//! What is done to a database without serving it: its migrations, a proof of it, and a new epoch after a backup was put
//! back. The service opens its database in the same way.

use crate::{
    cli::Migrate,
    config::{Config, Synchronous},
    domain::VaultId,
    journal::{Database, DatabaseOptions, Standing, Step},
    startup::Sole,
    verify::{self, Summary, Verdict},
};

use super::AppError;

/// Takes one step of `vaultcast migrate`; a line for each migration. Nothing is changed under a service that runs on the
/// same SQLite file; to look is always allowed.
///
/// # Errors
/// When the database does not answer or refuses, is newer, or somebody else has it.
pub async fn migrate(config: &Config, step: Migrate) -> Result<Vec<String>, AppError> {
    let _sole = match step {
        Migrate::Up | Migrate::Down => Some(Sole::take(&config.database.url)?),
        Migrate::Status => None,
    };
    let database = match step {
        Migrate::Up | Migrate::Down => open_database(config).await?,
        Migrate::Status => connect(config).await?,
    };
    let applied = match step {
        Migrate::Up => database.migrate().await,
        Migrate::Down => database.revert_last().await,
        Migrate::Status => Ok(()),
    };
    applied.map_err(|source| cannot_use(config, source))?;
    let line = |Step { name, standing }| match standing {
        Standing::Applied => format!("applied {name}"),
        Standing::Pending => format!("pending {name}"),
        Standing::Unknown => format!("unknown {name} (of a newer version)"),
    };
    let steps = steps(config, &database).await?;
    Ok(steps.into_iter().map(line).collect())
}

/// Proves the configured database, or one vault of it; `each` is told of every vault.
///
/// # Errors
/// When the database is not there, does not answer, or is not of this program's making.
pub async fn verify(
    config: &Config,
    only: Option<&VaultId>,
    each: impl FnMut(&Summary),
) -> Result<Verdict, AppError> {
    let url = &config.database.url;
    if url.sqlite_file().is_some_and(|file| !file.exists()) {
        return Err(AppError::NoDatabase(url.to_string()));
    }
    let proven = verify::verify(url.expose(), only, each).await;
    let unproven = |source| AppError::Unproven {
        url: url.to_string(),
        source,
    };
    proven.map_err(unproven)
}

/// Begins a new epoch of the database, after a backup was put back; the epoch. A service that runs has read the old one
/// and would go on telling it, so there must be none on a SQLite file.
///
/// # Errors
/// When the database does not answer or was not migrated, is newer, or somebody else has it.
pub async fn renew_epoch(config: &Config) -> Result<String, AppError> {
    let _sole = Sole::take(&config.database.url)?;
    let database = open_database(config).await?;
    let epoch = database.renew_epoch().await;
    let epoch = epoch.map_err(|source| cannot_use(config, source))?;
    let closed = database.close().await;
    closed.map_err(|source| cannot_use(config, source))?;
    Ok(epoch)
}

/// Connects to the configured database, unless a newer version has migrated it: nobody knows what this one would break.
///
/// # Errors
/// When it does not answer, or is newer.
pub async fn open_database(config: &Config) -> Result<Database, AppError> {
    let database = connect(config).await?;
    let mut steps = steps(config, &database).await?.into_iter();
    match steps.find(|step| step.standing == Standing::Unknown) {
        None => Ok(database),
        Some(Step { name, .. }) => Err(AppError::Newer {
            url: config.database.url.to_string(),
            migration: name,
        }),
    }
}

pub(super) async fn steps(config: &Config, database: &Database) -> Result<Vec<Step>, AppError> {
    let steps = database.migrations().await;
    steps.map_err(|source| cannot_use(config, source))
}

pub(super) fn count(steps: &[Step], standing: Standing) -> usize {
    let such = |step: &&Step| step.standing == standing;
    steps.iter().filter(such).count()
}

async fn connect(config: &Config) -> Result<Database, AppError> {
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
