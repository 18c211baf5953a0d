//! What the connection to other nodes needs from the vaults of this node.

use crate::domain::VaultHead;

/// Receives the heads that commits of this node have moved. It is called on the threads of the vault actors and must not
/// block.
pub trait HeadListener: Send + Sync {
    /// Handles that a commit has moved a vault's head.
    fn head_moved(&self, moved: VaultHead);
}
