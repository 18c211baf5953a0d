//! Refusals: why a vault does not accept a command. A refusal is an answer, not a failure of the service.

use thiserror::Error;

/// The reason of a refusal. The texts are those of the contract; `contract::problem` adds the codes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Error)]
pub enum Refusal {
    /// The user is not a member, or the vault does not exist. Both cases look the same to the caller.
    #[error("Access denied to vault")]
    AccessDenied,
    /// The role of the member does not permit the action.
    #[error("Insufficient permissions")]
    InsufficientPermissions,
    /// The source, member or user of the command does not exist.
    #[error("{0} not found")]
    NotFound(&'static str),
    /// The command contradicts the current state.
    #[error("{0}")]
    Conflict(&'static str),
    /// The command would leave the vault without an owner.
    #[error("A vault keeps at least one owner")]
    LastOwner,
    /// The source does not have a version that `If-Match` names.
    #[error("The source does not have a version that If-Match names")]
    PreconditionFailed,
    /// The idempotency key was used for a different request.
    #[error("The idempotency key was used with another body")]
    IdempotencyMismatch,
}
