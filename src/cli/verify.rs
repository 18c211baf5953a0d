//! `vaultcast verify`: checks a database against its journal.

use std::io::{Write, stdout};

use super::error::CliError;
use crate::{
    config::Config,
    domain::VaultId,
    verify::{self, VaultSummary},
};

/// Prints one line per vault, then the totals.
///
/// # Errors
/// [`CliError::Contradictions`] when the journal and the rows disagree; other errors when the database is missing, cannot be
/// read, or was not made by vaultcast.
pub(super) async fn run(config: &Config, only: Option<&VaultId>) -> Result<(), CliError> {
    let url = &config.database.url;
    if url.sqlite_file().is_some_and(|file| !file.exists()) {
        return Err(CliError::NoDatabase(url.to_string()));
    }
    // A closed output does not change the exit status.
    let print = |summary: &VaultSummary| drop(writeln!(stdout(), "{summary}"));
    let report = verify::verify(url.driver_url(), url.schema(), only, print).await;
    let report = report.map_err(|source| CliError::Verify {
        url: url.to_string(),
        source,
    })?;
    if report.findings.count() > 0 {
        return Err(CliError::Contradictions(report.findings));
    }
    writeln!(stdout(), "verified: {}", report.totals).map_err(CliError::Output)
}
