//! A batch of mutations that one transaction writes.
//!
//! Each mutation is decided on the state that the earlier mutations of the batch leave. If two owners demote
//! each other in one batch, one owner remains.

use std::collections::{BTreeMap, HashSet};

use super::{
    answer::{MutationAnswer, Resource},
    batch_context::BatchContext,
    command::{Command, Mutation},
    event::Event,
    event_kind::EventData,
    idempotency::RememberedAnswers,
    ids::{MembershipId, SourceId, UserId},
    member::Membership,
    refusal::Refusal,
    role::Role,
    source::Source,
    time::Timestamp,
    vault::Vault,
};

/// The decision about an accepted mutation.
#[derive(Clone, Debug)]
pub enum Decision {
    /// The mutation became an event.
    Accepted {
        event: Box<Event>,
        answer: MutationAnswer,
    },
    /// The mutation was accepted before, under the same idempotency key.
    Repeated(MutationAnswer),
}

/// The rows that a batch changes. Each row appears once, in the state that the whole batch leaves.
#[derive(Debug, Default)]
pub struct RowChanges {
    /// Sources that existed before the batch; `None` if the batch deleted them.
    pub sources_changed: BTreeMap<SourceId, Option<Source>>,
    /// Sources that the batch created.
    pub sources_created: BTreeMap<SourceId, Source>,
    /// Members that existed before the batch; `None` if the batch removed them.
    pub members_changed: BTreeMap<UserId, Option<Membership>>,
    /// Members that the batch added.
    pub members_added: BTreeMap<UserId, NewMembership>,
    /// Users that may have no row yet.
    pub users: HashSet<UserId>,
    /// Whether the name of the vault changed.
    pub renamed: bool,
    /// Whether the vault was deleted.
    pub deleted: bool,
}

/// The row of a membership that a batch adds.
#[derive(Clone, Debug)]
pub struct NewMembership {
    pub id: MembershipId,
    pub membership: Membership,
}

impl RowChanges {
    /// Returns whether the batch changes rows that existed before it.
    pub fn changes_rows(&self) -> bool {
        let (sources, members) = (&self.sources_changed, &self.members_changed);
        !(sources.is_empty() && members.is_empty()) || self.renamed || self.deleted
    }

    fn change_source(&mut self, source: &Source) {
        match self.sources_created.get_mut(&source.id) {
            Some(created) => *created = source.clone(),
            None => {
                let changed = Some(source.clone());
                self.sources_changed.insert(source.id.clone(), changed);
            }
        }
    }

    fn delete_source(&mut self, id: &SourceId) {
        if self.sources_created.remove(id).is_none() {
            self.sources_changed.insert(id.clone(), None);
        }
    }

    fn add_member(&mut self, user: &UserId, new: NewMembership) {
        self.users.insert(user.clone());
        // The row of a member that the same batch removed is reused.
        if let Some(removed) = self.members_changed.get_mut(user) {
            *removed = Some(new.membership);
        } else {
            self.members_added.insert(user.clone(), new);
        }
    }

    fn change_member(&mut self, user: &UserId, membership: Membership) {
        match self.members_added.get_mut(user) {
            Some(added) => added.membership = membership,
            None => {
                self.members_changed.insert(user.clone(), Some(membership));
            }
        }
    }

    fn remove_member(&mut self, user: &UserId) {
        if self.members_added.remove(user).is_none() {
            self.members_changed.insert(user.clone(), None);
        }
    }
}

/// A batch whose mutations are being decided.
#[derive(Debug)]
pub struct BatchDraft {
    vault: Vault,
    context: BatchContext,
    rows: RowChanges,
}

impl BatchDraft {
    /// Starts a batch on the current state of the vault. `context` has every source and user that the
    /// mutations refer to.
    pub fn new(vault: Vault, context: BatchContext) -> Self {
        Self {
            vault,
            context,
            rows: RowChanges::default(),
        }
    }

    /// Decides one more mutation on the state that the earlier ones left.
    ///
    /// # Errors
    /// The refusal; a refused mutation has no effect on the rest of the batch.
    pub fn decide(
        &mut self,
        mutation: &Mutation,
        answers: &mut RememberedAnswers,
        now: Timestamp,
    ) -> Result<Decision, Refusal> {
        let Mutation { by, command, key } = mutation;
        // The permission is checked first: a user who lost it does not get a remembered answer.
        let role = self.vault.admit(&by.id, command.required_action(&by.id))?;
        if let Some(key) = key
            && let Some(answer) = answers.recall(&by.id, key)?
        {
            return Ok(Decision::Repeated(answer.clone()));
        }
        let event = self.vault.decide(by, command, &self.context, now)?;
        self.vault.apply(event.seq, &event.state_change());
        let answer = MutationAnswer {
            seq: event.seq,
            resource: self.update_rows(command, &event, role),
        };
        if let Some(key) = key {
            answers.remember(&by.id, key, answer.clone());
        }
        Ok(Decision::Accepted {
            event: event.into(),
            answer,
        })
    }

    /// Returns the vault after the batch, and the rows that the batch changes.
    pub fn finish(self) -> (Vault, RowChanges) {
        (self.vault, self.rows)
    }

    /// Updates the rows with the event, both for later mutations of the batch and for the transaction.
    /// Returns the resource as its author, a member with this role, sees it.
    fn update_rows(&mut self, command: &Command, event: &Event, role: Role) -> Resource {
        let Self {
            vault,
            context,
            rows,
        } = self;
        match &event.data {
            EventData::SourceCreated(source) => {
                context.sources.insert(source.id.clone(), source.clone());
                rows.sources_created
                    .insert(source.id.clone(), source.clone());
                Resource::Source(source.clone())
            }
            EventData::SourceUpdated(source) => {
                context.sources.insert(source.id.clone(), source.clone());
                rows.change_source(source);
                Resource::Source(source.clone())
            }
            EventData::SourceDeleted(id) => {
                context.sources.remove(id);
                rows.delete_source(id);
                Resource::Nothing
            }
            EventData::MemberAdded(member) => {
                match command {
                    Command::AddMember { id, .. } => {
                        let new = NewMembership {
                            id: id.clone(),
                            membership: member.membership,
                        };
                        rows.add_member(&member.user.id, new);
                    }
                    // These become other events.
                    Command::CreateSource { .. }
                    | Command::UpdateSource { .. }
                    | Command::DeleteSource { .. }
                    | Command::ChangeRole { .. }
                    | Command::RemoveMember { .. }
                    | Command::Rename { .. }
                    | Command::Delete => {}
                }
                Resource::Member(member.into())
            }
            EventData::MemberUpdated(member) => {
                rows.change_member(&member.user.id, member.membership);
                Resource::Member(member.into())
            }
            EventData::MemberRemoved(member) => {
                rows.remove_member(&member.user.id);
                Resource::Nothing
            }
            EventData::VaultUpdated(_) => {
                rows.renamed = true;
                Resource::Vault(vault.view(role))
            }
            EventData::VaultDeleted => {
                rows.deleted = true;
                Resource::Nothing
            }
        }
    }
}
