//! Verifies one vault: replays its events, oldest first, and compares the result with its rows. Contains no I/O.
//!
//! After a contradiction the verifier continues with the state that the event claims, so that each error is reported once
//! and not again for every later event.

use entity::{event, vault};

use crate::domain::{Action, EventKind, Role, UserId, event::Actor};

mod rows;

use super::{
    findings::{Contradiction, FindingSubject, Findings, format_time},
    payload::{self, ParsedChange, ParsedEvent, ParsedMember, ParsedSource},
    state::{EventRef, MemberState, Presence, ReplayedState, SourceState, VaultName},
    summary::EventSpan,
};

/// Verifies a vault. Call [`add_event`](Self::add_event) for each event, then [`check_source`](Self::check_source) and
/// [`check_member`](Self::check_member) for each row, then [`finish`](Self::finish).
#[derive(Debug)]
pub struct VaultVerifier<'a> {
    row: &'a vault::Model,
    head: Option<i64>,
    state: ReplayedState,
    span: Option<EventSpan>,
    events: u64,
    sources: u64,
    members: u64,
    owners: u64,
    /// The number of contradictions in the vaults before.
    findings_before: u64,
    findings: &'a mut Findings,
}

impl<'a> VaultVerifier<'a> {
    /// Starts with the state that the vault had when it was created.
    pub fn new(row: &'a vault::Model, head: Option<i64>, findings: &'a mut Findings) -> Self {
        let findings_before = findings.count();
        let mut verifier = Self {
            row,
            head,
            state: ReplayedState::new(row),
            span: None,
            events: 0,
            sources: 0,
            members: 0,
            owners: 0,
            findings_before,
            findings,
        };
        if head.is_none() {
            verifier.report(Contradiction::NoHead);
        }
        verifier
    }

    /// Replays the next event.
    pub fn add_event(&mut self, row: &event::Model) {
        let seq = row.seq;
        self.events += 1;
        match self.span {
            None if seq < 1 => self.report(Contradiction::SeqBelowFirst { seq }),
            None if seq > 1 => self.state = ReplayedState::trimmed(),
            Some(EventSpan { last, .. }) if seq != last + 1 => self.report(Contradiction::Gap {
                expected: last + 1,
                found: seq,
            }),
            None | Some(_) => {}
        }
        let first = self.span.map_or(seq, |span| span.first);
        self.span = Some(EventSpan { first, last: seq });
        if self.state.deleted_at.is_some() {
            return self.report(Contradiction::AfterDeletion { seq });
        }
        let Some(kind) = EventKind::parse(&row.kind) else {
            let kind = row.kind.clone();
            return self.report(Contradiction::UnknownKind { seq, kind });
        };
        match payload::parse_event(kind, &row.payload) {
            Ok(event) => {
                self.check_fields(row, &event);
                self.check_actor(seq, kind, &event);
                let at = row.created_at;
                self.apply(EventRef { seq, at }, kind.name(), event.change);
            }
            Err(reason) => {
                let kind = kind.name();
                self.report(Contradiction::UnreadableEvent { seq, kind, reason });
            }
        }
    }

    /// Compares the fields that both the row and its JSON contain.
    fn check_fields(&mut self, row: &event::Model, event: &ParsedEvent) {
        let at = format_time(row.created_at);
        let mut compare = |field, found: String, expected: &str| {
            if found != expected {
                let (seq, expected) = (row.seq, expected.to_owned());
                self.report(Contradiction::EventField {
                    seq,
                    field,
                    found,
                    expected,
                });
            }
        };
        compare("seq", event.seq.to_string(), &row.seq.to_string());
        compare("vaultId", event.vault.clone(), &row.vault_id);
        compare("timestamp", format_time(event.timestamp.0), &at);
        if let Some(inner) = event.inner_time {
            compare(inner.field, format_time(inner.at.0), &at);
        }
        if let ParsedChange::VaultUpdated(vault) = &event.change {
            compare("vault.id", vault.id.clone(), &row.vault_id);
        }
    }

    /// Checks that the actor was a member at this seq, had the given role, and that the role permits the change.
    fn check_actor(&mut self, seq: i64, kind: EventKind, event: &ParsedEvent) {
        let Actor { user_id, role, .. } = &event.actor;
        let user = || user_id.to_string();
        match self.state.members.get(user_id.as_str()) {
            Presence::Present(member) if member.role == *role => {}
            Presence::Present(member) => {
                let (found, expected) = (*role, member.role);
                self.report(Contradiction::EventRole {
                    seq,
                    user: user(),
                    found,
                    expected,
                });
            }
            Presence::Absent => self.report(Contradiction::ActorNotMember { seq, user: user() }),
            Presence::Unknown => {
                let known = MemberState {
                    role: *role,
                    seq,
                    created_at: None,
                    updated_at: None,
                };
                self.state.members.insert(user_id.as_str(), known);
            }
        }
        if !role.permits(required_action(kind, &event.change, user_id)) {
            self.report(Contradiction::NotPermitted {
                seq,
                kind: kind.name(),
                user: user(),
                role: *role,
            });
        }
    }

