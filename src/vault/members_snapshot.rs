//! The members of one loaded vault, readable without a message to its actor, which may be busy or blocked.

use std::sync::Arc;

use arc_swap::ArcSwapOption;

use crate::domain::{Members, UserId};

/// The members as the actor has published them last. Clones share one state.
#[derive(Clone, Debug, Default)]
pub(super) struct MembersSnapshot(Arc<ArcSwapOption<Members>>);

/// What this node knows about a user and a vault without a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KnownMembership {
    Member,
    NotMember,
    /// The vault is not loaded, or its members are changing.
    Unknown,
}

impl MembersSnapshot {
    /// Publishes the members.
    pub(super) fn publish(&self, members: Arc<Members>) {
        self.0.store(Some(members));
    }

    /// Withdraws the members: they are changing, or the vault is not open any more.
    pub(super) fn withdraw(&self) {
        self.0.store(None);
    }

    /// Returns what the published members say about a user.
    pub(super) fn membership(&self, user: &UserId) -> KnownMembership {
        match self.0.load().as_ref() {
            None => KnownMembership::Unknown,
            Some(members) if members.contains(user) => KnownMembership::Member,
            Some(_) => KnownMembership::NotMember,
        }
    }
}
