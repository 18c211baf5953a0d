//! The change that an event makes to the state of a vault.

use super::{ids::UserId, member::Membership, role::Role, time::Timestamp};

/// What an event changes in a [`Vault`](super::Vault) besides its head. A `Vault` does not contain sources, so
/// events about sources change nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum StateChange {
    /// Only the head moves.
    Unchanged,
    /// The user is now a member.
    MemberAdded {
        user: UserId,
        membership: Membership,
    },
    /// The member has a new role; the membership keeps its `created_at`.
    RoleChanged { user: UserId, role: Role },
    /// The user is no longer a member.
    MemberRemoved { user: UserId },
    /// The vault has a new name.
    VaultRenamed { name: String, updated_at: Timestamp },
    /// The vault was deleted.
    VaultDeleted,
}

impl StateChange {
    /// Returns whether the change concerns the members of the vault.
    pub fn changes_members(&self) -> bool {
        match self {
            Self::MemberAdded { .. }
            | Self::RoleChanged { .. }
            | Self::MemberRemoved { .. }
            | Self::VaultDeleted => true,
            Self::Unchanged | Self::VaultRenamed { .. } => false,
        }
    }
}