    /// Applies a change to the state and checks that the state allows it.
    fn apply(&mut self, event: EventRef, kind: &'static str, change: ParsedChange) {
        let EventRef { seq, at } = event;
        match change {
            ParsedChange::SourceCreated(content) => {
                if let Presence::Present(_) = self.state.sources.get(&content.id) {
                    let subject = FindingSubject::Source(content.id.clone());
                    self.report(Contradiction::AlreadyExists { seq, kind, subject });
                }
                self.set_source(content, event, Some(event));
            }
            ParsedChange::SourceUpdated(content) => {
                let created = match self.state.sources.get(&content.id) {
                    Presence::Present(source) => source.created,
                    Presence::Unknown => None,
                    Presence::Absent => {
                        self.report_not_found(
                            seq,
                            kind,
                            FindingSubject::Source(content.id.clone()),
                        );
                        None
                    }
                };
                self.set_source(content, event, created);
            }
            ParsedChange::SourceDeleted(id) => {
                if let Presence::Absent = self.state.sources.get(&id) {
                    self.report_not_found(seq, kind, FindingSubject::Source(id.clone()));
                }
                self.state.sources.remove(&id);
            }
            ParsedChange::MemberAdded(member) => {
                if let Presence::Present(_) = self.state.members.get(&member.user_id) {
                    let subject = FindingSubject::Member(member.user_id.clone());
                    self.report(Contradiction::AlreadyExists { seq, kind, subject });
                }
                self.set_member(&member, event, Some(at));
            }
            ParsedChange::MemberUpdated(member) => {
                let created_at = match self.state.members.get(&member.user_id) {
                    Presence::Present(known) => known.created_at,
                    Presence::Unknown => None,
                    Presence::Absent => {
                        self.report_not_found(
                            seq,
                            kind,
                            FindingSubject::Member(member.user_id.clone()),
                        );
                        None
                    }
                };
                if member.role != Role::Owner {
                    self.check_remaining_owner(seq, &member.user_id);
                }
                self.set_member(&member, event, created_at);
            }
            ParsedChange::MemberRemoved(member) => self.remove_member(seq, kind, member),
            ParsedChange::VaultUpdated(vault) => {
                self.state.name = Some(VaultName {
                    name: vault.name,
                    since: at,
                });
            }
            ParsedChange::VaultDeleted => self.state.delete(at),
        }
    }

    fn remove_member(&mut self, seq: i64, kind: &'static str, member: ParsedMember) {
        let ParsedMember { user_id, role } = member;
        match self.state.members.get(&user_id) {
            Presence::Present(known) if known.role != role => {
                let expected = known.role;
                self.report(Contradiction::EventRole {
                    seq,
                    user: user_id.clone(),
                    found: role,
                    expected,
                });
            }
            Presence::Present(_) | Presence::Unknown => {}
            Presence::Absent => {
                self.report_not_found(seq, kind, FindingSubject::Member(user_id.clone()));
            }
        }
        self.check_remaining_owner(seq, &user_id);
        self.state.members.remove(&user_id);
    }

    fn set_source(&mut self, content: ParsedSource, updated: EventRef, created: Option<EventRef>) {
        let id = content.id.clone();
        let source = SourceState {
            content,
            updated,
            created,
        };
        self.state.sources.insert(&id, source);
    }

    fn set_member(&mut self, member: &ParsedMember, event: EventRef, created_at: Option<i64>) {
        let state = MemberState {
            role: member.role,
            seq: event.seq,
            created_at,
            updated_at: Some(event.at),
        };
        self.state.members.insert(&member.user_id, state);
    }

    /// Checks that another owner remains when this user stops being one. When some members are unknown, one of them may be
    /// an owner.
    fn check_remaining_owner(&mut self, seq: i64, user: &str) {
        let is_last_owner = {
            let members = &self.state.members;
            let is_owner = |(_, member): &(&str, &MemberState)| member.role == Role::Owner;
            let owners: Vec<_> = members.iter().filter(is_owner).take(2).collect();
            members.is_complete() && matches!(owners[..], [(owner, _)] if owner == user)
        };
        if is_last_owner {
            let user = user.to_owned();
            self.report(Contradiction::LastOwner { seq, user });
        }
    }

    fn report_not_found(&mut self, seq: i64, kind: &'static str, subject: FindingSubject) {
        self.report(Contradiction::NotFound { seq, kind, subject });
    }

    fn report(&mut self, contradiction: Contradiction) {
        self.findings.add(Some(&self.row.id), contradiction);
    }
}

/// Returns the action that the actor's role must permit. Every member may leave the vault.
fn required_action(kind: EventKind, change: &ParsedChange, actor: &UserId) -> Action {
    match change {
        ParsedChange::MemberRemoved(member) if member.user_id == actor.as_str() => Action::Read,
        ParsedChange::SourceCreated(_)
        | ParsedChange::SourceUpdated(_)
        | ParsedChange::SourceDeleted(_)
        | ParsedChange::MemberAdded(_)
        | ParsedChange::MemberUpdated(_)
        | ParsedChange::MemberRemoved(_)
        | ParsedChange::VaultUpdated(_)
        | ParsedChange::VaultDeleted => kind.required_action(),
    }
}

#[cfg(test)]
mod tests;
