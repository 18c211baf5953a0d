//! Retention: which events are trimmed, and what subscribers receive whose missed events were trimmed.

use std::time::Duration;

use futures_util::future::join_all;
use sea_orm::{ConnectionTrait, Database as DirectDatabase, TransactionTrait};
use vaultcast::{
    domain::{Command, Refusal, Seq, Timestamp, VaultId},
    journal::{Retention, SweepOutcome, SweepStats},
    vault::{Attach, VaultError, VaultHandle, Vaults},
};

use crate::{
    test_node::{SubmitExt, TestNode, create_source, mutation_by, seq_range, wait_until},
    test_sink::{NoticePart, SinkCall, TestSink},
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Opens another node on the same database, which retains `events` events of each vault for a day.
async fn node_retaining(node: &TestNode, events: u64) -> Vaults {
    let retention = Retention { events, age: DAY };
    node.another_node_retaining(retention).await
}

/// Returns the time one second after a number of days from now.
fn days_from_now(days: u32) -> Timestamp {
    let millis = i64::try_from((DAY * days).as_millis()).unwrap();
    Timestamp(Timestamp::now().0 + millis + 1000)
}

/// Creates `count` sources, 500 at a time.
async fn fill(vault: &VaultHandle, count: usize) {
    for batch in seq_range(1, count as u64).chunks(500) {
        let submitted = batch
            .iter()
            .map(|_| vault.submit(mutation_by("ana", create_source("many"))));
        for outcome in join_all(submitted.collect::<Vec<_>>()).await {
            outcome.unwrap();
        }
    }
}

/// Returns the seqs of the events in the journal.
async fn journal_seqs(node: &TestNode, vault: &VaultId) -> Vec<u64> {
    let records = node
        .journal()
        .records_after(vault, Seq::ZERO, 1_000_000)
        .await;
    let records = records.unwrap();
    records.iter().map(|record| record.seq.0).collect()
}

fn join_since(seq: u64) -> Attach {
    let (seq, epoch) = (Seq(seq), None);
    Attach::JoinSince { seq, epoch }
}

#[actix_web::test]
async fn lower_retention_limit_starts_a_sweep_at_once() {
    let node = TestNode::shared().await;
    let vault = node.create_vault().await;
    fill(&vault, 20).await;
    let (events, age) = (5, DAY);
    node.journal().set_retention(Retention { events, age });
    wait_until("the oldest events are trimmed", async || {
        journal_seqs(&node, vault.id()).await == seq_range(16, 20)
    })
    .await;
}

#[actix_web::test]
async fn events_beyond_the_maximum_count_are_trimmed_and_older_subscribers_get_resync() {
    let node = TestNode::shared().await;
    let trimmer = node_retaining(&node, 100).await;
    let (busy, quiet) = (node.create_vault().await, node.create_vault().await);
    fill(&busy, 1200).await;
    fill(&quiet, 100).await;

    let stats = trimmer.journal().sweep(Timestamp::now()).await.unwrap();
    assert_eq!((stats.events, stats.vaults), (1100, 0));
    assert_eq!(journal_seqs(&node, busy.id()).await, seq_range(1101, 1200));
    assert_eq!(journal_seqs(&node, quiet.id()).await, seq_range(1, 100));
    let again = trimmer.journal().sweep(Timestamp::now()).await.unwrap();
    assert_eq!(again, SweepStats::default());

    let mut sink = TestSink::new();
    let busy = trimmer.open(busy.id());
    for (seq, resync, replayed) in [
        (0, true, None),
        (1099, true, None),
        (1100, false, Some(100)),
        (1200, false, Some(0)),
    ] {
        sink.attach(&busy, "ana", join_since(seq));
        let joined = sink.next_joined().await;
        assert_eq!((joined.resync, joined.replayed), (resync, replayed));
        if replayed == Some(100) {
            assert_eq!(sink.next_seqs(32).await, seq_range(1101, 1132));
            assert!(matches!(sink.next_part().await, NoticePart::More));
        }
    }
}

#[actix_web::test]
async fn events_beyond_the_maximum_age_are_trimmed_but_the_newest_is_kept() {
    let node = TestNode::shared().await;
    let trimmer = node_retaining(&node, u64::MAX).await;
    let vault = node.create_vault().await;
    vault.create_sources(5).await;
    let stats = trimmer.journal().sweep(Timestamp::now()).await.unwrap();
    assert_eq!(stats.events, 0);

    // Even if a wrong clock makes a later event old, only the oldest events are trimmed, without a gap.
    node.database
        .execute("UPDATE vault_events SET created_at = 0 WHERE seq IN (1, 2, 4)")
        .await;
    let stats = trimmer.journal().sweep(Timestamp::now()).await.unwrap();
    assert_eq!(stats.events, 2);
    assert_eq!(journal_seqs(&node, vault.id()).await, seq_range(3, 5));

    let stats = trimmer.journal().sweep(days_from_now(1)).await.unwrap();
    assert_eq!(stats.events, 2);
    assert_eq!(journal_seqs(&node, vault.id()).await, [5]);
    let joined = TestSink::new().join(&trimmer.open(vault.id()), "ana").await;
    trimmer.open(vault.id()).leave(joined);
    vault.create_sources(1).await;
    assert_eq!(journal_seqs(&node, vault.id()).await, [5, 6]);
}

#[actix_web::test]
async fn trimmed_events_may_be_replayed_from_memory() {
    let node = TestNode::shared().await;
    let trimmer = node_retaining(&node, 1).await;
    let vault = trimmer.open(node.create_vault().await.id());
    vault.create_sources(5).await;
    trimmer.journal().sweep(Timestamp::now()).await.unwrap();
    let mut sink = TestSink::new();
    sink.attach(&vault, "ana", join_since(0));
    let joined = sink.next_joined().await;
    assert_eq!((joined.resync, joined.replayed), (false, Some(5)));
    assert_eq!(sink.next_seqs(5).await, seq_range(1, 5));
}

#[actix_web::test]
async fn subscriber_whose_next_page_was_trimmed_is_lost_and_gets_resync() {
    let node = TestNode::shared().await;
    let trimmer = node_retaining(&node, 10).await;
    let vault = node.create_vault().await;
    fill(&vault, 200).await;
    // A node without events in memory reads the journal page by page.
    let vault = trimmer.open(vault.id());
    let mut sink = TestSink::new();
    let ana = sink.attach(&vault, "ana", join_since(10));
    assert_eq!(sink.next_joined().await.replayed, Some(190));
    assert_eq!(sink.next_seqs(32).await, seq_range(11, 42));
    assert!(matches!(sink.next_part().await, NoticePart::More));

    trimmer.journal().sweep(Timestamp::now()).await.unwrap();
    sink.resume(&vault, "ana", ana, 42);
    assert!(matches!(sink.next_part().await, NoticePart::Lost));
    sink.attach(&vault, "ana", join_since(42));
    assert!(sink.next_joined().await.resync);
    vault.create_sources(1).await;
    assert_eq!(sink.next_seq().await, 201);
}

#[actix_web::test]
async fn two_nodes_trim_and_write_concurrently() {
    let node = TestNode::shared().await;
    let nodes = [
        node_retaining(&node, 500).await,
        node_retaining(&node, 500).await,
    ];
    let id = node.create_vault().await.id().clone();
    let vaults = nodes.each_ref().map(|other| other.open(&id));
    fill(&vaults[0], 3000).await;
    let mut sink = TestSink::new();
    sink.join(&vaults[0], "ana").await;

    let writers = (0..8).map(|writer| {
        let vault = vaults[writer % 2].clone();
        actix_web::rt::spawn(async move { vault.create_sources(50).await })
    });
    let sweepers = nodes.iter().map(async |other| {
        let mut events = 0;
        for _ in 0..20 {
            let stats = other.journal().sweep(Timestamp::now()).await;
            events += stats.unwrap().events;
        }
        events
    });
    let writers: Vec<_> = writers.collect();
    let trimmed: u64 = join_all(sweepers).await.into_iter().sum();
    for writer in join_all(writers).await {
        writer.unwrap();
    }
    // A join makes the vault read its head, so the sink also receives the last events of the other node.
    TestSink::new().join(&vaults[0], "ana").await;
    assert_eq!(sink.next_seqs(400).await, seq_range(3001, 3400));
    let journal = nodes[1].journal();
    let last = journal.sweep(Timestamp::now()).await.unwrap().events;
    assert_eq!(journal_seqs(&node, &id).await, seq_range(2901, 3400));
    // Each event was trimmed by exactly one node.
    assert_eq!(trimmed + last, 2900);
}

#[actix_web::test]
async fn expired_rows_are_deleted_by_one_node_at_a_time() {
    let node = TestNode::shared().await;
    if !node.database.is_postgres() {
        return;
    }
    let connection = DirectDatabase::connect(&node.database.url).await.unwrap();
    let sweeping = connection.begin().await.unwrap();
    // The first node sweeps at its start.
    let lock = "SELECT pg_advisory_xact_lock(x'76636173'::int, hashtext(current_schema()))";
    sweeping.execute_unprepared(lock).await.unwrap();
    let other = node_retaining(&node, 3).await;
    let vault = node.create_vault().await;
    fill(&vault, 5).await;
    let skipped = other.journal().try_sweep(Timestamp::now()).await;
    assert_eq!(skipped.unwrap(), SweepOutcome::Skipped);
    assert_eq!(journal_seqs(&node, vault.id()).await, seq_range(1, 5));

    sweeping.rollback().await.unwrap();
    let swept = other.journal().try_sweep(Timestamp::now()).await.unwrap();
    let SweepOutcome::Swept(stats) = swept else {
        panic!("no other node is sweeping");
    };
    assert_eq!(stats.events, 2);
    assert_eq!(journal_seqs(&node, vault.id()).await, seq_range(3, 5));
}

#[actix_web::test]
async fn deleted_vault_is_purged_after_the_maximum_age() {
    let node = TestNode::shared().await;
    let trimmer = node_retaining(&node, 10).await;
    let (vault, other) = (node.create_vault().await, node.create_vault().await);
    vault.create_sources(3).await;
    other.create_sources(1).await;
    // The other node is not notified of the deletion.
    let remote = trimmer.open(vault.id());
    let mut sink = TestSink::new();
    let ana = sink.join(&remote, "ana").await;
    vault.submit_ok("ana", Command::Delete).await;

    let stats = trimmer.journal().sweep(Timestamp::now()).await.unwrap();
    assert_eq!(stats, SweepStats::default());
    assert_eq!(journal_seqs(&node, vault.id()).await, seq_range(1, 4));
    let stats = trimmer.journal().sweep(days_from_now(1)).await.unwrap();
    assert_eq!((stats.events, stats.vaults), (4, 1));
    for table in ["vaults", "vault_heads"] {
        let left = format!("SELECT COUNT(*) FROM {table}");
        assert_eq!(node.query_number(&left).await, 1, "{table}");
    }
    assert_eq!(journal_seqs(&node, other.id()).await, [1]);

    let refused = remote.submit_err("ana", create_source("nowhere")).await;
    let is_denied = |error: &_| matches!(error, VaultError::Refused(Refusal::AccessDenied));
    assert!(is_denied(&refused), "{refused}");
    sink.wait_until_behind().await;
    let resume = |sink: &TestSink| sink.resume(&remote, "ana", ana, 3);
    let answer = answer_after_retries(&mut sink, resume).await;
    // The subscriber has not received the deletion, so its socket must not take the subscription as ended.
    assert!(matches!(answer, NoticePart::Lost), "{answer:?}");
    let join = |sink: &TestSink| sink.attach_again(&remote, "ana", ana, Attach::Join);
    let NoticePart::Refused(refused) = answer_after_retries(&mut sink, join).await else {
        panic!("the join was accepted");
    };
    assert!(is_denied(&refused), "{refused}");
}

/// Sends a request and returns the answer. Repeats the request whenever it reached an actor that was about to end.
async fn answer_after_retries(sink: &mut TestSink, send: impl Fn(&TestSink)) -> NoticePart {
    send(sink);
    loop {
        match sink.next_call().await {
            SinkCall::FellBehind(_) => send(sink),
            SinkCall::Delivered(_, answer) => return answer,
            other @ SinkCall::PositionsUnknown(_) => panic!("{other:?}"),
        }
    }
}

#[actix_web::test]
async fn join_of_a_vault_that_another_node_purged_is_refused() {
    let node = TestNode::shared().await;
    let trimmer = node_retaining(&node, 10).await;
    let vault = node.create_vault().await;
    let remote = trimmer.open(vault.id());
    let mut sink = TestSink::new();
    sink.join(&remote, "ana").await;
    vault.submit_ok("ana", Command::Delete).await;
    trimmer.journal().sweep(days_from_now(1)).await.unwrap();
    let new = sink.attach(&remote, "ana", Attach::Join);
    sink.wait_until_behind().await;
    let join = |sink: &TestSink| sink.attach_again(&remote, "ana", new, Attach::Join);
    let answer = answer_after_retries(&mut sink, join).await;
    assert!(matches!(answer, NoticePart::Refused(_)), "{answer:?}");
}
