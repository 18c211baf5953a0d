//! The rules of a vault: who may do what, and what comes of it.

use std::{collections::HashMap, sync::Arc};

use super::{
    Action, Change, Command, Effect, Named, Principal, Refusal, Role, Seq, Source, SourceId,
    Timestamp, UserId, UserRef, VaultId,
    command::IfMatch,
    event::{Actor, Event, Member, VaultView},
};

/// What a vault knows of itself: who belongs to it and how far it has come. Cheap to clone, for a batch is
/// decided on a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vault {
    pub id: VaultId,
    pub name: Arc<str>,
    /// The place of its newest event.
    pub head: Seq,
    pub members: Arc<HashMap<UserId, Membership>>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// How somebody belongs to a vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Membership {
    pub role: Role,
    pub created_at: Timestamp,
}

impl Vault {
    /// The role of somebody who may do this here.
    ///
    /// # Errors
    /// `AccessDenied` for who is no member, `InsufficientPermissions` for who is.
    pub fn admit(&self, by: &UserId, action: Action) -> Result<Role, Refusal> {
        let membership = self.members.get(by).ok_or(Refusal::AccessDenied)?;
        if membership.role.permits(action) {
            Ok(membership.role)
        } else {
            Err(Refusal::InsufficientPermissions)
        }
    }

    /// What the command comes to here and now. `named` holds the sources and users that it names, as they
    /// stand at this place in the order.
    ///
    /// # Errors
    /// The reason for which it is not done; nothing changes then.
    pub fn decide(
        &self,
        by: &Principal,
        command: &Command,
        named: &Named,
        now: Timestamp,
    ) -> Result<Event, Refusal> {
        let role = self.admit(&by.id, command.action(&by.id))?;
        let seq = self.head.next();
        let change = match command {
            Command::CreateSource { id, source } => Change::SourceCreated(Source {
                id: id.clone(),
                title: source.title.clone(),
                file_url: source.file_url.clone(),
                file_key: source.file_key.clone(),
                file_size: source.file_size,
                mime_type: source.mime_type.clone(),
                vault_id: self.id.clone(),
                created_at: now,
                updated_at: now,
                seq,
                created_seq: seq,
            }),
            Command::UpdateSource {
                id,
                patch,
                if_match,
            } => {
                let source = self.source(named, id, if_match.as_ref())?;
                Change::SourceUpdated(patch.applied_to(source, seq, now))
            }
            Command::DeleteSource { id, if_match } => {
                let source = self.source(named, id, if_match.as_ref())?;
                Change::SourceDeleted(source.id.clone())
            }
            Command::AddMember { user, role, .. } => self.add_member(user, *role, named, now)?,
            Command::ChangeRole { user, role } => {
                let mut member = self.member(named, user)?;
                if *role != Role::Owner {
                    self.leaves_an_owner_without(user)?;
                }
                member.membership.role = *role;
                Change::MemberUpdated(member)
            }
            Command::RemoveMember { user } => {
                let member = self.member(named, user)?;
                self.leaves_an_owner_without(user)?;
                Change::MemberRemoved(member)
            }
            Command::Rename { name } => Change::VaultUpdated { name: name.clone() },
            Command::Delete => Change::VaultDeleted,
        };
        Ok(Event {
            vault_id: self.id.clone(),
            seq,
            at: now,
            actor: Actor::new(by, role),
            change,
        })
    }

    /// Takes in that the event at `seq` happened.
    pub fn apply(&mut self, seq: Seq, effect: &Effect) {
        debug_assert_eq!(seq, self.head.next(), "events are applied in order");
        self.head = seq;
        match effect {
            Effect::None => {}
            Effect::Added(user, membership) => {
                Arc::make_mut(&mut self.members).insert(user.clone(), *membership);
            }
            Effect::Role(user, role) => {
                if let Some(member) = Arc::make_mut(&mut self.members).get_mut(user) {
                    member.role = *role;
                }
            }
            Effect::Removed(user) => {
                Arc::make_mut(&mut self.members).remove(user);
            }
            Effect::Renamed(name, at) => {
                self.name = name.as_str().into();
                self.updated_at = *at;
            }
            // Without members it answers everybody as a vault that never was.
            Effect::Deleted => self.members = Arc::default(),
        }
    }

    /// The vault as a member in this role sees it.
    pub fn view(&self, role: Role) -> VaultView {
        VaultView {
            id: self.id.clone(),
            name: self.name.to_string(),
            role,
            seq: self.head,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }

    fn source<'a>(
        &self,
        named: &'a Named,
        id: &SourceId,
        if_match: Option<&IfMatch>,
    ) -> Result<&'a Source, Refusal> {
        let source = named
            .sources
            .get(id)
            .filter(|source| source.vault_id == self.id)
            .ok_or(Refusal::NotFound("Source"))?;
        match if_match {
            Some(wanted) if !wanted.admits(source.seq) => Err(Refusal::PreconditionFailed),
            Some(_) | None => Ok(source),
        }
    }

    fn member(&self, named: &Named, user: &UserId) -> Result<Member, Refusal> {
        let membership = self.members.get(user).ok_or(Refusal::NotFound("Member"))?;
        Ok(Member {
            user: named.user(user),
            membership: *membership,
        })
    }

    fn add_member(
        &self,
        user: &UserRef,
        role: Role,
        named: &Named,
        now: Timestamp,
    ) -> Result<Change, Refusal> {
        let user = match user {
            UserRef::Id(id) => named.user(id),
            UserRef::Email(email) => match named.users_with_email(email).as_slice() {
                [] => return Err(Refusal::NotFound("User")),
                [user] => (*user).clone(),
                [_, _, ..] => return Err(Refusal::Conflict("Several users have this email")),
            },
        };
        if self.members.contains_key(&user.id) {
            return Err(Refusal::Conflict("Already a member of the vault"));
        }
        let membership = Membership {
            role,
            created_at: now,
        };
        Ok(Change::MemberAdded(Member { user, membership }))
    }

    fn leaves_an_owner_without(&self, user: &UserId) -> Result<(), Refusal> {
        let is_owner = |m: &Membership| m.role == Role::Owner;
        let last = self.members.get(user).is_some_and(is_owner)
            && self.members.values().filter(|m| is_owner(m)).count() == 1;
        if last {
            Err(Refusal::LastOwner)
        } else {
            Ok(())
        }
    }
}
