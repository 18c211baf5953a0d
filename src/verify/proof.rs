//! The proof of one vault: its events are replayed, oldest first, and what they come to is held against its rows. Plain
//! data and functions; where the rows come from is not known here.
//!
//! Whatever contradicts what came before it is noted, and then believed: each fault is to be told once, not again at
//! every later place.

use entity::{event, member, source, vault};

use crate::{
    domain::{Action, Role, UserId, event::Actor},
    journal::Kind,
};

use super::{
    contradiction::{Contradiction, Findings, Thing, time},
    payload::{self, Change, Told},
    state::{Member, Source, Standing, State},
    summary::{Reach, Summary},
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

    /// Compares the row of a source. All events were taken in before.
    pub fn source(&mut self, row: &source::Model) {
        self.begin_rows();
        self.sources += 1;
        let what = Thing::Source(row.id.clone());
        let from = self.kept.map_or(1, |(first, _)| first);
        let trimmed = |seq: i64| (1..from).contains(&seq);
        let before = format!("a place before event {from}");
        let known = match self.state.sources.take(&row.id) {
            Standing::Here(known) => known,
            Standing::Gone => return self.note(Contradiction::SpareRow { what }),
            Standing::Unknown => {
                for (field, seq) in [("seq", row.seq), ("created_seq", row.created_seq)] {
                    if !trimmed(seq) {
                        self.row(&what, field, &seq.to_string(), &before);
                    }
                }
                return;
            }
        };
        self.row(&what, "title", &row.title, &known.is.title);
        self.row(&what, "file_url", &row.file_url, &known.is.file_url);
        let (found, expected) = (&row.file_key, &known.is.file_key);
        self.row(&what, "file_key", &or_none(found), &or_none(expected));
        let (found, expected) = (&row.file_size, &known.is.file_size);
        self.row(&what, "file_size", &or_none(found), &or_none(expected));
        self.row(&what, "mime_type", &row.mime_type, &known.is.mime_type);
        self.row(&what, "seq", &row.seq.to_string(), &known.seq.to_string());
        let (found, expected) = (time(row.updated_at), time(known.updated_at));
        self.row(&what, "updated_at", &found, &expected);
        match known.created {
            Some((seq, at)) => {
                let (found, expected) = (row.created_seq.to_string(), seq.to_string());
                self.row(&what, "created_seq", &found, &expected);
                self.row(&what, "created_at", &time(row.created_at), &time(at));
            }
            None if !trimmed(row.created_seq) => {
                self.row(&what, "created_seq", &row.created_seq.to_string(), &before);
            }
            None => {}
        }
    }

    /// Compares the row of a member. All events were taken in before.
    pub fn member(&mut self, row: &member::Model) {
        self.begin_rows();
        self.members += 1;
        self.owners += u64::from(row.role == Role::Owner.as_str());
        let what = Thing::Member(row.user_id.clone());
        let known = match self.state.members.take(&row.user_id) {
            Standing::Here(known) => known,
            Standing::Gone => return self.note(Contradiction::SpareRow { what }),
            Standing::Unknown => {
                if row.role.parse::<Role>().is_err() {
                    self.row(&what, "role", &row.role, "a role");
                }
                return;
            }
        };
        self.row(&what, "role", &row.role, known.role.as_str());
        for (field, found, expected) in [
            ("created_at", row.created_at, known.created_at),
            ("updated_at", row.updated_at, known.updated_at),
        ] {
            if let Some(expected) = expected {
                self.row(&what, field, &time(found), &time(expected));
            }
        }
    }

    /// Compares the vault's own row, and says what there is no row for.
    pub fn finish(mut self) -> Summary {
        self.begin_rows();
        self.stands();
        let (row, what) = (self.row, Thing::Vault);
        if let Some((name, at)) = self.state.named.take() {
            self.row(&what, "name", &row.name, &name);
            self.row(&what, "updated_at", &time(row.updated_at), &time(at));
        }
        let deleted = |at: Option<i64>| or_none(&at.map(time));
        let (found, expected) = (deleted(row.deleted_at), deleted(self.state.deleted_at));
        self.row(&what, "deleted_at", &found, &expected);
        let sources = self.state.sources.iter();
        let sources = sources.map(|(id, source)| (source.seq, Thing::Source(id.to_owned())));
        let members = self.state.members.iter();
        let members = members.map(|(id, member)| (member.seq, Thing::Member(id.to_owned())));
        let mut lacking: Vec<_> = sources.chain(members).collect();
        lacking.sort_by_key(|(seq, _)| *seq);
        for (seq, what) in lacking {
            self.note(Contradiction::NoRow { what, seq });
        }
        if row.deleted_at.is_none() && self.owners == 0 {
            self.note(Contradiction::NoOwner);
        }
        Summary {
            vault: row.id.clone(),
            name: row.name.clone(),
            is_deleted: row.deleted_at.is_some(),
            head: self.head,
            kept: self.kept,
            events: self.events,
            members: self.members,
            sources: self.sources,
            reach: match (self.findings.count() - self.before, self.kept) {
                (0, Some((1, _))) => Reach::Whole,
                (0, Some((first, _))) => Reach::From(first),
                (0, None) if self.head == Some(0) => Reach::Whole,
                (0, None) => Reach::Buried,
                (contradictions, _) => Reach::Contradicted(contradictions),
            },
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

    /// What is not in the journal is as the trimming left it.
    fn begin_rows(&mut self) {
        if self.kept.is_none() && self.head != Some(0) && self.state.named.is_some() {
            self.state = State::trimmed();
            if let Some(at) = self.row.deleted_at {
                self.state.delete(at);
            }
        }
    }

    /// Whether the head is where the journal ends. What is left of a deleted vault goes oldest first, its head at last.
    fn stands(&mut self) {
        let Some(head) = self.head else { return };
        match self.kept {
            Some((_, last)) if head > last => self.note(Contradiction::HeadAhead { head, last }),
            Some((_, last)) if head < last => self.note(Contradiction::HeadBehind { head, last }),
            None if head != 0 && self.row.deleted_at.is_none() => {
                self.note(Contradiction::NoEvents { head });
            }
            Some(_) | None => {}
        }
    }

    fn row(&mut self, what: &Thing, field: &'static str, found: &str, expected: &str) {
        if found != expected {
            self.note(Contradiction::Row {
                what: what.clone(),
                field,
                found: found.to_owned(),
                expected: expected.to_owned(),
            });
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

fn or_none<T: ToString>(value: &Option<T>) -> String {
    value
        .as_ref()
        .map_or_else(|| "none".to_owned(), T::to_string)
}

#[cfg(test)]
mod tests;
