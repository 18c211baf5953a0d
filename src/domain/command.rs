//! What people ask of a vault.

use super::{
    Action, NewSource, Principal, Role, Seq, SourceId, SourcePatch, UserId,
    idempotency::IdempotencyKey, ids::MembershipId,
};

/// What is asked of a vault. Form is checked before; whether it may be done is decided by
/// [`Vault::decide`](super::Vault::decide). New ids come along, so that deciding needs no randomness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    CreateSource {
        id: SourceId,
        source: NewSource,
    },
    UpdateSource {
        id: SourceId,
        patch: SourcePatch,
        if_match: Option<IfMatch>,
    },
    DeleteSource {
        id: SourceId,
        if_match: Option<IfMatch>,
    },
    AddMember {
        id: MembershipId,
        user: UserRef,
        role: Role,
    },
    ChangeRole {
        user: UserId,
        role: Role,
    },
    RemoveMember {
        user: UserId,
    },
    Rename {
        name: String,
    },
    Delete,
}

impl Command {
    /// What somebody has to be permitted for this. To leave is everybody's right.
    pub fn action(&self, by: &UserId) -> Action {
        match self {
            Self::CreateSource { .. } | Self::UpdateSource { .. } | Self::DeleteSource { .. } => {
                Action::ChangeSources
            }
            Self::RemoveMember { user } if user == by => Action::Read,
            Self::AddMember { .. }
            | Self::ChangeRole { .. }
            | Self::RemoveMember { .. }
            | Self::Rename { .. }
            | Self::Delete => Action::Manage,
        }
    }
}

/// A user as somebody names him.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserRef {
    /// By id, known or not yet.
    Id(UserId),
    /// By email, in any case; he must have been seen.
    Email(String),
}

/// The states of a source in which a change is still wanted (`If-Match`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IfMatch {
    /// `*`: any, as long as it is there.
    Any,
    /// One of these.
    OneOf(Vec<Seq>),
}

impl IfMatch {
    /// Whether a source whose ETag is `seq` is meant.
    pub fn admits(&self, seq: Seq) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(seqs) => seqs.contains(&seq),
        }
    }
}

/// A command on somebody's behalf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mutation {
    /// Who asks.
    pub by: Principal,
    /// What for.
    pub command: Command,
    /// Under which key it may be asked again without being done again.
    pub key: Option<IdempotencyKey>,
}
