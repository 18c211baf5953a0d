//! Lost connections to PostgreSQL: no outcome is guessed, and no caller waits longer than the service does. SQLite has no
//! connection to lose.

use std::sync::atomic::Ordering;

use futures_util::future::join_all;
use tokio::time::timeout;
use vaultcast::{
    domain::{Seq, VaultId},
    vault::VaultError,
};

use crate::{
    commit_proxy::ProxiedVault,
    test_node::{
        MAX_WAIT, SubmitExt, create_source, create_vault, mutation_by, seq_range, wait_until,
    },
    test_sink::TestSink,
};

#[actix_web::test]
async fn commit_whose_answer_is_lost_is_looked_up_and_answered_correctly() {
    let Some(ProxiedVault {
        node,
        proxy,
        vaults,
        vault,
    }) = ProxiedVault::start().await
    else {
        return;
    };
    let mut sink = TestSink::new();
    sink.join(&vault, "ana").await;
    for n in 1..=5 {
        proxy.cut_commit.store(true, Ordering::Release);
        let answer = vault
            .submit(mutation_by("ana", create_source("lost?")))
            .await
            .unwrap();
        assert_eq!(answer.seq, Seq(n));
        assert!(!proxy.cut_commit.load(Ordering::Acquire));
    }
    assert_eq!(sink.next_seqs(5).await, seq_range(1, 5));
    assert_eq!(node.verified_records(vault.id()).await.len(), 5);

    // The outcome of creating a vault is looked up, too.
    proxy.cut_commit.store(true, Ordering::Release);
    let id: VaultId = create_vault(&vaults).await;
    assert!(vaults.journal().load(&id).await.unwrap().is_some());
}

#[actix_web::test]
async fn unknown_commit_is_reported_and_resolved_before_the_next_mutation() {
    let Some(ProxiedVault { proxy, vault, .. }) = ProxiedVault::start().await else {
        return;
    };
    let mut sink = TestSink::new();
    sink.join(&vault, "ana").await;
    proxy.cut_commit.store(true, Ordering::Release);
    proxy.is_closed.store(true, Ordering::Release);
    let outcome = vault
        .submit(mutation_by("ana", create_source("lost")))
        .await;
    assert!(matches!(outcome, Err(VaultError::Unknown)), "{outcome:?}");
    let next = vault.submit(mutation_by("ana", create_source("next")));
    proxy.is_closed.store(false, Ordering::Release);
    // The lost mutation was committed: its event is delivered, and the next mutation follows it.
    assert_eq!(next.await.unwrap().seq, Seq(2));
    assert_eq!(sink.next_seqs(2).await, seq_range(1, 2));
}

#[actix_web::test]
async fn connection_that_is_lost_before_the_commit_leaves_no_unknown_outcome() {
    let Some(ProxiedVault {
        node, proxy, vault, ..
    }) = ProxiedVault::start().await
    else {
        return;
    };
    proxy.cut_insert.store(true, Ordering::Release);
    let refused = vault.submit_err("ana", create_source("lost")).await;
    assert!(matches!(refused, VaultError::Unavailable), "{refused}");
    assert!(!proxy.cut_insert.load(Ordering::Acquire));
    vault.create_sources(1).await;
    assert_eq!(node.verified_records(vault.id()).await.len(), 1);
}

#[actix_web::test]
async fn lost_commit_with_a_trimmed_event_is_reported_as_unknown() {
    let Some(ProxiedVault {
        node, proxy, vault, ..
    }) = ProxiedVault::start().await
    else {
        return;
    };
    vault.create_sources(1).await;
    proxy.cut_commit.store(true, Ordering::Release);
    proxy.is_closed.store(true, Ordering::Release);
    let lost = vault.submit(mutation_by("ana", create_source("lost")));
    wait_until("the mutation is committed", async || {
        node.query_number("SELECT MAX(head) FROM vault_heads").await == 2
    })
    .await;
    // As another node with a short retention would do.
    node.database.execute("DELETE FROM vault_events").await;
    proxy.is_closed.store(false, Ordering::Release);
    let outcome = lost.await;
    assert!(matches!(outcome, Err(VaultError::Unknown)), "{outcome:?}");
    wait_until("the vault has read its head again", async || {
        let result = vault
            .submit(mutation_by("ana", create_source("next")))
            .await;
        result.is_ok_and(|answer| answer.seq == Seq(3))
    })
    .await;
}

#[actix_web::test]
async fn database_server_is_used_again_after_an_outage() {
    let Some(ProxiedVault {
        node, proxy, vault, ..
    }) = ProxiedVault::start().await
    else {
        return;
    };
    vault.create_sources(1).await;
    proxy.is_closed.store(true, Ordering::Release);
    node.database.disconnect_all().await;
    let away = vault.submit_err("ana", create_source("away")).await;
    assert!(matches!(away, VaultError::Unavailable), "{away}");
    proxy.is_closed.store(false, Ordering::Release);
    wait_until("the database is available again", async || {
        vault
            .submit(mutation_by("ana", create_source("back")))
            .await
            .is_ok()
    })
    .await;
    assert_eq!(node.verified_records(vault.id()).await.len(), 2);
}

#[actix_web::test]
async fn unknown_commit_in_a_continuing_outage_delays_neither_callers_nor_a_shutdown() {
    let Some(ProxiedVault {
        node,
        proxy,
        vaults,
        vault,
    }) = ProxiedVault::start().await
    else {
        return;
    };
    let mut sink = TestSink::new();
    sink.join(&vault, "ana").await;
    proxy.cut_commit.store(true, Ordering::Release);
    proxy.is_closed.store(true, Ordering::Release);
    let lost = vault.submit(mutation_by("ana", create_source("lost")));
    wait_until("the mutation is committed", async || {
        node.query_number("SELECT MAX(head) FROM vault_heads").await == 1
    })
    .await;
    node.database.disconnect_all().await;
    // These wait behind the lost mutation.
    let waiting = (0..10).map(|_| vault.submit(mutation_by("ana", create_source("waiting"))));
    let waiting: Vec<_> = waiting.collect();
    let outcome = lost.await;
    assert!(matches!(outcome, Err(VaultError::Unknown)), "{outcome:?}");
    for outcome in timeout(MAX_WAIT, join_all(waiting)).await.unwrap() {
        assert!(
            matches!(outcome, Err(VaultError::Unavailable)),
            "{outcome:?}"
        );
    }
    // The outcome of the lost mutation is still unknown.
    for _ in 0..2 {
        let late = vault.submit(mutation_by("ana", create_source("late")));
        let outcome = timeout(MAX_WAIT, late).await.unwrap();
        assert!(
            matches!(outcome, Err(VaultError::Unavailable)),
            "{outcome:?}"
        );
    }
    let last = vault.submit(mutation_by("ana", create_source("last")));
    timeout(MAX_WAIT, vaults.drain()).await.unwrap();
    assert!(matches!(last.await, Err(VaultError::Unavailable)));
    proxy.is_closed.store(false, Ordering::Release);
    assert_eq!(sink.next_seq().await, 1);
    assert_eq!(node.verified_records(vault.id()).await.len(), 1);
}
