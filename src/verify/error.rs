//! The reasons why a database cannot be verified.

use sea_orm::DbErr;
use thiserror::Error;

use crate::{domain::VaultId, journal::DatabaseError};

/// The reason why a database cannot be verified.
#[derive(Debug, Error)]
pub enum VerifyError {
    #[error(transparent)]
    Database(DatabaseError),
    #[error("not a vaultcast database, or never migrated")]
    NotVaultcast,
    #[error("migration {0} is pending; run `vaultcast migrate up` first")]
    Pending(String),
    #[error("the database is newer than this program, which does not know migration {0}")]
    Newer(String),
    #[error("vault {0} does not exist")]
    UnknownVault(VaultId),
}

impl From<DbErr> for VerifyError {
    fn from(error: DbErr) -> Self {
        Self::Database(error.into())
    }
}
