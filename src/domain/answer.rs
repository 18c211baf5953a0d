//! Answers to accepted mutations.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    ids::{Seq, VaultId},
    member::MemberView,
    role::Role,
    source::Source,
    time::Timestamp,
};

/// The answer to an accepted mutation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MutationAnswer {
    /// The number of the mutation's event; 0 for a new vault.
    pub seq: Seq,
    /// The resource after the mutation.
    pub resource: Resource,
}

/// The resource in an answer. Answers are stored for repeated requests, so the JSON form must stay readable.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Resource {
    Source(Source),
    Member(MemberView),
    Vault(VaultView),
    /// The mutation deleted the resource.
    Nothing,
}

/// A vault as one of its members sees it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Vault)]
pub struct VaultView {
    pub id: VaultId,
    pub name: String,
    /// The role of the member.
    pub role: Role,
    /// The vault's head.
    pub seq: Seq,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}
