//! Why a vault did not do what it was asked.

use thiserror::Error;

use crate::{
    domain::Refusal,
    journal::{Denied, JournalError},
};

/// Why a vault did not do what it was asked.
#[derive(Clone, Debug, Error)]
pub enum VaultError {
    /// A rule says no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Its queue is full, or one waited too long in it.
    #[error("the vault is busy")]
    Busy,
    /// The database cannot be written or read now; nothing was done.
    #[error("the database is unavailable")]
    Unavailable,
    /// Nobody can tell whether it was done: the database was lost while it was being committed.
    #[error("the database was lost during the commit")]
    Unknown,
    /// A fault of ours; it was logged where it happened, and nothing was done.
    #[error("internal fault")]
    Fault,
}

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

impl From<Denied> for VaultError {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Refused(refusal) => Self::Refused(refusal),
            Denied::Failed(error) => error.into(),
        }
    }
}
