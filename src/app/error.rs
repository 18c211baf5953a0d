//! Why a command comes to nothing: each in one line that says what to do.

use std::io;

use thiserror::Error;

use crate::{
    auth::TableError,
    config::ConfigError,
    journal::JournalError,
    startup::{CannotListen, NotSole},
    vault::VaultError,
    verify::VerifyError,
};

/// Why the service does not start.
#[derive(Debug, Error)]
pub enum AppError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("database.url: cannot use {url}: {source}")]
    Database { url: String, source: sea_orm::DbErr },
    #[error("the database is not ready (is it migrated?): {0}")]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Sessions(#[from] TableError),
    #[error(
        "database.url: {url} was migrated by a newer vaultcast, which this one is too old for ({migration}): \
         install that version again, or put back a backup of before"
    )]
    Newer { url: String, migration: String },
    #[error(
        "database.url: {url} lacks {pending} migration(s), and database.migrate is false: \
         run `vaultcast migrate up`"
    )]
    Pending { url: String, pending: usize },
    #[error(transparent)]
    NotSole(#[from] NotSole),
    #[error(transparent)]
    Listen(#[from] CannotListen),
    #[error("the demo vault cannot be made ready: {0}")]
    Demo(#[from] VaultError),
    #[error("database.url: there is no file {0}")]
    NoDatabase(String),
    #[error("database.url: cannot prove {url}: {source}")]
    Unproven { url: String, source: VerifyError },
    #[error("signals cannot be awaited: {0}")]
    Signals(io::Error),
}
