//! The life of a vault's actor: it is unloaded when the vault is idle, started by the next request, and replaced after a
//! panic.

use std::time::Duration;

use futures_util::future::join_all;
use vaultcast::{
    domain::{Role, Seq, VaultId},
    vault::{Attach, VaultError, VaultOptions},
};

use crate::{
    test_node::{
        OPTIONS, SubmitExt, TestNode, add_member, create_source, mutation_by, remove_member,
        seq_range, wait_until,
    },
    test_sink::{NoticePart, SinkCall, TestSink},
};

const SHORT_IDLE: VaultOptions = VaultOptions {
    idle: Duration::from_millis(1),
    ..OPTIONS
};

#[actix_web::test]
async fn idle_vault_is_unloaded_and_loaded_again() {
    let node = TestNode::with_options(SHORT_IDLE).await;
    let vault = node.create_vault().await;
    vault.create_sources(3).await;
    wait_until("the vault is unloaded", async || {
        node.vaults.totals().vaults == 0
    })
    .await;
    vault.create_sources(1).await;
    assert_eq!(node.verified_records(vault.id()).await.len(), 4);
}

#[actix_web::test]
async fn shorter_idle_time_applies_to_a_vault_that_is_idle_already() {
    let node = TestNode::new().await;
    let vault = node.create_vault().await;
    vault.create_sources(1).await;
    assert_eq!(node.vaults.totals().vaults, 1);
    node.vaults.reconfigure(SHORT_IDLE);
    wait_until("the vault is unloaded", async || {
        node.vaults.totals().vaults == 0
    })
    .await;
    vault.create_sources(1).await;
    assert_eq!(node.verified_records(vault.id()).await.len(), 2);
}

#[actix_web::test]
async fn vault_is_unloaded_although_a_sink_ended_while_it_was_behind() {
    let node = TestNode::with_options(SHORT_IDLE).await;
    let vault = node.create_vault().await;
    let mut sink = TestSink::with_capacity(1);
    sink.join(&vault, "ana").await;
    vault.create_sources(1).await;
    sink.wait_until_behind().await;
    drop(sink);
    wait_until("the vault is unloaded", async || {
        node.vaults.totals().vaults == 0
    })
    .await;
}

#[actix_web::test]
async fn vault_with_a_subscriber_is_not_idle() {
    let node = TestNode::with_options(SHORT_IDLE).await;
    let vault = node.create_vault().await;
    let (mut sink, mut other) = (TestSink::new(), TestSink::new());
    let ana = sink.join(&vault, "ana").await;
    // Another vault is loaded and unloaded in between.
    let second = node.create_vault().await;
    second.create_sources(1).await;
    wait_until("the other vault is unloaded", async || {
        node.vaults.totals().vaults == 1
    })
    .await;
    vault.create_sources(1).await;
    assert_eq!(sink.next_seq().await, 1);
    vault.leave(ana);
    wait_until("the vault without a subscriber is unloaded", async || {
        node.vaults.totals().vaults == 0
    })
    .await;
    other.join(&vault, "ana").await;
}

#[actix_web::test]
async fn requests_during_an_unload_are_not_lost() {
    let node = TestNode::with_options(SHORT_IDLE).await;
    let vault = node.create_vault().await;
    let writers = (0..8).map(|writer| {
        let vault = vault.clone();
        actix_web::rt::spawn(async move {
            for n in 0..40_u64 {
                let mut sink = TestSink::new();
                // Some of the pauses are about as long as the idle time.
                tokio::time::sleep(Duration::from_micros(700 + 131 * ((n + writer) % 7))).await;
                vault.create_sources(1).await;
                let ana = sink.join(&vault, "ana").await;
                vault.leave(ana);
            }
        })
    });
    for written in join_all(writers).await {
        written.unwrap();
    }
    assert_eq!(node.verified_records(vault.id()).await.len(), 8 * 40);
}

#[actix_web::test]
async fn unknown_vault_leaves_no_actor_behind() {
    let node = TestNode::new().await;
    let unknown = node.vaults.open(&VaultId::generate());
    assert!(matches!(
        unknown.submit_err("ana", create_source("x")).await,
        VaultError::Refused(_)
    ));
    let mut sink = TestSink::new();
    sink.attach(&unknown, "ana", Attach::Join);
    assert!(matches!(
        sink.next_part().await,
        NoticePart::Refused(VaultError::Refused(_))
    ));
    wait_until("the vault is unloaded", async || {
        node.vaults.totals().vaults == 0
    })
    .await;
}

