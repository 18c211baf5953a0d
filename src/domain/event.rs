//! What became of a command: a fact with its place in the vault's order.

use serde::{Deserialize, Serialize};

use super::{
    Principal, Role, Seq, Source, SourceId, Timestamp, User, UserId, VaultId, vault::Membership,
};

/// A fact of a vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub vault_id: VaultId,
    /// Its place in the vault's order.
    pub seq: Seq,
    /// When it was decided.
    pub at: Timestamp,
    /// Who did it.
    pub actor: Actor,
    /// What changed.
    pub change: Change,
}

/// Who did something, as the contract tells it: name and role are those of that moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Actor {
    pub user_id: UserId,
    pub user_name: String,
    pub role: Role,
}

impl Actor {
    /// This user in this role.
    pub fn new(by: &Principal, role: Role) -> Self {
        Self {
            user_id: by.id.clone(),
            user_name: by.display_name().to_owned(),
            role,
        }
    }
}

/// What an event changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    SourceCreated(Source),
    SourceUpdated(Source),
    SourceDeleted(SourceId),
    MemberAdded(Member),
    MemberUpdated(Member),
    /// The role is the one that he had.
    MemberRemoved(Member),
    VaultUpdated {
        name: String,
    },
    VaultDeleted,
}

/// What an event does to what a vault knows of itself. Sources are not kept in it, so theirs do nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    None,
    /// This user is now a member.
    Added(UserId, Membership),
    /// This member has another role; since when he is a member stays.
    Role(UserId, Role),
    /// This user is no longer a member.
    Removed(UserId),
    /// The vault has another name since then.
    Renamed(String, Timestamp),
    /// The vault is no more.
    Deleted,
}

impl Event {
    /// What it does to the vault's own state.
    pub fn effect(&self) -> Effect {
        match &self.change {
            Change::SourceCreated(_) | Change::SourceUpdated(_) | Change::SourceDeleted(_) => {
                Effect::None
            }
            Change::MemberAdded(member) => Effect::Added(member.user.id.clone(), member.membership),
            Change::MemberUpdated(member) => {
                Effect::Role(member.user.id.clone(), member.membership.role)
            }
            Change::MemberRemoved(member) => Effect::Removed(member.user.id.clone()),
            Change::VaultUpdated { name } => Effect::Renamed(name.clone(), self.at),
            Change::VaultDeleted => Effect::Deleted,
        }
    }
}

/// A user as a member of a vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub user: User,
    pub membership: Membership,
}

/// A member as HTTP lists and answers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberView {
    pub user_id: UserId,
    pub user_name: String,
    pub email: Option<String>,
    pub role: Role,
    pub created_at: Timestamp,
}

impl From<&Member> for MemberView {
    fn from(member: &Member) -> Self {
        Self {
            user_id: member.user.id.clone(),
            user_name: member.user.display_name().to_owned(),
            email: member.user.email.clone(),
            role: member.membership.role,
            created_at: member.membership.created_at,
        }
    }
}

/// A vault as one of its members sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VaultView {
    pub id: VaultId,
    pub name: String,
    pub role: Role,
    pub seq: Seq,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// What a mutation answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The place of its event; 0 for a new vault.
    pub seq: Seq,
    /// The resource as the mutation left it.
    pub resource: Resource,
}

/// The resource that a mutation answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Resource {
    Source(Source),
    Member(MemberView),
    Vault(VaultView),
    /// It is gone.
    Nothing,
}
