//! The order of a vault: seqs without gaps, delivered to every subscriber in the same order, and answers that name them.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use vaultcast::{
    domain::{EventKind, Refusal, Resource, Role},
    vault::VaultError,
};

use crate::{
    test_node::{
        SubmitExt, TestNode, add_member, change_role, create_source, create_vault, mutation_by,
        seq_range, user_id,
    },
    test_sink::TestSink,
};

const WRITERS: usize = 64;

#[actix_web::test]
async fn sixty_four_writers_of_one_vault_produce_one_order_for_all_subscribers() {
    let node = TestNode::new().await;
    let vault = node.create_vault().await;
    let mut sinks = [TestSink::new(), TestSink::new()];
    for sink in &mut sinks {
        sink.join(&vault, "ana").await;
    }

    let writers = (0..WRITERS).map(|writer| {
        let vault = vault.clone();
        actix_web::rt::spawn(async move {
            let mut answers = Vec::new();
            for n in 0..10 {
                answers.push(
                    vault
                        .submit_ok("ana", create_source(&format!("{writer}.{n}")))
                        .await,
                );
            }
            answers
        })
    });
    let answers: Vec<_> = join_all(writers)
        .await
        .into_iter()
        .flat_map(Result::unwrap)
        .collect();

    let all = WRITERS * 10;
    for sink in &mut sinks {
        assert_eq!(sink.next_seqs(all).await, seq_range(1, all as u64));
    }
    let records = node.verified_records(vault.id()).await;
    assert_eq!(records.len(), all);
    // The event with the seq of an answer contains the source of that answer.
    let mut by_seq = BTreeMap::new();
    for answer in &answers {
        let Resource::Source(source) = &answer.resource else {
            panic!("{answer:?}");
        };
        assert!(
            records[answer.seq.0 as usize - 1]
                .payload
                .contains(source.id.as_str())
        );
        assert!(by_seq.insert(answer.seq, source.id.clone()).is_none());
    }
    assert_eq!(by_seq.len(), all);
}

#[actix_web::test]
async fn sixty_four_vaults_keep_independent_orders() {
    let node = TestNode::new().await;
    let mut sink = TestSink::new();
    let mut vaults = Vec::new();
    for _ in 0..WRITERS {
        let vault = node.vaults.open(&create_vault(&node.vaults).await);
        sink.join(&vault, "ana").await;
        vaults.push(vault);
    }

    let writers = vaults
        .iter()
        .cloned()
        .map(|vault| actix_web::rt::spawn(async move { vault.create_sources(10).await }));
    for written in join_all(writers).await {
        written.unwrap();
    }

    let seqs = sink.seqs_by_vault(WRITERS * 10).await;
    for vault in &vaults {
        assert_eq!(seqs[vault.id()], seq_range(1, 10));
        assert_eq!(node.verified_records(vault.id()).await.len(), 10);
    }
}

#[actix_web::test]
async fn demoted_member_has_no_event_after_the_demotion() {
    let node = TestNode::new().await;
    let vault = node.create_vault().await;
    vault
        .submit_ok("ana", add_member("ben", Role::Contributor))
        .await;

    // Everything is submitted before the first commit; the demotion is in the middle.
    let before: Vec<_> = (0..20)
        .map(|_| vault.submit(mutation_by("ben", create_source("early"))))
        .collect();
    let demotion = vault.submit(mutation_by("ana", change_role("ben", Role::Viewer)));
    let after: Vec<_> = (0..20)
        .map(|_| vault.submit(mutation_by("ben", create_source("late"))))
        .collect();

    for outcome in join_all(before).await {
        outcome.unwrap();
    }
    assert_eq!(demotion.await.unwrap().seq.0, 22);
    for outcome in join_all(after).await {
        let error = outcome.unwrap_err();
        assert!(
            matches!(error, VaultError::Refused(Refusal::InsufficientPermissions)),
            "{error}"
        );
    }
    assert_eq!(node.verified_records(vault.id()).await.len(), 22);
}

#[actix_web::test]
async fn two_owners_that_demote_each_other_concurrently_leave_one_owner() {
    let node = TestNode::new().await;
    let vault = node.create_vault().await;
    vault.submit_ok("ana", add_member("ben", Role::Owner)).await;
    let (one, other) = (
        vault.submit(mutation_by("ana", change_role("ben", Role::Viewer))),
        vault.submit(mutation_by("ben", change_role("ana", Role::Viewer))),
    );
    assert!(one.await.is_ok());
    assert!(other.await.is_err());
    let members = node
        .journal()
        .load(vault.id())
        .await
        .unwrap()
        .unwrap()
        .members;
    assert_eq!(members.get(&user_id("ana")).unwrap().role, Role::Owner);
    assert_eq!(members.get(&user_id("ben")).unwrap().role, Role::Viewer);
}

#[actix_web::test]
async fn role_change_keeps_the_creation_time_of_a_membership() {
    let node = TestNode::new().await;
    let vault = node.create_vault().await;
    vault
        .submit_ok("ana", add_member("ben", Role::Viewer))
        .await;
    let joined = || async {
        let members = node
            .journal()
            .load(vault.id())
            .await
            .unwrap()
            .unwrap()
            .members;
        members.get(&user_id("ben")).unwrap().created_at
    };
    let before = joined().await;
    vault
        .submit_ok("ana", change_role("ben", Role::Owner))
        .await;
    vault
        .submit_ok("ana", change_role("ben", Role::Viewer))
        .await;
    assert_eq!(joined().await, before);
    let kinds: Vec<_> = node
        .verified_records(vault.id())
        .await
        .iter()
        .map(|r| r.kind)
        .collect();
    assert_eq!(
        kinds,
        [
            EventKind::MemberAdded,
            EventKind::MemberUpdated,
            EventKind::MemberUpdated
        ]
    );
}
