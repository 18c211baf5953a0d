//! Commands: the changes of a vault that users can request.

use super::{
    event_kind::EventKind,
    idempotency::IdempotencyKey,
    ids::{MembershipId, Principal, Seq, SourceId, UserId},
    role::{Action, Role},
    source::{NewSource, SourcePatch},
};

/// A requested change of a vault. HTTP and the gateway validate its fields; [`Vault::decide`](super::Vault::decide)
/// accepts or refuses it. The ids of new things are part of the command, so deciding needs no randomness.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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
    /// Returns the kind of event that the command becomes when it is accepted.
    pub fn event_kind(&self) -> EventKind {
        match self {
            Self::CreateSource { .. } => EventKind::SourceCreated,
            Self::UpdateSource { .. } => EventKind::SourceUpdated,
            Self::DeleteSource { .. } => EventKind::SourceDeleted,
            Self::AddMember { .. } => EventKind::MemberAdded,
            Self::ChangeRole { .. } => EventKind::MemberUpdated,
            Self::RemoveMember { .. } => EventKind::MemberRemoved,
            Self::Rename { .. } => EventKind::VaultUpdated,
            Self::Delete => EventKind::VaultDeleted,
        }
    }

    /// Returns the existing things that the command refers to.
    pub fn target(&self) -> CommandTarget<'_> {
        match self {
            Self::UpdateSource { id, .. } | Self::DeleteSource { id, .. } => {
                CommandTarget::Source(id)
            }
            Self::AddMember { user, .. } => match user {
                UserRef::Id(id) => CommandTarget::User(id),
                UserRef::Email(email) => CommandTarget::UserWithEmail(email),
            },
            Self::ChangeRole { user, .. } | Self::RemoveMember { user } => {
                CommandTarget::User(user)
            }
            Self::CreateSource { .. } | Self::Rename { .. } | Self::Delete => CommandTarget::Vault,
        }
    }

    /// Returns the action that the author's role must permit. Every member may leave the vault.
    pub fn required_action(&self, author: &UserId) -> Action {
        match self {
            Self::RemoveMember { user } if user == author => Action::Read,
            Self::CreateSource { .. }
            | Self::UpdateSource { .. }
            | Self::DeleteSource { .. }
            | Self::AddMember { .. }
            | Self::ChangeRole { .. }
            | Self::RemoveMember { .. }
            | Self::Rename { .. }
            | Self::Delete => self.event_kind().required_action(),
        }
    }
}

/// The existing thing that a command refers to; its row is read before the command is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandTarget<'a> {
    /// Nothing but the vault itself.
    Vault,
    Source(&'a SourceId),
    User(&'a UserId),
    UserWithEmail(&'a str),
}

/// A reference to a user.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum UserRef {
    /// By id; the user need not be recorded.
    Id(UserId),
    /// By email, ignoring case; the user must be recorded.
    Email(String),
}

/// The condition of an `If-Match` header: the versions of a source for which the change is requested.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum IfMatch {
    /// `*`: any version, as long as the source exists.
    Any,
    /// One of these versions.
    OneOf(Vec<Seq>),
}

impl IfMatch {
    /// Returns whether the condition holds for a source with the ETag `seq`.
    pub fn admits(&self, seq: Seq) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(seqs) => seqs.contains(&seq),
        }
    }
}

/// A command together with its author.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mutation {
    /// The user who requests the change.
    pub by: Principal,
    pub command: Command,
    /// The key under which the request can be repeated without a second effect.
    pub key: Option<IdempotencyKey>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a command that becomes an event of this kind.
    fn command(kind: EventKind) -> Command {
        let source = || SourceId::parse("csource000").unwrap();
        let user = || UserId::new("ben").unwrap();
        match kind {
            EventKind::SourceCreated => Command::CreateSource {
                id: source(),
                source: NewSource {
                    title: "Notes".to_owned(),
                    file_url: "https://files.example/a.pdf".to_owned(),
                    file_key: None,
                    file_size: None,
                    mime_type: "application/pdf".to_owned(),
                },
            },
            EventKind::SourceUpdated => Command::UpdateSource {
                id: source(),
                patch: SourcePatch::default(),
                if_match: None,
            },
            EventKind::SourceDeleted => Command::DeleteSource {
                id: source(),
                if_match: None,
            },
            EventKind::MemberAdded => Command::AddMember {
                id: MembershipId::generate(),
                user: UserRef::Id(user()),
                role: Role::Viewer,
            },
            EventKind::MemberUpdated => Command::ChangeRole {
                user: user(),
                role: Role::Viewer,
            },
            EventKind::MemberRemoved => Command::RemoveMember { user: user() },
            EventKind::VaultUpdated => Command::Rename {
                name: "Physics".to_owned(),
            },
            EventKind::VaultDeleted => Command::Delete,
        }
    }

    #[test]
    fn every_event_kind_has_a_command_with_its_permission() {
        let author = UserId::new("ana").unwrap();
        for kind in EventKind::ALL {
            let command = command(kind);
            assert_eq!(command.event_kind(), kind);
            assert_eq!(command.required_action(&author), kind.required_action());
        }
    }

    #[test]
    fn every_member_may_leave() {
        let user = UserId::new("ben").unwrap();
        let leave = Command::RemoveMember { user: user.clone() };
        assert_eq!(leave.required_action(&user), Action::Read);
    }
}
