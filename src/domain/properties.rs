//! What holds of vaults whatever is asked of them: random people ask random things, in random batches.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use proptest::prelude::*;

use super::{
    command::IfMatch,
    draft::Net,
    event::Event,
    idempotency::{Answers, IdempotencyKey},
    ids::MembershipId,
    *,
};

const PEOPLE: usize = 5;
const SOURCES: usize = 6;

pub(crate) fn user(n: usize) -> UserId {
    UserId::new(format!("u{n}")).unwrap()
}

fn source_id(n: usize) -> SourceId {
    SourceId::parse(&format!("csource{n:03}")).unwrap()
}

pub(crate) fn person(n: usize) -> Principal {
    Principal {
        id: user(n),
        name: Some(format!("User {n}")),
        email: None,
    }
}

/// A vault whose one member and owner is user 0.
pub(crate) fn new_vault() -> Vault {
    let owner = Membership {
        role: Role::Owner,
        created_at: Timestamp(0),
    };
    Vault {
        id: VaultId::parse("cvault0001").unwrap(),
        name: "Physics".into(),
        head: Seq::ZERO,
        members: Arc::new(HashMap::from([(user(0), owner)])),
        created_at: Timestamp(0),
        updated_at: Timestamp(0),
    }
}

fn new_source(title: &str) -> NewSource {
    NewSource {
        title: title.to_owned(),
        file_url: "https://files.example/a.pdf".to_owned(),
        file_key: None,
        file_size: Some(7),
        mime_type: "application/pdf".to_owned(),
    }
}

fn role() -> impl Strategy<Value = Role> {
    prop::sample::select(Role::ALL.to_vec())
}

fn command() -> impl Strategy<Value = Command> {
    let if_match = prop_oneof![
        3 => Just(None),
        1 => Just(Some(IfMatch::Any)),
        1 => (0..20_u64).prop_map(|n| Some(IfMatch::OneOf(vec![Seq(n)]))),
    ];
    let title = "[a-c]{1,2}";
    let patch = |title: String| SourcePatch {
        title: Some(title),
        ..SourcePatch::default()
    };
    prop_oneof![
        // An id is given out once, so a source that was there is not created again.
        6 => title.prop_map(|title| Command::CreateSource {
            id: SourceId::generate(),
            source: new_source(&title),
        }),
        4 => (0..SOURCES, title, if_match.clone()).prop_map(move |(n, title, if_match)| {
            Command::UpdateSource { id: source_id(n), patch: patch(title), if_match }
        }),
        2 => (0..SOURCES, if_match).prop_map(|(n, if_match)| Command::DeleteSource {
            id: source_id(n),
            if_match,
        }),
        6 => (0..PEOPLE, role()).prop_map(|(n, role)| Command::AddMember {
            id: MembershipId::generate(),
            user: UserRef::Id(user(n)),
            role,
        }),
        6 => (0..PEOPLE, role()).prop_map(|(n, role)| Command::ChangeRole { user: user(n), role }),
        3 => (0..PEOPLE).prop_map(|n| Command::RemoveMember { user: user(n) }),
        1 => title.prop_map(|name| Command::Rename { name }),
    ]
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let key = prop::option::weighted(0.2, (0..3_u8, 0..2_u8)).prop_map(|key| {
        key.map(|(key, body)| IdempotencyKey {
            path: "/sources".to_owned(),
            key: key.to_string(),
            fingerprint: body.to_string(),
        })
    });
    (0..PEOPLE, command(), key).prop_map(|(by, command, key)| Mutation {
        by: person(by),
        command,
        key,
    })
}

/// Batches of mutations, one after the other.
pub(crate) fn batches() -> impl Strategy<Value = Vec<Vec<Mutation>>> {
    let batch = prop::collection::vec(mutation(), 1..12);
    prop::collection::vec(batch, 1..12)
}

/// A vault beside its rows, as the database would have them.
pub(crate) struct World {
    pub vault: Vault,
    pub events: Vec<Event>,
    pub sources: BTreeMap<SourceId, Source>,
    answers: Answers,
    clock: i64,
}

impl World {
    /// A new vault with a few sources that random commands can name.
    pub(crate) fn new() -> Self {
        let mut world = Self {
            vault: new_vault(),
            events: Vec::new(),
            sources: BTreeMap::new(),
            answers: Answers::default(),
            clock: 0,
        };
        let create = |n| Mutation {
            by: person(0),
            command: Command::CreateSource {
                id: source_id(n),
                source: new_source("first"),
            },
            key: None,
        };
        world.take(&(0..SOURCES).map(create).collect::<Vec<_>>());
        world
    }

