//! Failures of the database: each is reported correctly, affects no other mutation, and ends when its cause ends.
//! `lost_connections.rs` has the failures of the connection.

use std::time::Instant;

use futures_util::future::join_all;
use vaultcast::{
    domain::{Command, Seq, SourceId, SourcePatch},
    vault::VaultError,
};

use crate::{
    test_node::{MAX_WAIT, SubmitExt, TestNode, create_source, mutation_by, seq_range},
    test_sink::TestSink,
};

#[actix_web::test]
async fn locked_database_is_unavailable_in_bounded_time_and_recovers() {
    let node = TestNode::new().await;
    let vault = node.create_vault().await;
    let lock = node.lock_commits().await;
    let started = Instant::now();
    let results: Vec<_> = (0..600)
        .map(|_| vault.submit(mutation_by("ana", create_source("locked"))))
        .collect();
    for outcome in join_all(results).await {
        assert!(
            matches!(outcome, Err(VaultError::Unavailable)),
            "{outcome:?}"
        );
    }
    assert!(started.elapsed() < MAX_WAIT, "{:?}", started.elapsed());
    lock.rollback().await.unwrap();
    vault.create_sources(3).await;
    assert_eq!(node.verified_records(vault.id()).await.len(), 3);
}

#[actix_web::test]
async fn read_only_database_is_unavailable_and_recovers() {
    let node = TestNode::shared().await;
    if !node.database.is_postgres() {
        return; // an open SQLite file stays writable
    }
    let vault = node.create_vault().await;
    vault.create_sources(1).await;
    node.database.set_read_only(true).await;
    let refused = vault.submit_err("ana", create_source("read-only")).await;
    assert!(matches!(refused, VaultError::Unavailable), "{refused}");
    node.database.set_read_only(false).await;
    vault.create_sources(2).await;
    assert_eq!(node.verified_records(vault.id()).await.len(), 3);
}

/// Makes the database refuse to write a source with the title "poison".
async fn reject_poison_rows(node: &TestNode) {
    node.database
        .execute(if node.database.is_postgres() {
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
                 $$ BEGIN RAISE EXCEPTION 'poison'; END $$; \
             CREATE TRIGGER poison BEFORE INSERT ON sources FOR EACH ROW \
                 WHEN (NEW.title = 'poison') EXECUTE FUNCTION refuse()"
        } else {
            // SQLite rolls back the whole transaction by itself, as it does when the disk is full.
            "CREATE TRIGGER poison BEFORE INSERT ON sources WHEN NEW.title = 'poison' \
                 BEGIN SELECT RAISE(ROLLBACK, 'poison'); END"
        })
        .await;
}

/// Makes the database refuse to commit a source with the title "poison".
async fn reject_poison_commits(node: &TestNode) {
    node.database
        .execute(if node.database.is_postgres() {
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
                 $$ BEGIN RAISE EXCEPTION 'poison'; END $$; \
             CREATE CONSTRAINT TRIGGER poison AFTER INSERT ON sources \
                 DEFERRABLE INITIALLY DEFERRED FOR EACH ROW \
                 WHEN (NEW.title = 'poison') EXECUTE FUNCTION refuse()"
        } else {
            "CREATE TABLE elsewhere (id TEXT PRIMARY KEY); \
             CREATE TABLE trap (id TEXT REFERENCES elsewhere(id) DEFERRABLE INITIALLY DEFERRED); \
             CREATE TRIGGER poison AFTER INSERT ON sources WHEN NEW.title = 'poison' \
                 BEGIN INSERT INTO trap VALUES (NEW.id); END"
        })
        .await;
}

/// Asserts that, of many mutations of two vaults in the same transactions, only the poisoned ones fail, and that later
/// mutations are committed.
async fn assert_only_poisoned_mutations_fail(node: TestNode) {
    let vaults = [node.create_vault().await, node.create_vault().await];
    let mut sink = TestSink::new();
    sink.join(&vaults[0], "ana").await;
    let lock = node.lock_commits().await;
    let mut results = Vec::new();
    for vault in &vaults {
        for n in 0..12 {
            let title = if n == 5 { "poison" } else { "good" };
            results.push((
                title,
                vault.submit(mutation_by("ana", create_source(title))),
            ));
        }
    }
    lock.rollback().await.unwrap();
    for (title, outcome) in results {
        match outcome.await {
            Ok(_) => assert_eq!(title, "good"),
            Err(error) => {
                assert_eq!(title, "poison");
                assert!(matches!(error, VaultError::Fault), "{error}");
            }
        }
    }
    for vault in &vaults {
        vault.create_sources(2).await;
    }
    // Another node sees the events: they are committed, and not in a transaction that never ends.
    let another = node.another_node().await;
    for vault in &vaults {
        let records = another
            .journal()
            .records_after(vault.id(), Seq::ZERO, 100)
            .await
            .unwrap();
        assert_eq!(records.len(), 13);
        assert_eq!(node.verified_records(vault.id()).await.len(), 13);
    }
    assert_eq!(node.query_number("SELECT COUNT(*) FROM sources").await, 26);
    assert_eq!(sink.next_seqs(13).await, seq_range(1, 13));
}

#[actix_web::test]
async fn mutation_that_cannot_be_written_fails_alone() {
    let node = TestNode::new().await;
    reject_poison_rows(&node).await;
    assert_only_poisoned_mutations_fail(node).await;
}

#[actix_web::test]
async fn mutation_that_cannot_be_committed_fails_alone() {
    let node = TestNode::new().await;
    reject_poison_commits(&node).await;
    assert_only_poisoned_mutations_fail(node).await;
}

#[actix_web::test]
async fn mutation_that_panics_in_the_committer_fails_alone() {
    let node = TestNode::new().await;
    let vault = node.create_vault().await;
    let id = SourceId::generate();
    let command = match create_source("corrupt") {
        Command::CreateSource { source, .. } => Command::CreateSource {
            id: id.clone(),
            source,
        },
        _ => unreachable!("create_source creates a source"),
    };
    vault.submit_ok("ana", command).await;
    node.database.execute("UPDATE sources SET seq = -1").await;
    let update = Command::UpdateSource {
        id,
        patch: SourcePatch::default(),
        if_match: None,
    };
    for _ in 0..3 {
        let (bad, good) = (
            vault.submit(mutation_by("ana", update.clone())),
            vault.submit(mutation_by("ana", create_source("good"))),
        );
        assert!(matches!(bad.await, Err(VaultError::Fault)));
        good.await.unwrap();
    }
    node.database
        .execute("UPDATE sources SET seq = 1 WHERE seq = -1")
        .await;
    assert_eq!(node.verified_records(vault.id()).await.len(), 4);
}

#[actix_web::test]
async fn events_of_another_node_are_delivered_when_a_batch_is_retried_one_by_one() {
    let node = TestNode::shared().await;
    reject_poison_rows(&node).await;
    let here = node.create_vault().await;
    let there = node.another_node().await.open(here.id());
    let mut sink = TestSink::new();
    sink.join(&there, "ana").await;
    here.create_sources(4).await;
    let (bad, good) = (
        there.submit(mutation_by("ana", create_source("poison"))),
        there.submit(mutation_by("ana", create_source("good"))),
    );
    assert!(matches!(bad.await, Err(VaultError::Fault)));
    assert_eq!(good.await.unwrap().seq, Seq(5));
    assert_eq!(sink.next_seqs(5).await, seq_range(1, 5));
}
