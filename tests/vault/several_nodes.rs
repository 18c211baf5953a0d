//! Several nodes on one database: no node assumes that it is the only writer, and each vault keeps one order.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use vaultcast::{
    domain::{Command, Refusal, Role, Seq, idempotency::IdempotencyKey, ids::MembershipId},
    journal::NewVault,
    vault::{Attach, VaultError},
};

use crate::{
    common::database::TestDatabase,
    test_node::{
        OPTIONS, SubmitExt, TestNode, add_member, change_role, connect, create_source,
        create_vault, mutation_by, open_vaults, principal, remove_member, seq_range, wait_until,
    },
    test_sink::{NoticePart, TestSink},
};

const WRITERS: usize = 16;
const SOURCES: usize = 10;

#[actix_web::test]
async fn three_nodes_that_start_on_an_empty_database_migrate_it_once() {
    let database = TestDatabase::create().await;
    if !database.is_postgres() {
        return;
    }
    let start = || async {
        connect(&database.url).await.migrate().await.unwrap();
        open_vaults(&database.url, OPTIONS).await
    };
    let nodes = join_all([start(), start(), start()]).await;
    let epochs = nodes.iter().map(|node| node.journal().epoch().to_string());
    assert_eq!(epochs.collect::<BTreeSet<_>>().len(), 1);
    let id = create_vault(&nodes[0]).await;
    for (number, node) in (1..).zip(&nodes) {
        let answer = node.open(&id).submit_ok("ana", create_source("s")).await;
        assert_eq!(answer.seq, Seq(number));
    }
}

#[actix_web::test]
async fn two_nodes_write_one_vault_in_one_order() {
    let node = TestNode::shared().await;
    let here = node.create_vault().await;
    let there = node.another_node().await.open(here.id());
    let mut sinks = [TestSink::new(), TestSink::new()];
    sinks[0].join(&here, "ana").await;
    sinks[1].join(&there, "ana").await;

    let writers = (0..WRITERS).map(|writer| {
        let vault = if writer % 2 == 0 { &here } else { &there }.clone();
        actix_web::rt::spawn(async move { vault.create_sources(SOURCES).await })
    });
    for written in join_all(writers).await {
        written.unwrap();
    }

    let all = WRITERS * SOURCES;
    assert_eq!(node.verified_records(here.id()).await.len(), all);
    // The last event is of the first node; the second node would receive it with its next commit.
    here.create_sources(1).await;
    there.create_sources(1).await;
    here.create_sources(1).await;
    for (sink, count) in sinks.iter_mut().zip([all + 3, all + 2]) {
        assert_eq!(sink.next_seqs(count).await, seq_range(1, count as u64));
    }
}

#[actix_web::test]
async fn two_nodes_write_many_vaults_each_in_one_order() {
    let node = TestNode::shared().await;
    let another = node.another_node().await;
    let mut vaults = Vec::new();
    for _ in 0..WRITERS {
        vaults.push(node.create_vault().await);
    }
    let writers = vaults.iter().flat_map(|vault| {
        [vault.clone(), another.open(vault.id())]
            .map(|vault| actix_web::rt::spawn(async move { vault.create_sources(SOURCES).await }))
    });
    for written in join_all(writers.collect::<Vec<_>>()).await {
        written.unwrap();
    }
    for vault in &vaults {
        assert_eq!(node.verified_records(vault.id()).await.len(), 2 * SOURCES);
    }
}

#[actix_web::test]
async fn member_added_on_another_node_is_admitted() {
    let node = TestNode::shared().await;
    let here = node.create_vault().await;
    let there = node.another_node().await.open(here.id());
    there.create_sources(1).await;
    here.submit_ok("ana", add_member("ben", Role::Contributor))
        .await;
    // The other node does not know ben yet. It must read the journal before it refuses the mutation.
    there.submit_ok("ben", create_source("admitted")).await;
    here.submit_ok("ana", change_role("ben", Role::Viewer))
        .await;
    let refused = there.submit_err("ben", create_source("too late")).await;
    assert!(matches!(
        refused,
        VaultError::Refused(Refusal::InsufficientPermissions)
    ));
    here.submit_ok("ana", remove_member("ben")).await;
    let refused = there.submit_err("ben", create_source("removed")).await;
    assert!(matches!(
        refused,
        VaultError::Refused(Refusal::AccessDenied)
    ));
}

