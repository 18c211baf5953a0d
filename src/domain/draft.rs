//! A batch being decided: each command on the state that the ones before it leave.
//!
//! Two owners who demote each other in one batch leave one owner; who is demoted first does not post second.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{
    Answer, Change, Command, Event, Mutation, Refusal, Resource, Source, SourceId, Timestamp, User,
    UserId, Vault, idempotency::Answers, ids::MembershipId, vault::Membership,
};

/// The sources and users that a batch names, as they stand at this place in the order.
#[derive(Clone, Debug, Default)]
pub struct Named {
    pub sources: HashMap<SourceId, Source>,
    pub users: HashMap<UserId, User>,
}

impl Named {
    /// The user as recorded, or as known by his id alone.
    pub fn user(&self, id: &UserId) -> User {
        self.users.get(id).cloned().unwrap_or_else(|| User {
            id: id.clone(),
            name: None,
            email: None,
        })
    }

    /// Whoever was recorded with this email, in any case.
    pub fn users_with_email(&self, email: &str) -> Vec<&User> {
        let same = |user: &&User| {
            user.email
                .as_deref()
                .is_some_and(|known| known.to_lowercase() == email.to_lowercase())
        };
        self.users.values().filter(same).collect()
    }
}

/// What a mutation came to.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It is an event now.
    Done {
        /// The fact.
        event: Box<Event>,
        /// What its author is answered.
        answer: Answer,
    },
    /// It was done before, under the same key.
    Repeated(Answer),
}

/// What a batch comes to in rows: for each thing that it touched, how it stands at the end.
#[derive(Debug, Default)]
pub struct Net {
    /// Sources that were there before: what they are now, `None` if deleted.
    pub sources_changed: BTreeMap<SourceId, Option<Source>>,
    /// Sources that were not there before.
    pub sources_created: BTreeMap<SourceId, Source>,
    /// Members that were there before: what they are now, `None` if removed.
    pub members_changed: BTreeMap<UserId, Option<Membership>>,
    /// Members that were not there before.
    pub members_added: BTreeMap<UserId, (MembershipId, Membership)>,
    /// Users that may be unknown so far.
    pub users: HashSet<UserId>,
    /// The vault has another name.
    pub renamed: bool,
    /// The vault is no more.
    pub deleted: bool,
}

impl Net {
    /// Whether it is about rows that were there before.
    pub fn changes_rows(&self) -> bool {
        let (sources, members) = (&self.sources_changed, &self.members_changed);
        !(sources.is_empty() && members.is_empty()) || self.renamed || self.deleted
    }
}

/// A batch being decided.
#[derive(Debug)]
pub struct Draft {
    vault: Vault,
    named: Named,
    net: Net,
}

impl Draft {
    /// Begins a batch on the vault as it stands, with everything that the batch names.
    pub fn new(vault: Vault, named: Named) -> Self {
        Self {
            vault,
            named,
            net: Net::default(),
        }
    }

    /// Decides one more mutation on what the ones before it left.
    ///
    /// # Errors
    /// The refusal; what follows in the batch is decided as if this one had not been asked.
    pub fn take(
        &mut self,
        mutation: &Mutation,
        answers: &mut Answers,
        now: Timestamp,
    ) -> Result<Outcome, Refusal> {
        let Mutation { by, command, key } = mutation;
        // Permission first: a remembered answer is given to nobody who may not have it today.
        let role = self.vault.admit(&by.id, command.action(&by.id))?;
        if let Some(key) = key
            && let Some(answer) = answers.recall(&by.id, key)?
        {
            return Ok(Outcome::Repeated(answer.clone()));
        }
        let event = self.vault.decide(by, command, &self.named, now)?;
        self.vault.apply(event.seq, &event.effect());
        self.note(command, &event);

        let resource = match &event.change {
            Change::SourceCreated(source) | Change::SourceUpdated(source) => {
                Resource::Source(source.clone())
            }
            Change::MemberAdded(member) | Change::MemberUpdated(member) => {
                Resource::Member(member.into())
            }
            Change::VaultUpdated { .. } => Resource::Vault(self.vault.view(role)),
            Change::SourceDeleted(_) | Change::MemberRemoved(_) | Change::VaultDeleted => {
                Resource::Nothing
            }
        };
        let answer = Answer {
            seq: event.seq,
            resource,
        };
        if let Some(key) = key {
            answers.remember(&by.id, key, answer.clone());
        }
        Ok(Outcome::Done {
            event: event.into(),
            answer,
        })
    }

    /// The vault after the batch, and what the batch comes to in rows.
    pub fn finish(self) -> (Vault, Net) {
        (self.vault, self.net)
    }

    /// Takes the event into what later commands of the batch see, and into the rows to write.
    fn note(&mut self, command: &Command, event: &Event) {
        let net = &mut self.net;
        match &event.change {
            Change::SourceCreated(source) => {
                self.named.sources.insert(source.id.clone(), source.clone());
                net.sources_created
                    .insert(source.id.clone(), source.clone());
            }
            Change::SourceUpdated(source) => {
                self.named.sources.insert(source.id.clone(), source.clone());
                match net.sources_created.get_mut(&source.id) {
                    Some(created) => *created = source.clone(),
                    None => {
                        net.sources_changed
                            .insert(source.id.clone(), Some(source.clone()));
                    }
                }
            }
            Change::SourceDeleted(id) => {
                self.named.sources.remove(id);
                if net.sources_created.remove(id).is_none() {
                    net.sources_changed.insert(id.clone(), None);
                }
            }
            Change::MemberAdded(member) => {
                let (user, membership) = (member.user.id.clone(), member.membership);
                net.users.insert(user.clone());
                if let Some(back) = net.members_changed.get_mut(&user) {
                    *back = Some(membership);
                } else if let Command::AddMember { id, .. } = command {
                    net.members_added.insert(user, (id.clone(), membership));
                }
            }
            Change::MemberUpdated(member) => {
                let user = member.user.id.clone();
                match net.members_added.get_mut(&user) {
                    Some((_, added)) => *added = member.membership,
                    None => {
                        net.members_changed.insert(user, Some(member.membership));
                    }
                }
            }
            Change::MemberRemoved(member) => {
                if net.members_added.remove(&member.user.id).is_none() {
                    net.members_changed.insert(member.user.id.clone(), None);
                }
            }
            Change::VaultUpdated { .. } => net.renamed = true,
            Change::VaultDeleted => net.deleted = true,
        }
    }
}
