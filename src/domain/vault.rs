//! The state of a vault and the rules by which it accepts or refuses commands.

use std::sync::Arc;

use super::{
    answer::VaultView,
    batch_context::BatchContext,
    command::{Command, IfMatch, UserRef},
    event::{Actor, Event},
    event_kind::{EventData, VaultUpdate},
    ids::{Principal, Seq, SourceId, UserId, VaultId},
    member::{Member, Membership},
    members::Members,
    refusal::Refusal,
    role::{Action, Role},
    source::{NewSource, Source},
    state_change::StateChange,
    time::Timestamp,
};

/// The state of a vault: its name, its members and its head. Sources are not part of it. A clone is cheap,
/// because a batch is decided on a copy.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Vault {
    pub id: VaultId,
    pub name: Arc<str>,
    /// The number of the last event.
    pub head: Seq,
    pub members: Arc<Members>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl Vault {
    /// Returns the role of a user who may perform this action.
    ///
    /// # Errors
    /// `AccessDenied` for a user who is not a member, `InsufficientPermissions` for a member whose role does
    /// not permit the action.
    pub fn admit(&self, user: &UserId, action: Action) -> Result<Role, Refusal> {
        let membership = self.members.get(user).ok_or(Refusal::AccessDenied)?;
        if membership.role.permits(action) {
            Ok(membership.role)
        } else {
            Err(Refusal::InsufficientPermissions)
        }
    }

    /// Returns the event that the command becomes in the current state. `context` has the sources and users
    /// that the command refers to, in their current state.
    ///
    /// # Errors
    /// The reason why the command is refused; the state does not change.
    pub fn decide(
        &self,
        by: &Principal,
        command: &Command,
        context: &BatchContext,
        now: Timestamp,
    ) -> Result<Event, Refusal> {
        let role = self.admit(&by.id, command.required_action(&by.id))?;
        let seq = self.head.next();
        let data = match command {
            Command::CreateSource { id, source } => {
                EventData::SourceCreated(self.create_source(id, source, seq, now))
            }
            Command::UpdateSource {
                id,
                patch,
                if_match,
            } => {
                let source = self.source(context, id, if_match.as_ref())?;
                EventData::SourceUpdated(patch.apply(source, seq, now))
            }
            Command::DeleteSource { id, if_match } => {
                let source = self.source(context, id, if_match.as_ref())?;
                EventData::SourceDeleted(source.id.clone())
            }
            Command::AddMember { user, role, .. } => {
                EventData::MemberAdded(self.add_member(user, *role, context, now)?)
            }
            Command::ChangeRole { user, role } => {
                let mut member = self.member(context, user)?;
                if *role != Role::Owner {
                    self.check_other_owner_remains(user)?;
                }
                member.membership.role = *role;
                EventData::MemberUpdated(member)
            }
            Command::RemoveMember { user } => {
                let member = self.member(context, user)?;
                self.check_other_owner_remains(user)?;
                EventData::MemberRemoved(member)
            }
            Command::Rename { name } => EventData::VaultUpdated(VaultUpdate { name: name.clone() }),
            Command::Delete => EventData::VaultDeleted,
        };
        Ok(Event {
            vault_id: self.id.clone(),
            seq,
            timestamp: now,
            actor: Actor::new(by, role),
            data,
        })
    }

    /// Applies the event `seq` to the state. Events must be applied in order.
    pub fn apply(&mut self, seq: Seq, change: &StateChange) {
        debug_assert_eq!(seq, self.head.next(), "events are applied in order");
        self.head = seq;
        match change {
            StateChange::Unchanged => {}
            StateChange::MemberAdded { user, membership } => {
                Arc::make_mut(&mut self.members).insert(user, *membership);
            }
            StateChange::RoleChanged { user, role } => {
                if let Some(membership) = self.members.get(user) {
                    let role = *role;
                    let membership = Membership { role, ..membership };
                    Arc::make_mut(&mut self.members).insert(user, membership);
                }
            }
            StateChange::MemberRemoved { user } => {
                Arc::make_mut(&mut self.members).remove(user);
            }
            StateChange::VaultRenamed { name, updated_at } => {
                self.name = name.as_str().into();
                self.updated_at = *updated_at;
            }
            // A vault without members refuses every user, exactly as a vault that never existed.
            StateChange::VaultDeleted => self.members = Arc::default(),
        }
    }

    /// Returns the vault as a member with this role sees it.
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

    fn create_source(&self, id: &SourceId, new: &NewSource, seq: Seq, now: Timestamp) -> Source {
        Source {
            id: id.clone(),
            title: new.title.clone(),
            file_url: new.file_url.clone(),
            file_key: new.file_key.clone(),
            file_size: new.file_size,
            mime_type: new.mime_type.clone(),
            vault_id: self.id.clone(),
            created_at: now,
            updated_at: now,
            seq,
            created_seq: seq,
        }
    }

    fn source<'a>(
        &self,
        context: &'a BatchContext,
        id: &SourceId,
        if_match: Option<&IfMatch>,
    ) -> Result<&'a Source, Refusal> {
        let source = context
            .sources
            .get(id)
            .filter(|source| source.vault_id == self.id)
            .ok_or(Refusal::NotFound("Source"))?;
        match if_match {
            Some(condition) if !condition.admits(source.seq) => Err(Refusal::PreconditionFailed),
            Some(_) | None => Ok(source),
        }
    }

    fn member(&self, context: &BatchContext, user: &UserId) -> Result<Member, Refusal> {
        let membership = self.members.get(user).ok_or(Refusal::NotFound("Member"))?;
        Ok(Member {
            user: context.user(user),
            membership,
        })
    }

    fn add_member(
        &self,
        user: &UserRef,
        role: Role,
        context: &BatchContext,
        now: Timestamp,
    ) -> Result<Member, Refusal> {
        let user = match user {
            UserRef::Id(id) => context.user(id),
            UserRef::Email(email) => match context.users_with_email(email).as_slice() {
                [] => return Err(Refusal::NotFound("User")),
                [user] => (*user).clone(),
                [_, _, ..] => return Err(Refusal::Conflict("Several users have this email")),
            },
        };
        if self.members.contains(&user.id) {
            return Err(Refusal::Conflict("Already a member of the vault"));
        }
        let membership = Membership {
            role,
            created_at: now,
        };
        Ok(Member { user, membership })
    }

    /// Refuses to take the role of owner from the only owner of the vault.
    fn check_other_owner_remains(&self, user: &UserId) -> Result<(), Refusal> {
        let is_owner = |membership: Membership| membership.role == Role::Owner;
        let is_only_owner = self.members.get(user).is_some_and(is_owner)
            && (self.members.iter()).filter(|(_, m)| is_owner(*m)).count() == 1;
        if is_only_owner {
            Err(Refusal::LastOwner)
        } else {
            Ok(())
        }
    }
}
