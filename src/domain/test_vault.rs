//! A vault with its rows in memory, and generators of random mutations, for property tests.
//!
//! [`TestVault`] checks after each batch that events, rows and state agree.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use proptest::{prelude::*, strategy::ValueTree};

use super::{
    command::IfMatch,
    idempotency::{IdempotencyKey, RememberedAnswers},
    ids::MembershipId,
    *,
};

const USERS: usize = 5;
const SOURCES: usize = 6;

/// Returns the id of a user.
pub(crate) fn user(n: usize) -> UserId {
    UserId::new(format!("u{n}")).unwrap()
}

fn source_id(n: usize) -> SourceId {
    SourceId::parse(&format!("csource{n:03}")).unwrap()
}

/// Returns a user as a session describes it.
pub(crate) fn principal(n: usize) -> Principal {
    Principal {
        id: user(n),
        name: Some(format!("User {n}")),
        email: None,
    }
}

/// Returns a vault whose only member is user 0, its owner.
pub(crate) fn new_vault() -> Vault {
    let owner = Membership {
        role: Role::Owner,
        created_at: Timestamp(0),
    };
    Vault {
        id: VaultId::parse("cvault0001").unwrap(),
        name: "Physics".into(),
        head: Seq::ZERO,
        members: Arc::new(Members::from_iter([(user(0), owner)])),
        created_at: Timestamp(0),
        updated_at: Timestamp(0),
    }
}

pub(crate) fn new_source(title: &str) -> NewSource {
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
        // Ids are never reused, so a source cannot be created twice.
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
        6 => (0..USERS, role()).prop_map(|(n, role)| Command::AddMember {
            id: MembershipId::generate(),
            user: UserRef::Id(user(n)),
            role,
        }),
        6 => (0..USERS, role()).prop_map(|(n, role)| Command::ChangeRole { user: user(n), role }),
        3 => (0..USERS).prop_map(|n| Command::RemoveMember { user: user(n) }),
        1 => title.prop_map(|name| Command::Rename { name }),
    ]
}

/// Every kind of event but one can be caused by a generated command. `VaultDeleted` ends a vault, so tests delete vaults where
/// they need it.
#[test]
fn generated_commands_cause_every_kind_of_event() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut kinds: HashSet<_> = (0..1_000)
        .map(|_| {
            command()
                .new_tree(&mut runner)
                .unwrap()
                .current()
                .event_kind()
        })
        .collect();
    kinds.insert(EventKind::VaultDeleted);
    assert_eq!(kinds, HashSet::from(EventKind::ALL));
}

pub(crate) fn mutation() -> impl Strategy<Value = Mutation> {
    let key = prop::option::weighted(0.2, (0..3_u8, 0..2_u8)).prop_map(|key| {
        key.map(|(key, body)| IdempotencyKey {
            path: "/sources".to_owned(),
            key: key.to_string(),
            fingerprint: body.to_string(),
        })
    });
    (0..USERS, command(), key).prop_map(|(by, command, key)| Mutation {
        by: principal(by),
        command,
        key,
    })
}

/// Generates a sequence of batches of mutations.
pub(crate) fn batches() -> impl Strategy<Value = Vec<Vec<Mutation>>> {
    let batch = prop::collection::vec(mutation(), 1..12);
    prop::collection::vec(batch, 1..12)
}

/// A vault together with its events and rows, as the database would have them.
pub(crate) struct TestVault {
    pub vault: Vault,
    pub events: Vec<Event>,
    pub sources: BTreeMap<SourceId, Source>,
    answers: RememberedAnswers,
    clock: i64,
}

impl TestVault {
    /// Creates a vault with a few sources that random commands can name.
    pub(crate) fn new() -> Self {
        let mut test = Self {
            vault: new_vault(),
            events: Vec::new(),
            sources: BTreeMap::new(),
            answers: RememberedAnswers::default(),
            clock: 0,
        };
        let create = |n| Mutation {
            by: principal(0),
            command: Command::CreateSource {
                id: source_id(n),
                source: new_source("first"),
            },
            key: None,
        };
        test.write(&(0..SOURCES).map(create).collect::<Vec<_>>());
        test
    }

    /// Decides a batch, checks the invariants and writes the events and rows.
    pub(crate) fn write(&mut self, batch: &[Mutation]) -> Vec<Result<MutationAnswer, Refusal>> {
        let context = BatchContext {
            sources: self.sources.clone().into_iter().collect(),
            users: HashMap::new(),
        };
        let before = self.vault.clone();
        let first = self.events.len();
        let mut draft = BatchDraft::new(before.clone(), context);
        let mut results = Vec::new();
        for mutation in batch {
            self.clock += 1;
            let decision = draft.decide(mutation, &mut self.answers, Timestamp(self.clock));
            results.push(decision.map(|decision| match decision {
                Decision::Repeated(answer) => answer,
                Decision::Accepted { event, answer } => {
                    assert_eq!(event.seq, answer.seq);
                    self.events.push(*event);
                    answer
                }
            }));
        }
        let (after, rows) = draft.finish();
        self.check_replay(&before, &after, first);
        self.write_rows(&before, &after, rows);
        self.vault = after;
        results
    }

    /// Checks that the new events follow the head without gaps and lead from one state to the other.
    fn check_replay(&self, before: &Vault, after: &Vault, first: usize) {
        let mut replayed = before.clone();
        for event in &self.events[first..] {
            assert_eq!(event.seq, replayed.head.next());
            replayed.apply(event.seq, &event.state_change());
        }
        assert_eq!(&replayed, after);
    }

    /// Writes the rows as strictly as a database does, and compares them with the vault.
    fn write_rows(&mut self, before: &Vault, after: &Vault, rows: RowChanges) {
        for (id, source) in rows.sources_created {
            assert!(self.sources.insert(id, source).is_none());
        }
        for (id, source) in rows.sources_changed {
            let row = match source {
                Some(source) => self.sources.insert(id, source),
                None => self.sources.remove(&id),
            };
            assert!(row.is_some(), "a changed row exists");
        }
        let mut members = before.members.as_ref().clone();
        for (id, new) in rows.members_added {
            assert!(!members.contains(&id));
            members.insert(&id, new.membership);
        }
        for (id, membership) in rows.members_changed {
            assert!(members.contains(&id), "a changed row exists");
            match membership {
                Some(membership) => members.insert(&id, membership),
                None => members.remove(&id),
            }
        }
        if rows.deleted {
            members = Members::default();
        }
        assert_eq!(&members, after.members.as_ref());
        assert_eq!(rows.renamed, before.updated_at != after.updated_at);
        for source in self.sources.values() {
            let last = self.events.iter().rev().find(|event| match &event.data {
                EventData::SourceCreated(changed) | EventData::SourceUpdated(changed) => {
                    changed.id == source.id
                }
                EventData::SourceDeleted(_)
                | EventData::MemberAdded(_)
                | EventData::MemberUpdated(_)
                | EventData::MemberRemoved(_)
                | EventData::VaultUpdated(_)
                | EventData::VaultDeleted => false,
            });
            assert_eq!(last.map(|event| event.seq), Some(source.seq));
        }
    }
}
