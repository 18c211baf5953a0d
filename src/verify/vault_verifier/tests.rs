//! Every valid history is verified, wherever it was trimmed, and every removed or altered part is found.

use entity::{event, member, source, vault};
use proptest::{prelude::*, sample::Index};

use super::*;
use crate::verify::{VaultSummary, VerifiedRange};
use crate::{
    domain::{
        Command, Event, EventData, Mutation,
        test_vault::{TestVault, batches, principal, user},
    },
    journal::JournalRecord,
};

/// The rows of one vault.
#[derive(Clone)]
struct VaultRows {
    vault: vault::Model,
    head: Option<i64>,
    events: Vec<event::Model>,
    sources: Vec<source::Model>,
    members: Vec<member::Model>,
}

impl VaultRows {
    /// Returns the rows that the journal would write for this history.
    fn from_history(test: &TestVault) -> Self {
        let vault = &test.vault;
        let id = vault.id.to_string();
        let row = |event: &Event| {
            let record = JournalRecord::new(event);
            event::Model {
                vault_id: id.clone(),
                seq: record.seq.to_row(),
                kind: record.kind.name().to_owned(),
                payload: record.payload.to_string(),
                created_at: event.timestamp.0,
            }
        };
        let deleted = |event: &&Event| event.data == EventData::VaultDeleted;
        let deleted = test.events.last().filter(deleted);
        let source = |source: &crate::domain::Source| source::Model {
            id: source.id.to_string(),
            vault_id: id.clone(),
            title: source.title.clone(),
            file_url: source.file_url.clone(),
            file_key: source.file_key.clone(),
            file_size: source.file_size.map(|size| i64::try_from(size).unwrap()),
            mime_type: source.mime_type.clone(),
            seq: source.seq.to_row(),
            created_seq: source.created_seq.to_row(),
            created_at: source.created_at.0,
            updated_at: source.updated_at.0,
        };
        let member = |(user, membership): (&str, crate::domain::Membership)| member::Model {
            vault_id: id.clone(),
            user_id: user.to_string(),
            id: format!("m{user}"),
            role: membership.role.to_string(),
            created_at: membership.created_at.0,
            updated_at: last_update(test, user).unwrap_or(membership.created_at.0),
        };
        Self {
            vault: vault::Model {
                id: id.clone(),
                name: vault.name.to_string(),
                created_name: "Physics".to_owned(),
                created_by: user(0).to_string(),
                created_at: 0,
                updated_at: vault.updated_at.0,
                deleted_at: deleted.map(|event| event.timestamp.0),
            },
            head: Some(vault.head.to_row()),
            events: test.events.iter().map(row).collect(),
            sources: match deleted {
                Some(_) => Vec::new(),
                None => test.sources.values().map(source).collect(),
            },
            members: vault.members.iter().map(member).collect(),
        }
    }

    fn verify(&self) -> (VaultSummary, Findings) {
        let mut findings = Findings::default();
        let mut verifier = VaultVerifier::new(&self.vault, self.head, &mut findings);
        let (events, sources, members) = (&self.events, &self.sources, &self.members);
        events.iter().for_each(|row| verifier.add_event(row));
        sources.iter().for_each(|row| verifier.check_source(row));
        members.iter().for_each(|row| verifier.check_member(row));
        (verifier.finish(), findings)
    }
}

/// Returns the time of the last event about a member.
fn last_update(test: &TestVault, user: &str) -> Option<i64> {
    let names_user = |event: &&Event| match &event.data {
        EventData::MemberAdded(member) | EventData::MemberUpdated(member) => {
            member.user.id.as_str() == user
        }
        _ => false,
    };
    test.events
        .iter()
        .rev()
        .find(names_user)
        .map(|event| event.timestamp.0)
}

fn history(batches: &[Vec<Mutation>], deleted: bool) -> TestVault {
    let mut test = TestVault::new();
    for batch in batches {
        test.write(batch);
    }
    if deleted {
        let is_owner = |n: &usize| test.vault.admit(&user(*n), Action::Manage).is_ok();
        let by = principal((0..).find(is_owner).unwrap());
        let command = Command::Delete;
        let key = None;
        test.write(&[Mutation { by, command, key }]);
    }
    test
}

