//! Why something that was asked is not done. A refusal is an answer, not a fault.

use thiserror::Error;

/// Why a vault refuses. The texts are those of the contract; the codes are given where doors meet people.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// Not a member, or no such vault: a stranger cannot tell one from the other.
    #[error("Access denied to vault")]
    AccessDenied,
    /// A member whose role does not permit it.
    #[error("Insufficient permissions")]
    InsufficientPermissions,
    /// The source, member or user that it names is not there.
    #[error("{0} not found")]
    NotFound(&'static str),
    /// It contradicts what is there.
    #[error("{0}")]
    Conflict(&'static str),
    /// It would leave the vault without an owner.
    #[error("A vault keeps at least one owner")]
    LastOwner,
    /// The source is no longer as `If-Match` says.
    #[error("The source has changed since")]
    PreconditionFailed,
    /// The idempotency key was used for another request.
    #[error("The idempotency key was used with another body")]
    IdempotencyMismatch,
}
