//! `vaultcast import`: copies vaults, members, sources and users from an application's own tables.

use std::{
    io::{Write, stdout},
    time::{Duration, Instant},
};

use clap::Args;

use super::{args::application_url, error::CliError};
use crate::{
    config::{Config, DatabaseUrl},
    import::{self, ImportMode, ImportProgress},
    server::{ServerError, database, startup::DatabaseLock},
};

/// The time between two lines of progress.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(2);

/// Which database is copied from, and whether anything is written.
#[derive(Args, Debug, PartialEq)]
pub struct ImportArgs {
    /// Database of the application: sqlite://FILE or postgres://HOST/DATABASE
    #[arg(long, value_name = "URL", value_parser = application_url)]
    pub from: DatabaseUrl,
    /// Only say what would be copied, and which rows would be refused
    #[arg(long)]
    pub dry_run: bool,
}

/// Copies the rows and prints what was done. Progress goes to the standard error.
///
/// # Errors
/// [`CliError::RefusedRows`] when rows cannot be taken; other errors when the import stopped.
pub(super) async fn run(args: &ImportArgs, config: &Config) -> Result<(), CliError> {
    let mode = match args.dry_run {
        true => ImportMode::DryRun,
        false => ImportMode::Write,
    };
    // A dry run reads one state of the database and changes nothing, so it may run beside a service.
    let _lock = match mode {
        ImportMode::Write => {
            let lock = DatabaseLock::acquire(&config.database.url).map_err(ServerError::from)?;
            prepare(config).await?;
            Some(lock)
        }
        ImportMode::DryRun => None,
    };
    let mut last = Instant::now();
    let on_progress = |progress: ImportProgress| {
        if last.elapsed() >= PROGRESS_INTERVAL {
            last = Instant::now();
            eprintln!("vaultcast: read {progress}");
        }
    };
    eprintln!("vaultcast: reading {}", args.from);
    let report = import::import(config, &args.from, mode, on_progress).await?;
    // A closed output does not change the exit status.
    drop(write!(stdout(), "{report}"));
    match report.refusals.count() {
        0 => Ok(()),
        count => Err(CliError::RefusedRows(count)),
    }
}

/// Makes the database and applies pending migrations, as the start of the service does.
async fn prepare(config: &Config) -> Result<(), ServerError> {
    let closed = database::open_migrated(config).await?.close().await;
    closed.map_err(|source| database::unusable(config, source.into()))
}
