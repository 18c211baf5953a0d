//! Whatever people did is proven, from wherever it was trimmed; and no part of it can be taken away or altered without
//! being found.

use entity::{event, member, source, vault};
use proptest::{prelude::*, sample::Index};

use super::*;
use crate::verify::{Reach, Summary};
use crate::{
    domain::{
        Change as Fact, Command, Event, Mutation, UserId,
        properties::{World, batches, person, user},
    },
    journal::Record,
};

/// A vault's rows.
#[derive(Clone)]
struct Rows {
    vault: vault::Model,
    head: Option<i64>,
    events: Vec<event::Model>,
    sources: Vec<source::Model>,
    members: Vec<member::Model>,
}

impl Rows {
    /// As the journal would have written them.
    fn of(world: &World) -> Self {
        let vault = &world.vault;
        let id = vault.id.to_string();
        let row = |event: &Event| {
            let record = Record::of(event);
            event::Model {
                vault_id: id.clone(),
                seq: record.seq.to_row(),
                kind: record.kind.as_str().to_owned(),
                payload: record.payload.to_string(),
                created_at: event.at.0,
            }
        };
        let deleted = |event: &&Event| event.change == Fact::VaultDeleted;
        let deleted = world.events.last().filter(deleted);
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
        let member = |(user, is): (&UserId, &crate::domain::Membership)| member::Model {
            vault_id: id.clone(),
            user_id: user.to_string(),
            id: format!("m{user}"),
            role: is.role.to_string(),
            created_at: is.created_at.0,
            updated_at: touched(world, user).unwrap_or(is.created_at.0),
        };
        Self {
            vault: vault::Model {
                id: id.clone(),
                name: vault.name.to_string(),
                created_name: "Physics".to_owned(),
                created_by: user(0).to_string(),
                created_at: 0,
                updated_at: vault.updated_at.0,
                deleted_at: deleted.map(|event| event.at.0),
            },
            head: Some(vault.head.to_row()),
            events: world.events.iter().map(row).collect(),
            sources: match deleted {
                Some(_) => Vec::new(),
                None => world.sources.values().map(source).collect(),
            },
            members: vault.members.iter().map(member).collect(),
        }
    }

    fn proven(&self) -> (Summary, Findings) {
        let mut findings = Findings::default();
        let mut proof = Proof::new(&self.vault, self.head, &mut findings);
        self.events.iter().for_each(|event| proof.event(event));
        self.sources.iter().for_each(|source| proof.source(source));
        self.members.iter().for_each(|member| proof.member(member));
        (proof.finish(), findings)
    }
}

/// When the journal last spoke of a member.
fn touched(world: &World, user: &UserId) -> Option<i64> {
    let about = |event: &&Event| match &event.change {
        Fact::MemberAdded(member) | Fact::MemberUpdated(member) => member.user.id == *user,
        _ => false,
    };
    world
        .events
        .iter()
        .rev()
        .find(about)
        .map(|event| event.at.0)
}

fn lived(batches: &[Vec<Mutation>], deleted: bool) -> World {
    let mut world = World::new();
    for batch in batches {
        world.take(batch);
    }
    if deleted {
        let is_owner = |n: &usize| world.vault.admit(&user(*n), Action::Manage).is_ok();
        let by = person((0..).find(is_owner).unwrap());
        let command = Command::Delete;
        let key = None;
        world.take(&[Mutation { by, command, key }]);
    }
    world
}

proptest! {
    #[test]
    fn whatever_was_done_is_proven_from_wherever_it_was_trimmed(
        batches in batches(), deleted in any::<bool>(), cut in any::<Index>()
    ) {
        let mut rows = Rows::of(&lived(&batches, deleted));
        let (summary, findings) = rows.proven();
        prop_assert_eq!(findings.first(), []);
        prop_assert_eq!(summary.reach, Reach::Whole);

        let cut = cut.index(rows.events.len());
        rows.events.drain(..cut);
        let (summary, findings) = rows.proven();
        prop_assert_eq!(findings.first(), []);
        let from = i64::try_from(cut).unwrap() + 1;
        let expected = if cut == 0 { Reach::Whole } else { Reach::From(from) };
        prop_assert_eq!(summary.reach, expected);
    }

    #[test]
    fn nothing_but_the_oldest_can_be_taken_away_unseen(
        batches in batches(), one in any::<Index>(), from in 0..4_u8
    ) {
        let mut rows = Rows::of(&lived(&batches, false));
        match from {
            0 => drop(rows.events.remove(1 + one.index(rows.events.len() - 1))),
            1 if !rows.sources.is_empty() => drop(rows.sources.remove(one.index(rows.sources.len()))),
            2 => rows.head = rows.head.map(|head| head - 1),
            _ => drop(rows.members.remove(one.index(rows.members.len()))),
        }
        let (summary, findings) = rows.proven();
        prop_assert!(findings.count() > 0);
        prop_assert_eq!(summary.reach, Reach::Contradicted(findings.count()));
    }
}

fn asks(by: usize, command: Command) -> Mutation {
    Mutation {
        by: person(by),
        command,
        key: None,
    }
}

/// A vault in which user 0 changed his own role to what it was.
fn with_an_owner_alone() -> Rows {
    let mut world = World::new();
    let role = Role::Owner;
    let command = Command::ChangeRole {
        user: user(0),
        role,
    };
    world.take(&[asks(0, command)]).pop().unwrap().unwrap();
    Rows::of(&world)
}

#[test]
fn the_last_owner_does_not_go() {
    let mut rows = with_an_owner_alone();
    let last = rows.events.last_mut().unwrap();
    let (member, actor) = last.payload.split_once("\"actor\"").unwrap();
    last.payload = member.replace("owner", "viewer") + "\"actor\"" + actor;
    let (_, findings) = rows.proven();
    let (seq, user) = (last_seq(&rows), "u0".to_owned());
    let first = &findings.first()[0].contradiction;
    assert_eq!(*first, Contradiction::LastOwner { seq, user });
}

#[test]
fn nothing_happens_to_a_deleted_vault() {
    let mut rows = Rows::of(&lived(&[], true));
    let mut again = rows.events[0].clone();
    again.seq = rows.events.len() as i64 + 1;
    again.payload = again
        .payload
        .replace("\"seq\":1}", &format!("\"seq\":{}}}", again.seq));
    rows.head = Some(again.seq);
    rows.events.push(again);
    let (_, findings) = rows.proven();
    let seq = last_seq(&rows);
    let told: Vec<_> = findings.first().iter().map(|f| &f.contradiction).collect();
    assert_eq!(told, [&Contradiction::AfterTheEnd { seq }]);
}

#[test]
fn a_row_that_was_not_touched_since_the_trimming_says_so() {
    let mut rows = with_an_owner_alone();
    let kept = rows.events.split_off(6);
    rows.events = kept;
    let (_, findings) = rows.proven();
    assert_eq!(findings.first(), []);
    rows.sources[0].seq = last_seq(&rows);
    let (_, findings) = rows.proven();
    let told = findings.first()[0].to_string();
    let expected = "has seq 7, expected a place before event 7";
    assert!(told.ends_with(expected), "{told}");
}

fn last_seq(rows: &Rows) -> i64 {
    rows.events.last().unwrap().seq
}
