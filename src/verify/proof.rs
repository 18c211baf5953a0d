//! The proof of one vault: its events are replayed, oldest first, and what they come to is held against its rows. Plain
//! data and functions; where the rows come from is not known here.
//!
//! Whatever contradicts what came before it is noted, and then believed: each fault is to be told once, not again at
//! every later place.

use entity::{event, vault};

use crate::{
    domain::{Action, Role, UserId, event::Actor},
    journal::Kind,
};

mod rows;

use super::{
    contradiction::{Contradiction, Findings, Thing, time},
    payload::{self, Change, Told},
    state::{Member, Source, Standing, State},
};

/// A vault being proven: [`event`](Self::event) for each, then [`source`](Self::source) and [`member`](Self::member) for
/// each row, then [`finish`](Self::finish).
#[derive(Debug)]
pub struct Proof<'a> {
    row: &'a vault::Model,
    head: Option<i64>,
    state: State,
    /// The first event that is kept, and the last.
    kept: Option<(i64, i64)>,
    events: u64,
    sources: u64,
    members: u64,
    owners: u64,
    before: u64,
    findings: &'a mut Findings,
}

impl<'a> Proof<'a> {
    /// Begins where the vault was created.
    pub fn new(row: &'a vault::Model, head: Option<i64>, findings: &'a mut Findings) -> Self {
        let before = findings.count();
        let mut proof = Self {
            row,
            head,
            state: State::new(row),
            kept: None,
            events: 0,
            sources: 0,
            members: 0,
            owners: 0,
            before,
            findings,
        };
        if head.is_none() {
            proof.note(Contradiction::NoHead);
        }
        proof
    }

    /// Takes in the next event.
    pub fn event(&mut self, row: &event::Model) {
        let seq = row.seq;
        self.events += 1;
        match self.kept {
            None if seq < 1 => self.note(Contradiction::BeforeTheFirst { seq }),
            None if seq > 1 => self.state = State::trimmed(),
            Some((_, last)) if seq != last + 1 => self.note(Contradiction::Gap {
                expected: last + 1,
                found: seq,
            }),
            None | Some(_) => {}
        }
        self.kept = Some((self.kept.map_or(seq, |(first, _)| first), seq));
        if self.state.deleted_at.is_some() {
            return self.note(Contradiction::AfterTheEnd { seq });
        }
        let Some(kind) = Kind::parse(&row.kind) else {
            let kind = row.kind.clone();
            return self.note(Contradiction::UnknownKind { seq, kind });
        };
        match payload::read(kind, &row.payload) {
            Ok(told) => {
                self.agrees(row, &told);
                self.is_permitted(seq, kind, &told);
                self.follow(seq, kind.as_str(), row.created_at, told.change);
            }
            Err(why) => {
                let kind = kind.as_str();
                self.note(Contradiction::Unreadable { seq, kind, why });
            }
        }
    }

    /// What the row and the JSON in it both say.
    fn agrees(&mut self, row: &event::Model, told: &Told) {
        let at = time(row.created_at);
        let mut says = |field, found: String, expected: &str| {
            if found != expected {
                let (seq, expected) = (row.seq, expected.to_owned());
                self.note(Contradiction::Event {
                    seq,
                    field,
                    found,
                    expected,
                });
            }
        };
        says("seq", told.seq.to_string(), &row.seq.to_string());
        says("vaultId", told.vault.clone(), &row.vault_id);
        says("timestamp", time(told.timestamp.0), &at);
        if let Some((field, inner)) = told.inner {
            says(field, time(inner.0), &at);
        }
        if let Change::VaultUpdated(vault) = &told.change {
            says("vault.id", vault.id.clone(), &row.vault_id);
        }
    }

    /// Whether its author was a member at that place, in the role that it says, and whether this role permits it.
    fn is_permitted(&mut self, seq: i64, kind: Kind, told: &Told) {
        let Actor { user_id, role, .. } = &told.actor;
        let user = || user_id.to_string();
        match self.state.members.standing(user_id.as_str()) {
            Standing::Here(member) if member.role == *role => {}
            Standing::Here(member) => {
                let (found, expected) = (*role, member.role);
                self.note(Contradiction::Role {
                    seq,
                    user: user(),
                    found,
                    expected,
                });
            }
            Standing::Gone => self.note(Contradiction::Stranger { seq, user: user() }),
            Standing::Unknown => {
                let known = Member {
                    role: *role,
                    seq,
                    created_at: None,
                    updated_at: None,
                };
                self.state.members.put(user_id.as_str(), known);
            }
        }
        if !role.permits(needed(&told.change, user_id)) {
            self.note(Contradiction::NotPermitted {
                seq,
                kind: kind.as_str(),
                user: user(),
                role: *role,
            });
        }
    }

