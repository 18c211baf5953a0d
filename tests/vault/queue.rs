//! The queue of a vault: slots travel with the mutations, and a commit does not depend on its caller.

use futures_util::future::join_all;
use vaultcast::vault::{VaultError, VaultOptions};

use crate::{
    test_node::{OPTIONS, SubmitExt, TestNode, create_source, mutation_by, seq_range, wait_until},
    test_sink::TestSink,
};

#[actix_web::test]
async fn full_queue_is_busy_and_a_dropped_request_frees_no_slot() {
    let node = TestNode::with_options(VaultOptions {
        mailbox: 4,
        ..OPTIONS
    })
    .await;
    let vault = node.create_vault().await;
    let lock = node.lock_commits().await;

    let mut waiting: Vec<_> = (0..4)
        .map(|_| vault.submit(mutation_by("ana", create_source("waits"))))
        .collect();
    assert!(matches!(
        vault.submit_err("ana", create_source("too many")).await,
        VaultError::Busy
    ));
    drop(waiting.pop());
    assert!(matches!(
        vault
            .submit_err("ana", create_source("still too many"))
            .await,
        VaultError::Busy
    ));

    lock.rollback().await.unwrap();
    for outcome in join_all(waiting).await {
        outcome.unwrap();
    }
    // The mutation of the dropped request is committed, too.
    assert_eq!(node.verified_records(vault.id()).await.len(), 4);
    vault.create_sources(1).await;
}

#[actix_web::test]
async fn mutations_that_arrive_during_a_transaction_are_committed_together() {
    let node = TestNode::new().await;
    let vault = node.create_vault().await;
    let lock = node.lock_commits().await;
    let first = vault.submit(mutation_by("ana", create_source("alone")));
    wait_until("the first is in flight", async || {
        node.journal().ping().await.is_ok()
    })
    .await;
    let rest: Vec<_> = (0..20)
        .map(|_| vault.submit(mutation_by("ana", create_source("together"))))
        .collect();
    lock.rollback().await.unwrap();

    first.await.unwrap();
    for outcome in join_all(rest).await {
        outcome.unwrap();
    }
    // All events of one transaction have the same time.
    let sql = "SELECT COUNT(DISTINCT created_at) FROM vault_events";
    assert!(node.query_number(sql).await <= 2);
}

#[actix_web::test]
async fn events_are_not_delivered_before_the_commit() {
    let node = TestNode::new().await;
    let vault = node.create_vault().await;
    let mut sink = TestSink::new();
    sink.join(&vault, "ana").await;
    let lock = node.lock_commits().await;
    let results: Vec<_> = (0..3)
        .map(|_| vault.submit(mutation_by("ana", create_source("waits"))))
        .collect();
    // A join is answered while a transaction is in flight, with the head before it.
    sink.join(&vault, "ana").await;
    assert!(sink.is_empty());
    lock.rollback().await.unwrap();
    for outcome in join_all(results).await {
        outcome.unwrap();
    }
    assert_eq!(sink.next_seqs(3).await, seq_range(1, 3));
}

#[actix_web::test]
async fn draining_vault_answers_queued_mutations_and_refuses_new_ones() {
    let node = TestNode::new().await;
    let vault = node.create_vault().await;
    let results: Vec<_> = (0..50)
        .map(|_| vault.submit(mutation_by("ana", create_source("queued"))))
        .collect();
    node.vaults.drain().await;
    assert_eq!(node.verified_records(vault.id()).await.len(), 50);
    for outcome in join_all(results).await {
        outcome.unwrap();
    }
    assert!(matches!(
        vault.submit_err("ana", create_source("late")).await,
        VaultError::Unavailable
    ));
}

#[actix_web::test]
async fn slot_is_free_when_the_answer_arrives() {
    let mailbox = 1;
    let node = TestNode::with_options(VaultOptions { mailbox, ..OPTIONS }).await;
    let vault = node.create_vault().await;
    // Each mutation is submitted as soon as the previous one is answered, and finds the only slot free.
    vault.create_sources(1000).await;
    assert_eq!(node.verified_records(vault.id()).await.len(), 1000);
}

#[actix_web::test]
async fn queue_capacity_changes_while_mutations_wait() {
    let options = |mailbox| VaultOptions { mailbox, ..OPTIONS };
    let node = TestNode::with_options(options(2)).await;
    let vault = node.create_vault().await;
    let lock = node.lock_commits().await;
    let mut waiting: Vec<_> = (0..2)
        .map(|_| vault.submit(mutation_by("ana", create_source("waits"))))
        .collect();
    let assert_full = async || {
        let refused = vault.submit_err("ana", create_source("too many")).await;
        assert!(matches!(refused, VaultError::Busy));
    };
    assert_full().await;

    node.vaults.reconfigure(options(3));
    assert_eq!(node.vaults.queue_capacity(), 3);
    waiting.push(vault.submit(mutation_by("ana", create_source("waits, too"))));
    assert_full().await;

    // Waiting mutations keep their slots.
    node.vaults.reconfigure(options(1));
    assert_full().await;
    lock.rollback().await.unwrap();
    for outcome in join_all(waiting).await {
        outcome.unwrap();
    }
    vault.create_sources(1).await;
    assert_eq!(node.verified_records(vault.id()).await.len(), 4);
}

#[actix_web::test]
async fn new_batch_size_applies_to_waiting_mutations() {
    let node = TestNode::new().await;
    let vault = node.create_vault().await;
    vault.create_sources(1).await;
    let lock = node.lock_commits().await;
    let waiting: Vec<_> = (0..20)
        .map(|_| vault.submit(mutation_by("ana", create_source("alone"))))
        .collect();
    node.vaults.reconfigure(VaultOptions {
        commit_batch: 1,
        ..OPTIONS
    });
    lock.rollback().await.unwrap();
    for outcome in join_all(waiting).await {
        outcome.unwrap();
    }
    // All events of one transaction have the same time. In one batch the twenty would have at most two times, and the
    // first source has another.
    let sql = "SELECT COUNT(DISTINCT created_at) FROM vault_events";
    assert!(node.query_number(sql).await > 3);
}
