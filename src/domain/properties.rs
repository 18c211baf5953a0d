//! Property tests of the rules: random users send random mutations in random batches.

use proptest::prelude::*;

use super::{
    idempotency::IdempotencyKey,
    ids::MembershipId,
    test_vault::{TestVault, batches, mutation, new_source, principal, user},
    *,
};

fn owners(vault: &Vault) -> usize {
    let roles = vault.members.iter().map(|(_, member)| member.role);
    roles.filter(|role| *role == Role::Owner).count()
}

proptest! {
    #[test]
    fn event_numbers_have_no_gaps_and_an_owner_remains(batches in batches()) {
        let mut test = TestVault::new();
        for batch in &batches {
            test.write(batch);
            prop_assert!(owners(&test.vault) >= 1);
        }
        let seqs: Vec<_> = test.events.iter().map(|event| event.seq.0).collect();
        let expected: Vec<_> = (1..=seqs.len() as u64).collect();
        prop_assert_eq!(seqs, expected);
        prop_assert_eq!(test.vault.head.0, test.events.len() as u64);
    }

    #[test]
    fn batch_has_the_same_result_as_its_mutations_one_by_one(batch in prop::collection::vec(mutation(), 1..30)) {
        let (mut together, mut alone) = (TestVault::new(), TestVault::new());
        let results = together.write(&batch);
        let one_by_one: Vec<_> = batch
            .iter()
            .flat_map(|one| alone.write(std::slice::from_ref(one)))
            .collect();
        prop_assert_eq!(results, one_by_one);
        prop_assert_eq!(together.vault, alone.vault);
        prop_assert_eq!(together.sources, alone.sources);
        prop_assert_eq!(together.events, alone.events);
    }

    #[test]
    fn refused_mutation_changes_nothing(batches in batches()) {
        let mut test = TestVault::new();
        for mutation in batches.iter().flatten() {
            let (vault, sources) = (test.vault.clone(), test.sources.clone());
            let results = test.write(std::slice::from_ref(mutation));
            if results[0].is_err() {
                prop_assert_eq!(&test.vault, &vault);
                prop_assert_eq!(&test.sources, &sources);
            }
        }
    }
}

fn mutation_by(by: usize, command: Command) -> Mutation {
    Mutation {
        by: principal(by),
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

fn change_role(n: usize, role: Role) -> Command {
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
fn two_owners_demoting_each_other_in_one_batch_leave_one_owner() {
    let mut test = TestVault::new();
    test.write(&[mutation_by(0, add(1, Role::Owner))]);
    let results = test.write(&[
        mutation_by(0, change_role(1, Role::Viewer)),
        mutation_by(1, change_role(0, Role::Viewer)),
    ]);
    assert!(results[0].is_ok());
    assert_eq!(results[1], Err(Refusal::InsufficientPermissions));
    assert_eq!(owners(&test.vault), 1);
}

#[test]
fn member_demoted_earlier_in_the_batch_cannot_post() {
    let mut test = TestVault::new();
    test.write(&[mutation_by(0, add(1, Role::Contributor))]);
    let results = test.write(&[
        mutation_by(0, change_role(1, Role::Viewer)),
        mutation_by(1, create()),
    ]);
    assert_eq!(results[1], Err(Refusal::InsufficientPermissions));
}

#[test]
fn last_owner_cannot_leave_or_be_demoted() {
    let mut test = TestVault::new();
    let remove = Command::RemoveMember { user: user(0) };
    let results = test.write(&[
        mutation_by(0, remove),
        mutation_by(0, change_role(0, Role::Viewer)),
    ]);
    assert_eq!(
        results,
        [Err(Refusal::LastOwner), Err(Refusal::LastOwner)].to_vec()
    );
}

#[test]
fn second_use_of_a_key_in_one_batch_gets_the_first_answer() {
    let mut test = TestVault::new();
    let keyed = |fingerprint: &str| Mutation {
        key: Some(IdempotencyKey {
            path: "/sources".to_owned(),
            key: "k".to_owned(),
            fingerprint: fingerprint.to_owned(),
        }),
        ..mutation_by(0, create())
    };
    let events = test.events.len();
    let results = test.write(&[keyed("a"), keyed("a"), keyed("b")]);
    assert_eq!(results[0], results[1]);
    assert_eq!(results[2], Err(Refusal::IdempotencyMismatch));
    assert_eq!(test.events.len(), events + 1);
}

#[test]
fn demoted_member_does_not_get_a_remembered_answer() {
    let mut test = TestVault::new();
    let keyed = Mutation {
        key: Some(IdempotencyKey {
            path: "/sources".to_owned(),
            key: "k".to_owned(),
            fingerprint: "a".to_owned(),
        }),
        ..mutation_by(1, create())
    };
    test.write(&[mutation_by(0, add(1, Role::Contributor)), keyed.clone()]);
    let results = test.write(&[mutation_by(0, change_role(1, Role::Viewer)), keyed]);
    assert_eq!(results[1], Err(Refusal::InsufficientPermissions));
}

#[test]
fn member_removed_and_added_in_one_batch_has_a_new_membership() {
    let mut test = TestVault::new();
    test.write(&[mutation_by(0, add(1, Role::Viewer))]);
    let remove = Command::RemoveMember { user: user(1) };
    test.write(&[
        mutation_by(0, remove),
        mutation_by(0, add(1, Role::Contributor)),
    ]);
    let added = test.vault.members.get(&user(1)).unwrap();
    assert_eq!(added.role, Role::Contributor);
}

#[test]
fn deleted_vault_has_no_members() {
    let mut test = TestVault::new();
    let results = test.write(&[mutation_by(0, Command::Delete), mutation_by(0, create())]);
    assert!(results[0].is_ok());
    assert_eq!(results[1], Err(Refusal::AccessDenied));
}

#[test]
fn role_change_keeps_the_time_of_joining() {
    let mut test = TestVault::new();
    test.write(&[mutation_by(0, add(1, Role::Viewer))]);
    let created_at = |test: &TestVault| test.vault.members.get(&user(1)).unwrap().created_at;
    let joined = created_at(&test);
    test.write(&[mutation_by(0, change_role(1, Role::Owner))]);
    assert_eq!(created_at(&test), joined);
}