    /// Decides a batch, checks what must hold of each step and of the whole, and writes it.
    pub(crate) fn take(&mut self, batch: &[Mutation]) -> Vec<Result<Answer, Refusal>> {
        let named = Named {
            sources: self.sources.clone().into_iter().collect(),
            users: HashMap::new(),
        };
        let before = self.vault.clone();
        let first = self.events.len();
        let mut draft = Draft::new(before.clone(), named);
        let mut results = Vec::new();
        for mutation in batch {
            self.clock += 1;
            let taken = draft.take(mutation, &mut self.answers, Timestamp(self.clock));
            results.push(taken.map(|outcome| match outcome {
                Outcome::Repeated(answer) => answer,
                Outcome::Done { event, answer } => {
                    assert_eq!(event.seq, answer.seq);
                    self.events.push(*event);
                    answer
                }
            }));
        }
        let (after, net) = draft.finish();
        self.check_replay(&before, &after, first);
        self.write(&before, &after, net);
        self.vault = after;
        results
    }

    /// The events have the places after the head, without gaps, and lead from one state to the other.
    fn check_replay(&self, before: &Vault, after: &Vault, first: usize) {
        let mut replayed = before.clone();
        for event in &self.events[first..] {
            assert_eq!(event.seq, replayed.head.next());
            replayed.apply(event.seq, &event.effect());
        }
        assert_eq!(&replayed, after);
    }

    /// Writes the net as rows, as strictly as a database would, and compares with what the vault says.
    fn write(&mut self, before: &Vault, after: &Vault, net: Net) {
        for (id, source) in net.sources_created {
            assert!(self.sources.insert(id, source).is_none());
        }
        for (id, source) in net.sources_changed {
            let row = match source {
                Some(source) => self.sources.insert(id, source),
                None => self.sources.remove(&id),
            };
            assert!(row.is_some(), "a row to change is there");
        }
        let mut members = before.members.as_ref().clone();
        for (id, (_, membership)) in net.members_added {
            assert!(members.insert(id, membership).is_none());
        }
        for (id, membership) in net.members_changed {
            let row = match membership {
                Some(membership) => members.insert(id, membership),
                None => members.remove(&id),
            };
            assert!(row.is_some(), "a row to change is there");
        }
        if net.deleted {
            members.clear();
        }
        assert_eq!(&members, after.members.as_ref());
        assert_eq!(net.renamed, before.updated_at != after.updated_at);
        for source in self.sources.values() {
            let last = self.events.iter().rev().find(|event| match &event.change {
                Change::SourceCreated(of) | Change::SourceUpdated(of) => of.id == source.id,
                _ => false,
            });
            assert_eq!(last.map(|event| event.seq), Some(source.seq));
        }
    }
}

fn owners(vault: &Vault) -> usize {
    let owner = |member: &&Membership| member.role == Role::Owner;
    vault.members.values().filter(owner).count()
}

proptest! {
    #[test]
    fn whatever_is_asked_the_order_has_no_gaps_and_an_owner_stays(batches in batches()) {
        let mut world = World::new();
        for batch in &batches {
            world.take(batch);
            prop_assert!(owners(&world.vault) >= 1);
        }
        let seqs: Vec<_> = world.events.iter().map(|event| event.seq.0).collect();
        let expected: Vec<_> = (1..=seqs.len() as u64).collect();
        prop_assert_eq!(seqs, expected);
        prop_assert_eq!(world.vault.head.0, world.events.len() as u64);
    }

    #[test]
    fn a_batch_comes_to_what_its_mutations_come_to_alone(batch in prop::collection::vec(mutation(), 1..30)) {
        let (mut together, mut alone) = (World::new(), World::new());
        let results = together.take(&batch);
        let one_by_one: Vec<_> = batch
            .iter()
            .flat_map(|one| alone.take(std::slice::from_ref(one)))
            .collect();
        prop_assert_eq!(results, one_by_one);
        prop_assert_eq!(together.vault, alone.vault);
        prop_assert_eq!(together.sources, alone.sources);
        prop_assert_eq!(together.events, alone.events);
    }

    #[test]
    fn what_is_refused_changes_nothing(batches in batches()) {
        let mut world = World::new();
        for mutation in batches.iter().flatten() {
            let (vault, sources) = (world.vault.clone(), world.sources.clone());
            let results = world.take(std::slice::from_ref(mutation));
            if results[0].is_err() {
                prop_assert_eq!(&world.vault, &vault);
                prop_assert_eq!(&world.sources, &sources);
            }
        }
    }
}

