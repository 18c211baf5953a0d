//! Heads that another node has locked or moved: nothing is rolled back for its sake, and no other vault waits for it.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use sea_orm::{ConnectionTrait, Database as DirectDatabase, TransactionTrait};
use vaultcast::{
    domain::{Seq, UserProfile},
    vault::{VaultError, VaultHandle},
};

use crate::{
    test_node::{
        SubmitExt, TestNode, create_source, mutation_by, principal, seq_range, wait_until,
    },
    test_sink::TestSink,
};

/// Enough vaults that each committer has one of them.
const OTHER_VAULTS: usize = 16;

#[actix_web::test]
async fn vault_whose_head_is_locked_delays_no_other_vault() {
    let node = TestNode::shared().await;
    if !node.database.is_postgres() {
        return; // SQLite has one lock for all vaults
    }
    let locked = node.create_vault().await;
    let mut others = Vec::new();
    for _ in 0..OTHER_VAULTS {
        others.push(node.create_vault().await);
    }
    let connection = DirectDatabase::connect(&node.database.url).await.unwrap();
    let lock = connection.begin().await.unwrap();
    let id = locked.id();
    let sql = format!("SELECT 1 FROM vault_heads WHERE vault_id = '{id}' FOR UPDATE");
    lock.execute_unprepared(&sql).await.unwrap();

    let waiting = locked.submit(mutation_by("ana", create_source("waits")));
    let mut waiting = Box::pin(waiting);
    assert!(futures_util::poll!(&mut waiting).is_pending());
    node.wait_for_lock_waiter("SELECT vault_id, head FROM vault_heads")
        .await;
    for written in join_all(others.iter().map(|vault| vault.create_sources(2))).await {
        let () = written;
    }
    assert!(futures_util::poll!(&mut waiting).is_pending());

    lock.rollback().await.unwrap();
    assert_eq!(waiting.await.unwrap().seq, Seq(1));
}

#[actix_web::test]
async fn vault_whose_head_stays_locked_takes_no_time_of_another_contended_vault() {
    let node = TestNode::shared().await;
    if !node.database.is_postgres() {
        return; // SQLite has one lock for all vaults
    }
    let mut vaults = Vec::new();
    for _ in 0..OTHER_VAULTS {
        vaults.push(node.create_vault().await);
    }
    // Another node has stopped while it holds the head of the first vault, and a third one holds the others for a moment.
    let stopped = DirectDatabase::connect(&node.database.url).await.unwrap();
    let stopped = stopped.begin().await.unwrap();
    let lock = |operator: &str| {
        let id = vaults[0].id();
        format!("SELECT 1 FROM vault_heads WHERE vault_id {operator} '{id}' FOR UPDATE")
    };
    stopped.execute_unprepared(&lock("=")).await.unwrap();
    let others = DirectDatabase::connect(&node.database.url).await.unwrap();
    let others = others.begin().await.unwrap();
    others.execute_unprepared(&lock("<>")).await.unwrap();

    let started = Instant::now();
    let submit = |vault: &VaultHandle| vault.submit(mutation_by("ana", create_source("waits")));
    let mut blocked = Box::pin(submit(&vaults[0]));
    assert!(futures_util::poll!(&mut blocked).is_pending());
    let written: Vec<_> = vaults[1..].iter().map(submit).collect();
    let deferred = "SELECT COUNT(*) AS number FROM pg_stat_activity \
         WHERE datname = current_database() AND wait_event_type = 'Lock'";
    wait_until("batches wait", async || {
        node.query_number(deferred).await > 1
    })
    .await;
    others.rollback().await.unwrap();
    for outcome in join_all(written).await {
        outcome.unwrap();
    }
    assert!(started.elapsed() < Duration::from_secs(4));
    assert!(futures_util::poll!(&mut blocked).is_pending());
    stopped.rollback().await.unwrap();
    blocked.await.unwrap();
}

#[actix_web::test]
async fn user_record_that_waits_for_another_node_holds_no_head() {
    let node = TestNode::shared().await;
    if !node.database.is_postgres() {
        return; // SQLite has one lock for all rows
    }
    let mut vaults = Vec::new();
    for _ in 0..OTHER_VAULTS {
        let vault = node.create_vault().await;
        vault.create_sources(1).await;
        vaults.push(vault);
    }
    let connection = DirectDatabase::connect(&node.database.url).await.unwrap();
    let lock = connection.begin().await.unwrap();
    let insert = "INSERT INTO users (id, created_at, updated_at) VALUES ('eve', 0, 0)";
    lock.execute_unprepared(insert).await.unwrap();

    // The committer of user records waits in a transaction, so that it takes later requests from its queue together.
    let commits = node.lock_commits().await;
    let mut created = Box::pin(node.create_vault());
    assert!(futures_util::poll!(&mut created).is_pending());
    node.wait_for_lock_waiter("INSERT INTO vault_heads").await;
    let submit = |vault: &VaultHandle| vault.submit(mutation_by("ana", create_source("joined")));
    let written: Vec<_> = vaults.iter().map(submit).collect();
    let profile = UserProfile {
        principal: principal("eve"),
        issued_at: None,
    };
    let mut record = Box::pin(node.journal().record_user(profile));
    assert!(futures_util::poll!(&mut record).is_pending());
    commits.rollback().await.unwrap();
    created.await;
    node.wait_for_lock_waiter("INSERT INTO users").await;
    // Less than the record waits for its lock.
    node.database
        .execute(
            "BEGIN; SET LOCAL lock_timeout = '3s'; SELECT 1 FROM vault_heads FOR UPDATE; ROLLBACK",
        )
        .await;
    assert!(futures_util::poll!(&mut record).is_pending());
    lock.rollback().await.unwrap();
    record.await.unwrap();
    for outcome in join_all(written).await {
        outcome.unwrap();
    }
}

