//! The errors of requests to a vault.

use thiserror::Error;

use crate::{
    domain::{MutationAnswer, Refusal},
    journal::{JournalError, MutationError},
};

/// The reason why a vault did not do what was requested.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Error)]
pub enum VaultError {
    /// A rule of the domain refuses it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The vault's queue is full.
    #[error("the vault is busy")]
    Busy,
    /// The database cannot be written or read now. Nothing was written.
    #[error("the database is unavailable")]
    Unavailable,
    /// The connection to the database was lost during the commit. It is unknown whether the mutation was written.
    #[error("the outcome is unknown: the database connection was lost during the commit")]
    Unknown,
    /// An internal fault. It was logged where it occurred, and nothing was written.
    #[error("internal fault")]
    Fault,
}

/// The result of a mutation.
pub(super) type MutationResult = Result<MutationAnswer, VaultError>;

impl From<JournalError> for VaultError {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Unavailable(_) | JournalError::Contended(_) | JournalError::Closed => {
                Self::Unavailable
            }
            JournalError::Unknown(_) => Self::Unknown,
            JournalError::Fault(_) => Self::Fault,
        }
    }
}

impl From<MutationError> for VaultError {
    fn from(error: MutationError) -> Self {
        match error {
            MutationError::Refused(refusal) => Self::Refused(refusal),
            MutationError::Failed(error) => error.into(),
        }
    }
}