#[actix_web::test]
async fn vault_deleted_on_another_node_refuses_access() {
    let node = TestNode::shared().await;
    let here = node.create_vault().await;
    let there = node.another_node().await.open(here.id());
    let mut sink = TestSink::new();
    sink.join(&there, "ana").await;
    here.submit_ok("ana", Command::Delete).await;
    let refused = there.submit_err("ana", create_source("deleted")).await;
    assert!(matches!(
        refused,
        VaultError::Refused(Refusal::AccessDenied)
    ));
    assert_eq!(sink.next_seq().await, 1);
}

#[actix_web::test]
async fn resume_on_another_node_misses_no_event() {
    let node = TestNode::shared().await;
    let here = node.create_vault().await;
    let there = node.another_node().await.open(here.id());
    let (mut here_sink, mut sink) = (TestSink::new(), TestSink::new());
    sink.join(&there, "ana").await; // loads the vault there with the head 0
    let ana = here_sink.join(&here, "ana").await;
    here.create_sources(3).await;
    assert_eq!(here_sink.next_seqs(2).await, seq_range(1, 2));
    let mut back = TestSink::in_epoch(node.journal().epoch());
    back.resume(&there, "ana", ana, 3);
    assert_eq!(back.next_seq().await, 3); // the last known event is delivered again
    there.create_sources(1).await;
    assert_eq!(back.next_seq().await, 4);
}

#[actix_web::test]
async fn join_sees_the_head_that_another_node_wrote() {
    let node = TestNode::shared().await;
    let here = node.create_vault().await;
    let there = node.another_node().await.open(here.id());
    let (mut sink, mut late) = (TestSink::new(), TestSink::new());
    sink.join(&there, "ana").await;
    here.create_sources(3).await;
    // The client has received the third event from the other node.
    let (seq, epoch) = (Seq(3), None);
    late.attach(&there, "ana", Attach::JoinSince { seq, epoch });
    let joined = late.next_joined().await;
    assert_eq!((joined.seq, joined.resync), (Seq(3), false));
    assert_eq!(joined.replayed, Some(0));
    // The live subscriber receives the missed events.
    assert_eq!(sink.next_seqs(3).await, seq_range(1, 3));

    here.create_sources(1).await;
    late.attach(&there, "ana", Attach::Join);
    assert_eq!(late.next_seq().await, 4);
    assert_eq!(late.next_joined().await.seq, Seq(4));
    // A seq that no journal has is answered with resync.
    let (seq, epoch) = (Seq(5), None);
    late.attach(&there, "ana", Attach::JoinSince { seq, epoch });
    assert!(late.next_joined().await.resync);
}

#[actix_web::test]
async fn join_respects_membership_changes_of_another_node() {
    let node = TestNode::shared().await;
    let here = node.create_vault().await;
    let there = node.another_node().await.open(here.id());
    let (mut ana_sink, mut ben_sink) = (TestSink::new(), TestSink::new());
    ana_sink.join(&there, "ana").await;
    here.submit_ok("ana", add_member("ben", Role::Viewer)).await;
    ben_sink.join(&there, "ben").await;
    here.submit_ok("ana", remove_member("ben")).await;
    ben_sink.attach(&there, "ben", Attach::Join);
    assert_eq!(ben_sink.next_seq().await, 2);
    assert!(matches!(ben_sink.next_part().await, NoticePart::Removed));
    assert!(matches!(ben_sink.next_part().await, NoticePart::Refused(_)));
    assert_eq!(ana_sink.next_seqs(2).await, seq_range(1, 2));
}

#[actix_web::test]
async fn join_of_a_non_member_does_not_wait_for_a_transaction() {
    let node = TestNode::shared().await;
    let here = node.create_vault().await;
    let there = node.another_node().await.open(here.id());
    TestSink::new().join(&here, "ana").await; // loads the vault here with the head 0
    there.create_sources(1).await;
    let lock = node.lock_commits().await;
    let blocked = here.submit(mutation_by("ana", create_source("blocked")));
    let in_flight = async || node.vaults.stats()[0].in_flight == 1;
    wait_until("the transaction is in flight", in_flight).await;

    let mut sink = TestSink::new();
    sink.attach(&here, "zoe", Attach::Join);
    let NoticePart::Refused(error) = sink.next_part().await else {
        panic!("a user who is not a member joined");
    };
    assert!(matches!(error, VaultError::Refused(Refusal::AccessDenied)));
    assert!(in_flight().await, "the join waited for the transaction");
    lock.rollback().await.unwrap();
    blocked.await.unwrap();
}