proptest! {
    #[test]
    fn every_history_is_verified_wherever_it_was_trimmed(
        batches in batches(), deleted in any::<bool>(), cut in any::<Index>()
    ) {
        let mut rows = VaultRows::from_history(&history(&batches, deleted));
        let (summary, findings) = rows.verify();
        prop_assert_eq!(findings.first(), []);
        prop_assert_eq!(summary.verified, VerifiedRange::Complete);

        let cut = cut.index(rows.events.len());
        rows.events.drain(..cut);
        let (summary, findings) = rows.verify();
        prop_assert_eq!(findings.first(), []);
        let from = i64::try_from(cut).unwrap() + 1;
        let expected = if cut == 0 { VerifiedRange::Complete } else { VerifiedRange::From(from) };
        prop_assert_eq!(summary.verified, expected);
    }

    #[test]
    fn every_removed_row_but_the_oldest_events_is_found(
        batches in batches(), index in any::<Index>(), table in 0..4_u8
    ) {
        let mut rows = VaultRows::from_history(&history(&batches, false));
        match table {
            0 => drop(rows.events.remove(1 + index.index(rows.events.len() - 1))),
            1 if !rows.sources.is_empty() => drop(rows.sources.remove(index.index(rows.sources.len()))),
            2 => rows.head = rows.head.map(|head| head - 1),
            _ => drop(rows.members.remove(index.index(rows.members.len()))),
        }
        let (summary, findings) = rows.verify();
        prop_assert!(findings.count() > 0);
        prop_assert_eq!(summary.verified, VerifiedRange::Contradicted(findings.count()));
    }
}

fn mutation(by: usize, command: Command) -> Mutation {
    Mutation {
        by: principal(by),
        command,
        key: None,
    }
}

/// Returns a vault whose last event gives its only owner, user 0, the role owner again.
fn vault_with_one_owner() -> VaultRows {
    let mut test = TestVault::new();
    let role = Role::Owner;
    let command = Command::ChangeRole {
        user: user(0),
        role,
    };
    test.write(&[mutation(0, command)]).pop().unwrap().unwrap();
    VaultRows::from_history(&test)
}

#[test]
fn event_that_demotes_the_last_owner_is_found() {
    let mut rows = vault_with_one_owner();
    let last = rows.events.last_mut().unwrap();
    let (member, actor) = last.payload.split_once("\"actor\"").unwrap();
    last.payload = member.replace("owner", "viewer") + "\"actor\"" + actor;
    let (_, findings) = rows.verify();
    let (seq, user) = (last_seq(&rows), "u0".to_owned());
    let first = &findings.first()[0].contradiction;
    assert_eq!(*first, Contradiction::LastOwner { seq, user });
}

#[test]
fn event_after_the_deletion_is_found() {
    let mut rows = VaultRows::from_history(&history(&[], true));
    let mut late_event = rows.events[0].clone();
    late_event.seq = rows.events.len() as i64 + 1;
    late_event.payload = late_event
        .payload
        .replace("\"seq\":1}", &format!("\"seq\":{}}}", late_event.seq));
    rows.head = Some(late_event.seq);
    rows.events.push(late_event);
    let (_, findings) = rows.verify();
    let seq = last_seq(&rows);
    let found: Vec<_> = findings.first().iter().map(|f| &f.contradiction).collect();
    assert_eq!(found, [&Contradiction::AfterDeletion { seq }]);
}

#[test]
fn row_without_a_remaining_event_must_have_a_trimmed_seq() {
    let mut rows = vault_with_one_owner();
    rows.events.drain(..6);
    let (_, findings) = rows.verify();
    assert_eq!(findings.first(), []);
    rows.sources[0].seq = last_seq(&rows);
    let (_, findings) = rows.verify();
    let message = findings.first()[0].to_string();
    let expected = "has seq 7, expected a seq before 7";
    assert!(message.ends_with(expected), "{message}");
}

fn last_seq(rows: &VaultRows) -> i64 {
    rows.events.last().unwrap().seq
}