#[actix_web::test]
async fn faulty_batch_that_waits_delays_no_other_vault() {
    let node = TestNode::shared().await;
    if !node.database.is_postgres() {
        return; // SQLite has one lock for all vaults
    }
    node.database
        .execute(
            "CREATE FUNCTION react() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                 IF NEW.title = 'poison' THEN RAISE EXCEPTION 'poison'; END IF; \
                 PERFORM pg_advisory_xact_lock(1); RETURN NEW; END $$; \
             CREATE TRIGGER react BEFORE INSERT ON sources FOR EACH ROW \
                 WHEN (NEW.title IN ('poison', 'waits')) EXECUTE FUNCTION react()",
        )
        .await;
    let faulty = node.create_vault().await;
    let mut others = Vec::new();
    for _ in 0..OTHER_VAULTS {
        others.push(node.create_vault().await);
    }
    let connection = DirectDatabase::connect(&node.database.url).await.unwrap();
    let lock = connection.begin().await.unwrap();
    lock.execute_unprepared("SELECT pg_advisory_xact_lock(1)")
        .await
        .unwrap();

    // Both mutations are in one batch, which waits for nothing before it fails.
    let commits = node.lock_commits().await;
    let mut first = Box::pin(faulty.submit(mutation_by("ana", create_source("first"))));
    assert!(futures_util::poll!(&mut first).is_pending());
    node.wait_for_lock_waiter("SELECT vault_id, head FROM vault_heads")
        .await;
    let poison = faulty.submit(mutation_by("ana", create_source("poison")));
    let waits = faulty.submit(mutation_by("ana", create_source("waits")));
    commits.rollback().await.unwrap();
    first.await.unwrap();
    node.wait_for_lock_waiter("INSERT INTO sources").await;

    for written in join_all(others.iter().map(|vault| vault.create_sources(2))).await {
        let () = written;
    }
    let mut waits = Box::pin(waits);
    assert!(futures_util::poll!(&mut waits).is_pending());
    lock.rollback().await.unwrap();
    assert!(matches!(poison.await, Err(VaultError::Fault)));
    assert_eq!(waits.await.unwrap().seq, Seq(2));
}

#[actix_web::test]
async fn head_that_stays_locked_is_refused_and_the_vault_recovers() {
    let node = TestNode::shared().await;
    if !node.database.is_postgres() {
        return; // SQLite has one lock for all vaults
    }
    let vault = node.create_vault().await;
    let connection = DirectDatabase::connect(&node.database.url).await.unwrap();
    let lock = connection.begin().await.unwrap();
    lock.execute_unprepared("SELECT 1 FROM vault_heads FOR UPDATE")
        .await
        .unwrap();
    let refused = vault.submit_err("ana", create_source("refused")).await;
    assert!(matches!(refused, VaultError::Unavailable), "{refused}");
    lock.rollback().await.unwrap();
    vault.create_sources(1).await;
    assert_eq!(node.verified_records(vault.id()).await.len(), 1);
}

#[actix_web::test]
async fn subscribers_of_a_vault_that_is_far_behind_miss_nothing() {
    const MISSED: usize = 1100;
    let node = TestNode::shared().await;
    let here = node.create_vault().await;
    let there = node.another_node().await.open(here.id());
    let mut sink = TestSink::new();
    let ana = sink.join(&there, "ana").await;
    let sources = (0..MISSED).map(|n| create_source(&format!("source {n}")));
    let sources: Vec<_> = sources.collect();
    for batch in sources.chunks(200) {
        let written = batch
            .iter()
            .map(|command| here.submit_ok("ana", command.clone()));
        join_all(written).await;
    }
    let answer = there.submit_ok("ana", create_source("last")).await;
    let all = MISSED as u64 + 1;
    assert_eq!(answer.seq, Seq(all));
    let seqs = sink.seqs_across_resumes(&there, ana, 0, MISSED + 1).await;
    assert_eq!(seqs, seq_range(1, all));
    assert_eq!(node.verified_records(here.id()).await.len(), MISSED + 1);
}

#[actix_web::test]
async fn mutations_on_a_vault_that_is_far_behind_are_not_refused() {
    const MISSED: usize = 1100;
    let node = TestNode::shared().await;
    let here = node.create_vault().await;
    let there = node.another_node().await.open(here.id());
    there.create_sources(1).await;
    for _ in 0..MISSED / 100 {
        let written = (0..100).map(|n| here.submit_ok("ana", create_source(&n.to_string())));
        join_all(written).await;
    }
    let written = (0..16).map(|n| there.submit_ok("ana", create_source(&format!("late {n}"))));
    join_all(written).await;
    assert_eq!(node.verified_records(here.id()).await.len(), MISSED + 17);
}
