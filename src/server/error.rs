//! Why the service does not start. Each message is one line that says what to do.

use std::io;

use thiserror::Error;

use super::startup::{DatabaseLockError, ListenError};
use crate::{
    auth::UserSessionTableError,
    cluster::NodeLinkError,
    config::ConfigError,
    journal::{DatabaseError, JournalError},
    vault::VaultError,
};

/// Why the service does not start.
#[derive(Debug, Error)]
pub enum ServerError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("database.url: cannot use {url}: {source}")]
    Database { url: String, source: DatabaseError },
    #[error("the database is not ready (has it been migrated?): {0}")]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Sessions(#[from] UserSessionTableError),
    #[error(
        "database.url: {url} was migrated by a newer vaultcast, which this version is too old for ({migration}): \
         install the newer version again, restore a backup from before its migration, or, if another application made it, \
         give vaultcast a database or a schema (?schema=NAME) of its own"
    )]
    Newer { url: String, migration: String },
    #[error(
        "database.url: {url} lacks {pending} migration(s), and database.migrate is false: \
         run `vaultcast migrate up`"
    )]
    Pending { url: String, pending: usize },
    #[error(transparent)]
    NodeLink(#[from] NodeLinkError),
    #[error(transparent)]
    Lock(#[from] DatabaseLockError),
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error("the demo vault cannot be created: {0}")]
    Demo(#[from] VaultError),
    #[error("signal handlers cannot be installed: {0}")]
    Signals(io::Error),
}
