//! The error of a command that failed.

use std::io;

use thiserror::Error;

use super::{actors::ActorsError, tail::TailError};
use crate::{
    auth::SecretsError,
    config::ConfigError,
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
    #[error("cannot write to the standard output: {0}")]
    Output(io::Error),
}
