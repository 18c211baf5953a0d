//! The bounds of the machine.

use std::time::Duration;

use crate::{domain::Epoch, journal::DatabaseSharing};

/// The bounds and the surroundings of a vault.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MachineOptions {
    /// The maximum number of mutations in one transaction (`actors.commit_batch`).
    pub commit_batch: usize,
    /// A vault without subscribers and work ends after this time (`actors.vault_idle`).
    pub idle: Duration,
    /// The epoch of the journal. A `since` of another epoch is unknown, and a subscription cannot be resumed.
    pub epoch: Epoch,
    pub sharing: DatabaseSharing,
}
