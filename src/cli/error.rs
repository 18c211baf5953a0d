//! The error of a command that failed.

use std::io;

use thiserror::Error;

use super::{actors::ActorsError, tail::TailError};
use crate::{
    auth::SecretsError,
    config::ConfigError,
    import::ImportError,
    server::ServerError,
    verify::{Findings, VerifyError},
};

/// Why a command failed. Each message is one line that says what to do.
#[derive(Debug, Error)]
pub enum CliError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    #[error(transparent)]
    Server(#[from] ServerError),
    #[error(transparent)]
    Actors(#[from] ActorsError),
    #[error(transparent)]
    Tail(#[from] TailError),
    #[error("database.url: the file {0} does not exist")]
    NoDatabase(String),
    #[error("database.url: cannot verify {url}: {source}")]
    Verify { url: String, source: VerifyError },
    #[error("{0}")]
    Contradictions(Findings),
    #[error(transparent)]
    Import(#[from] ImportError),
    #[error("{0} rows were refused; every other row is copied, or to be copied")]
    RefusedRows(u64),
    #[error("cannot write to the standard output: {0}")]
    Output(io::Error),
}

/// The exit status of an import that refused rows. clap exits with 2 for wrong arguments.
const REFUSED_ROWS: u8 = 3;

impl CliError {
    /// Returns the exit status of the process.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::RefusedRows(_) => REFUSED_ROWS,
            Self::Config(_)
            | Self::Secrets(_)
            | Self::Server(_)
            | Self::Actors(_)
            | Self::Tail(_)
            | Self::NoDatabase(_)
            | Self::Verify { .. }
            | Self::Contradictions(_)
            | Self::Import(_)
            | Self::Output(_) => 1,
        }
    }
}
