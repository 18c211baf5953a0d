//! Events: accepted changes, each with its number in the order of its vault.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    event_kind::EventData,
    ids::{Principal, Seq, UserId, VaultId},
    role::Role,
    state_change::StateChange,
    time::Timestamp,
};

/// An accepted change of a vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub vault_id: VaultId,
    /// The event's number in the order of its vault.
    pub seq: Seq,
    /// When the vault accepted the mutation.
    pub timestamp: Timestamp,
    /// The user whose mutation it was.
    pub actor: Actor,
    /// What changed.
    pub data: EventData,
}

impl Event {
    /// Returns what the event changes in the state of its vault.
    pub fn state_change(&self) -> StateChange {
        self.data.state_change(self.timestamp)
    }
}

/// The author of an event as the contract shows it, with the name and role at the time of the event.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Actor {
    pub user_id: UserId,
    pub user_name: String,
    pub role: Role,
}

impl Actor {
    /// Creates the author from the user and their role in the vault.
    pub fn new(user: &Principal, role: Role) -> Self {
        Self {
            user_id: user.id.clone(),
            user_name: user.display_name().to_owned(),
            role,
        }
    }
}