#[actix_web::test]
async fn vault_is_loaded_again_after_a_panic_and_subscribers_miss_no_event() {
    let node = TestNode::new().await;
    let vault = node.create_vault().await;
    let (mut sink, mut panicking) = (TestSink::new(), TestSink::new());
    let ana = sink.join(&vault, "ana").await;
    panicking.join(&vault, "ana").await;
    vault.create_sources(2).await;
    assert_eq!(sink.next_seqs(2).await, seq_range(1, 2));

    panicking.panic_after(0);
    // The mutation is committed before the sink panics in the actor, so its answer is correct.
    let answer = vault
        .submit(mutation_by("ana", create_source("before the panic")))
        .await
        .unwrap();
    assert_eq!(answer.seq, Seq(3));
    sink.wait_until_behind().await;
    sink.resume(&vault, "ana", ana, 2);
    assert_eq!(sink.seqs_across_resumes(&vault, ana, 2, 1).await, [3]);
    vault.create_sources(2).await;
    assert_eq!(
        sink.seqs_across_resumes(&vault, ana, 3, 2).await,
        seq_range(4, 5)
    );
}

#[actix_web::test]
async fn removed_member_is_notified_although_the_actor_panics_before_its_last_notice() {
    let node = TestNode::new().await;
    let vault = node.create_vault().await;
    vault
        .submit_ok("ana", add_member("ben", Role::Viewer))
        .await;
    // The sinks of a vault receive their notices in the order of their ids.
    let (mut panicking, mut sink) = (TestSink::new(), TestSink::new());
    panicking.join(&vault, "ana").await;
    let ben = sink.join(&vault, "ben").await;
    panicking.panic_after(0);
    let answer = vault.submit_ok("ana", remove_member("ben")).await;
    assert_eq!(answer.seq, Seq(2));
    sink.wait_until_behind().await;
    sink.resume(&vault, "ben", ben, 1);
    let part = loop {
        match sink.next_call().await {
            // The request may reach the actor that ends.
            SinkCall::FellBehind(_) => sink.resume(&vault, "ben", ben, 1),
            SinkCall::Delivered(_, NoticePart::Event(record)) if record.seq < answer.seq => {}
            SinkCall::Delivered(_, part) => break part,
            other @ SinkCall::PositionsUnknown(_) => panic!("{other:?}"),
        }
    };
    assert!(matches!(part, NoticePart::Event(record) if record.seq == answer.seq));
    assert!(matches!(sink.next_part().await, NoticePart::Removed));
}

#[actix_web::test]
async fn successor_of_a_panicked_actor_waits_for_its_transaction() {
    let node = TestNode::new().await;
    let vault = node.create_vault().await;
    let (mut sink, panicking) = (TestSink::new(), TestSink::new());
    let ana = sink.join(&vault, "ana").await;
    let lock = node.lock_commits().await;
    let in_flight = vault.submit(mutation_by("ana", create_source("in flight")));
    // This one waits in the queue of the actor that panics, and is not executed.
    let waiting = vault.submit(mutation_by("ana", create_source("waiting")));
    panicking.panic_after(0);
    panicking.attach(&vault, "ana", Attach::Join);
    sink.wait_until_behind().await;
    assert!(matches!(waiting.await, Err(VaultError::Unavailable)));

    // The mutation in flight is answered when its transaction ends, not when its actor ends.
    sink.resume(&vault, "ana", ana, 0);
    lock.rollback().await.unwrap();
    assert_eq!(in_flight.await.unwrap().seq, Seq(1));
    vault.create_sources(1).await;
    // A request that reached the panicking actor makes the sink fall behind once more.
    assert_eq!(
        sink.seqs_across_resumes(&vault, ana, 0, 2).await,
        seq_range(1, 2)
    );
}

#[actix_web::test]
async fn sink_of_a_join_at_a_panicked_actor_is_notified_and_joins_again() {
    let node = TestNode::new().await;
    let vault = node.create_vault().await;
    let (mut sink, panicking) = (TestSink::new(), TestSink::new());
    panicking.panic_after(0);
    panicking.attach(&vault, "ana", Attach::Join);
    let ana = sink.attach(&vault, "ana", Attach::Join);
    sink.wait_until_behind().await;
    wait_until("the join is answered", async || {
        sink.attach_again(&vault, "ana", ana, Attach::Join);
        vault
            .submit(mutation_by("ana", create_source("anything")))
            .await
            .is_ok()
    })
    .await;
    loop {
        match sink.next_call().await {
            SinkCall::FellBehind(_) | SinkCall::PositionsUnknown(_) => {}
            SinkCall::Delivered(_, part) => {
                assert!(matches!(part, NoticePart::Joined(_)));
                return;
            }
        }
    }
}

#[actix_web::test]
async fn vaults_without_subscribers_are_unloaded_when_memory_is_needed() {
    let node = TestNode::with_options(VaultOptions {
        memory: 0,
        ..OPTIONS
    })
    .await;
    let (watched, unused) = (node.create_vault().await, node.create_vault().await);
    let mut sink = TestSink::new();
    sink.join(&watched, "ana").await;
    unused.create_sources(2).await;
    wait_until("the unused vault is unloaded", async || {
        node.vaults.totals().vaults == 1
    })
    .await;
    let answer = unused.submit_ok("ana", create_source("third")).await;
    assert_eq!(answer.seq, Seq(3));
    watched.create_sources(1).await;
    assert_eq!(sink.next_seq().await, 1);
}