fn asks(by: usize, command: Command) -> Mutation {
    Mutation {
        by: person(by),
        command,
        key: None,
    }
}

fn add(n: usize, role: Role) -> Command {
    Command::AddMember {
        id: MembershipId::generate(),
        user: UserRef::Id(user(n)),
        role,
    }
}

fn change(n: usize, role: Role) -> Command {
    Command::ChangeRole {
        user: user(n),
        role,
    }
}

fn create() -> Command {
    Command::CreateSource {
        id: SourceId::generate(),
        source: new_source("notes"),
    }
}

#[test]
fn two_owners_who_demote_each_other_in_one_batch_leave_one_owner() {
    let mut world = World::new();
    world.take(&[asks(0, add(1, Role::Owner))]);
    let results = world.take(&[
        asks(0, change(1, Role::Viewer)),
        asks(1, change(0, Role::Viewer)),
    ]);
    assert!(results[0].is_ok());
    assert_eq!(results[1], Err(Refusal::InsufficientPermissions));
    assert_eq!(owners(&world.vault), 1);
}

#[test]
fn who_is_demoted_first_does_not_post_second() {
    let mut world = World::new();
    world.take(&[asks(0, add(1, Role::Contributor))]);
    let results = world.take(&[asks(0, change(1, Role::Viewer)), asks(1, create())]);
    assert_eq!(results[1], Err(Refusal::InsufficientPermissions));
}

#[test]
fn the_last_owner_neither_leaves_nor_steps_down() {
    let mut world = World::new();
    let remove = Command::RemoveMember { user: user(0) };
    let results = world.take(&[asks(0, remove), asks(0, change(0, Role::Viewer))]);
    assert_eq!(
        results,
        [Err(Refusal::LastOwner), Err(Refusal::LastOwner)].to_vec()
    );
}

#[test]
fn of_equal_keys_in_one_batch_the_later_gets_the_answer_of_the_first() {
    let mut world = World::new();
    let keyed = |fingerprint: &str| Mutation {
        key: Some(IdempotencyKey {
            path: "/sources".to_owned(),
            key: "k".to_owned(),
            fingerprint: fingerprint.to_owned(),
        }),
        ..asks(0, create())
    };
    let events = world.events.len();
    let results = world.take(&[keyed("a"), keyed("a"), keyed("b")]);
    assert_eq!(results[0], results[1]);
    assert_eq!(results[2], Err(Refusal::IdempotencyMismatch));
    assert_eq!(world.events.len(), events + 1);
}

#[test]
fn a_remembered_answer_is_not_given_to_who_may_not_have_it_today() {
    let mut world = World::new();
    let keyed = Mutation {
        key: Some(IdempotencyKey {
            path: "/sources".to_owned(),
            key: "k".to_owned(),
            fingerprint: "a".to_owned(),
        }),
        ..asks(1, create())
    };
    world.take(&[asks(0, add(1, Role::Contributor)), keyed.clone()]);
    let results = world.take(&[asks(0, change(1, Role::Viewer)), keyed]);
    assert_eq!(results[1], Err(Refusal::InsufficientPermissions));
}

#[test]
fn who_comes_back_in_the_batch_that_removed_him_is_a_member_anew() {
    let mut world = World::new();
    world.take(&[asks(0, add(1, Role::Viewer))]);
    let remove = Command::RemoveMember { user: user(1) };
    world.take(&[asks(0, remove), asks(0, add(1, Role::Contributor))]);
    assert_eq!(world.vault.members[&user(1)].role, Role::Contributor);
}

#[test]
fn nobody_is_a_member_of_a_deleted_vault() {
    let mut world = World::new();
    let results = world.take(&[asks(0, Command::Delete), asks(0, create())]);
    assert!(results[0].is_ok());
    assert_eq!(results[1], Err(Refusal::AccessDenied));
}

#[test]
fn a_new_role_leaves_the_day_of_joining_alone() {
    let mut world = World::new();
    world.take(&[asks(0, add(1, Role::Viewer))]);
    let joined = world.vault.members[&user(1)].created_at;
    world.take(&[asks(0, change(1, Role::Owner))]);
    assert_eq!(world.vault.members[&user(1)].created_at, joined);
}