#[actix_web::test]
async fn join_of_a_member_that_another_node_added_precedes_its_next_mutation() {
    let node = TestNode::shared().await;
    let here = node.create_vault().await;
    let there = node.another_node().await.open(here.id());
    TestSink::new().join(&here, "ana").await; // loads the vault here without ben
    there
        .submit_ok("ana", add_member("ben", Role::Contributor))
        .await;
    let mut sink = TestSink::new();
    sink.attach(&here, "ben", Attach::Join);
    let own = here.submit(mutation_by("ben", create_source("own"))).await;
    let (own, joined) = (own.unwrap().seq.0, sink.next_joined().await.seq.0);
    assert!(joined < own, "joined at {joined}, after the mutation {own}");
    let after_join = usize::try_from(own - joined).unwrap();
    assert_eq!(sink.next_seqs(after_join).await, seq_range(joined + 1, own));
}

#[actix_web::test]
async fn join_while_two_nodes_write_receives_every_later_event_once() {
    let node = TestNode::shared().await;
    let here = node.create_vault().await;
    let there = node.another_node().await.open(here.id());
    let vaults = [&here, &there];
    let writers = (0..WRITERS).map(|writer| {
        let vault = vaults[writer % 2].clone();
        actix_web::rt::spawn(async move { vault.create_sources(SOURCES).await })
    });
    let writers: Vec<_> = writers.collect();
    let mut sinks = Vec::new();
    for n in 0..40 {
        let mut sink = TestSink::new();
        let result = vaults[n % 2]
            .submit(mutation_by("ana", create_source("before")))
            .await;
        sink.attach(vaults[(n + 1) % 2], "ana", Attach::Join);
        let joined = sink.next_joined().await.seq;
        assert!(
            joined >= result.unwrap().seq,
            "the join is behind an event that the client has received"
        );
        sinks.push((sink, joined.0));
    }
    for written in join_all(writers).await {
        written.unwrap();
    }
    let last = (WRITERS * SOURCES + 40) as u64;
    for vault in vaults {
        TestSink::new().join(vault, "ana").await;
    }
    for (mut sink, joined) in sinks {
        let rest = (last - joined) as usize;
        assert_eq!(sink.next_seqs(rest).await, seq_range(joined + 1, last));
    }
}

#[actix_web::test]
async fn one_idempotency_key_used_on_two_nodes_creates_one_vault_and_one_source() {
    let node = TestNode::shared().await;
    let another = node.another_node().await;
    let key = |path: &str| {
        Some(IdempotencyKey {
            path: path.to_owned(),
            key: "k".to_owned(),
            fingerprint: "f".to_owned(),
        })
    };
    let make = || NewVault {
        id: vaultcast::domain::VaultId::generate(),
        membership: MembershipId::generate(),
        name: "Physics".to_owned(),
        by: principal("ana"),
        key: key("/api/vaults"),
    };
    let made = join_all((0..10).map(|n| {
        let vaults = if n % 2 == 0 { &node.vaults } else { &another };
        vaults.create(make())
    }))
    .await;
    let first = made[0].as_ref().unwrap();
    assert!(made.iter().all(|one| one.as_ref().unwrap() == first));
    assert_eq!(node.query_number("SELECT COUNT(*) FROM vaults").await, 1);

    let here = node.create_vault().await;
    let there = another.open(here.id());
    let results = join_all((0..10).map(|n| {
        let mut mutation = mutation_by("ana", create_source("once"));
        mutation.key = key("/sources");
        if n % 2 == 0 { &here } else { &there }.submit(mutation)
    }))
    .await;
    let first = results[0].as_ref().unwrap();
    assert!(results.iter().all(|one| one.as_ref().unwrap() == first));
    assert_eq!(node.verified_records(here.id()).await.len(), 1);
}