    /// Goes on to what the event leaves.
    fn follow(&mut self, seq: i64, kind: &'static str, at: i64, change: Change) {
        match change {
            Change::SourceCreated(is) => {
                if let Standing::Here(_) = self.state.sources.standing(&is.id) {
                    let what = Thing::Source(is.id.clone());
                    self.note(Contradiction::AlreadyThere { seq, kind, what });
                }
                self.put_source(is, seq, at, Some((seq, at)));
            }
            Change::SourceUpdated(is) => {
                let created = match self.state.sources.standing(&is.id) {
                    Standing::Here(source) => source.created,
                    Standing::Unknown => None,
                    Standing::Gone => {
                        self.lacks(seq, kind, Thing::Source(is.id.clone()));
                        None
                    }
                };
                self.put_source(is, seq, at, created);
            }
            Change::SourceDeleted(id) => {
                if let Standing::Gone = self.state.sources.standing(&id) {
                    self.lacks(seq, kind, Thing::Source(id.clone()));
                }
                self.state.sources.remove(&id);
            }
            Change::MemberAdded(payload::Member { user_id, role }) => {
                if let Standing::Here(_) = self.state.members.standing(&user_id) {
                    let what = Thing::Member(user_id.clone());
                    self.note(Contradiction::AlreadyThere { seq, kind, what });
                }
                self.put_member(&user_id, role, seq, at, Some(at));
            }
            Change::MemberUpdated(payload::Member { user_id, role }) => {
                let created = match self.state.members.standing(&user_id) {
                    Standing::Here(member) => member.created_at,
                    Standing::Unknown => None,
                    Standing::Gone => {
                        self.lacks(seq, kind, Thing::Member(user_id.clone()));
                        None
                    }
                };
                if role != Role::Owner {
                    self.leaves_an_owner(seq, &user_id);
                }
                self.put_member(&user_id, role, seq, at, created);
            }
            Change::MemberRemoved(payload::Member { user_id, role }) => {
                match self.state.members.standing(&user_id) {
                    Standing::Here(member) if member.role != role => {
                        let expected = member.role;
                        self.note(Contradiction::Role {
                            seq,
                            user: user_id.clone(),
                            found: role,
                            expected,
                        });
                    }
                    Standing::Here(_) | Standing::Unknown => {}
                    Standing::Gone => self.lacks(seq, kind, Thing::Member(user_id.clone())),
                }
                self.leaves_an_owner(seq, &user_id);
                self.state.members.remove(&user_id);
            }
            Change::VaultUpdated(vault) => self.state.named = Some((vault.name, at)),
            Change::VaultDeleted => self.state.delete(at),
        }
    }

    fn put_source(
        &mut self,
        is: payload::Source,
        seq: i64,
        updated_at: i64,
        created: Option<(i64, i64)>,
    ) {
        let id = is.id.clone();
        let source = Source {
            is,
            seq,
            updated_at,
            created,
        };
        self.state.sources.put(&id, source);
    }

    fn put_member(&mut self, user: &str, role: Role, seq: i64, at: i64, created_at: Option<i64>) {
        let member = Member {
            role,
            seq,
            created_at,
            updated_at: Some(at),
        };
        self.state.members.put(user, member);
    }

    /// Somebody is about to be an owner no longer. Among members of whom some are unknown nobody is surely the last.
    fn leaves_an_owner(&mut self, seq: i64, user: &str) {
        let is_last = {
            let members = &self.state.members;
            let is_owner = |(_, member): &(&str, &Member)| member.role == Role::Owner;
            let owners: Vec<_> = members.iter().filter(is_owner).take(2).collect();
            members.is_whole() && matches!(owners[..], [(one, _)] if one == user)
        };
        if is_last {
            let user = user.to_owned();
            self.note(Contradiction::LastOwner { seq, user });
        }
    }

    fn lacks(&mut self, seq: i64, kind: &'static str, what: Thing) {
        self.note(Contradiction::NotThere { seq, kind, what });
    }

    fn note(&mut self, contradiction: Contradiction) {
        self.findings.add(Some(&self.row.id), contradiction);
    }
}

/// What its author has to be permitted. To leave is everybody's right.
fn needed(change: &Change, by: &UserId) -> Action {
    match change {
        Change::SourceCreated(_) | Change::SourceUpdated(_) | Change::SourceDeleted(_) => {
            Action::ChangeSources
        }
        Change::MemberRemoved(member) if member.user_id == by.as_str() => Action::Read,
        Change::MemberAdded(_)
        | Change::MemberUpdated(_)
        | Change::MemberRemoved(_)
        | Change::VaultUpdated(_)
        | Change::VaultDeleted => Action::Manage,
    }
}

#[cfg(test)]
mod tests;
