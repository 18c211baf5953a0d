//! What a subscriber receives: every event after its position, in order, each once; and nothing after its end.

use actix_web::rt::task::JoinHandle;
use futures_util::future::join_all;
use vaultcast::{
    domain::{Command, Role, Seq, SubscriberId},
    journal::{JournalError, JournalRecord},
    vault::{Attach, VaultError, VaultHandle},
};

use crate::{
    test_node::{
        SubmitExt, TestNode, add_member, create_source, mutation_by, remove_member, seq_range,
    },
    test_sink::{NoticePart, TestSink},
};

/// Reads from the journal that delay the head check of a join.
struct BackgroundReads(Vec<JoinHandle<Result<Vec<JournalRecord>, JournalError>>>);

impl BackgroundReads {
    async fn start(node: &TestNode, vault: &VaultHandle) -> Self {
        let read = || {
            let (journal, id) = (node.journal().clone(), vault.id().clone());
            actix_web::rt::spawn(async move { journal.records_after(&id, Seq::ZERO, 100).await })
        };
        let reads = (0..50).map(|_| read()).collect();
        tokio::task::yield_now().await;
        Self(reads)
    }

    async fn finish(self) {
        for read in self.0 {
            read.await.unwrap().unwrap();
        }
    }
}

#[actix_web::test]
async fn full_sink_falls_behind_and_resumes_without_a_gap() {
    let node = TestNode::new().await;
    let vault = node.create_vault().await;
    let mut slow = TestSink::with_capacity(3);
    let mut quick = TestSink::new();
    let ana = slow.join(&vault, "ana").await;
    quick.join(&vault, "ana").await;

    vault.create_sources(10).await;
    assert_eq!(slow.next_seqs(2).await, seq_range(1, 2));
    slow.wait_until_behind().await;
    assert!(slow.is_empty());
    assert_eq!(quick.next_seqs(10).await, seq_range(1, 10));

    slow.set_capacity(usize::MAX);
    vault.caught_up(slow.id());
    slow.resume(&vault, "ana", ana, 2);
    vault.create_sources(1).await;
    assert_eq!(slow.next_seqs(10).await, seq_range(2, 11));
}

#[actix_web::test]
async fn sink_that_caught_up_without_subscribers_accepts_a_new_join() {
    let node = TestNode::new().await;
    let vault = node.create_vault().await;
    let mut sink = TestSink::with_capacity(1);
    let ana = sink.join(&vault, "ana").await;
    vault.create_sources(1).await;
    sink.wait_until_behind().await;
    vault.leave(ana);
    sink.set_capacity(usize::MAX);
    vault.caught_up(sink.id());
    sink.join(&vault, "ana").await;
}

#[actix_web::test]
async fn long_replay_is_delivered_page_by_page() {
    let node = TestNode::new().await;
    let vault = node.create_vault().await;
    let mutations: Vec<_> = (0..1500)
        .map(|_| mutation_by("ana", create_source("many")))
        .collect();
    for batch in mutations.chunks(500) {
        let results = batch.iter().cloned().map(|one| vault.submit(one));
        for result in join_all(results).await {
            result.unwrap();
        }
    }
    let mut sink = TestSink::new();
    let since = Attach::JoinSince {
        seq: Seq(10),
        epoch: Some(node.journal().epoch().into()),
    };
    let ana = sink.attach(&vault, "ana", since);
    let joined = sink.next_joined().await;
    assert_eq!((joined.seq, joined.replayed), (Seq(1500), Some(1490)));
    read_all_pages(&mut sink, &vault, ana, 10).await;
    vault.create_sources(3).await;
    assert_eq!(sink.next_seqs(3).await, seq_range(1501, 1503));
}

/// Receives every event after `last_seq` up to 1500, and resumes after each page.
async fn read_all_pages(
    sink: &mut TestSink,
    vault: &VaultHandle,
    ana: SubscriberId,
    mut last_seq: u64,
) {
    let head = 1500;
    while last_seq < head {
        match sink.next_part().await {
            // A resumption delivers the last known event again.
            NoticePart::Event(record) if record.seq.0 <= last_seq => {}
            NoticePart::Event(record) => {
                last_seq += 1;
                assert_eq!(record.seq.0, last_seq);
            }
            NoticePart::More => sink.resume(vault, "ana", ana, last_seq),
            other => panic!("{other:?}"),
        }
    }
}

#[actix_web::test]
async fn join_since_an_unknown_epoch_or_a_future_seq_is_answered_with_resync() {
    let node = TestNode::new().await;
    let vault = node.create_vault().await;
    vault.create_sources(2).await;
    let mut sink = TestSink::new();
    for (seq, epoch) in [(1, Some("another".to_owned())), (3, None)] {
        let seq = Seq(seq);
        sink.attach(&vault, "ana", Attach::JoinSince { seq, epoch });
        let joined = sink.next_joined().await;
        assert!(joined.resync);
        assert_eq!(joined.replayed, None);
    }
    let seq = Seq(1);
    sink.attach(&vault, "ana", Attach::JoinSince { seq, epoch: None });
    let joined = sink.next_joined().await;
    assert_eq!((joined.resync, joined.replayed), (false, Some(1)));
    assert_eq!(sink.next_seq().await, 2);
}

#[actix_web::test]
async fn join_precedes_the_event_of_a_mutation_sent_after_it() {
    let node = TestNode::new().await;
    let vault = node.create_vault().await;
    vault.create_sources(100).await;
    for head in 100..120 {
        let reads = BackgroundReads::start(&node, &vault).await;
        let mut sink = TestSink::new();
        let ana = sink.attach(&vault, "ana", Attach::Join);
        let answer = vault.submit(mutation_by("ana", create_source("after")));
        assert_eq!(sink.next_joined().await.seq, Seq(head));
        assert_eq!(sink.next_seq().await, head + 1);
        assert_eq!(answer.await.unwrap().seq, Seq(head + 1));
        vault.leave(ana);
        reads.finish().await;
    }
}

#[actix_web::test]
async fn repeated_join_of_a_live_subscriber_duplicates_no_event() {
    let node = TestNode::new().await;
    let vault = node.create_vault().await;
    vault.create_sources(100).await;
    let mut sink = TestSink::new();
    let ana = sink.join(&vault, "ana").await;
    for head in 101..121 {
        let reads = BackgroundReads::start(&node, &vault).await;
        sink.attach_again(&vault, "ana", ana, Attach::Join);
        vault.create_sources(1).await;
        let mut last_seq = head - 1;
        let mut has_joined = false;
        while last_seq < head || !has_joined {
            match sink.next_part().await {
                NoticePart::Event(record) => {
                    last_seq += 1;
                    assert_eq!(record.seq.0, last_seq);
                }
                NoticePart::Joined(joined) => {
                    assert_eq!(joined.seq.0, last_seq);
                    has_joined = true;
                }
                other => panic!("expected an event or a confirmed join, got {other:?}"),
            }
        }
        reads.finish().await;
        assert!(sink.is_empty());
    }
}

#[actix_web::test]
async fn member_removed_and_added_again_during_a_join_receives_nothing_after_the_removal() {
    let node = TestNode::new().await;
    let vault = node.create_vault().await;
    vault
        .submit_ok("ana", add_member("ben", Role::Viewer))
        .await;
    vault.create_sources(99).await;
    for round in 0..20 {
        let head = 100 + 3 * round;
        let reads = BackgroundReads::start(&node, &vault).await;
        let mut ben_sink = TestSink::new();
        ben_sink.attach(&vault, "ben", Attach::Join);
        // The first mutation is committed alone; the other two wait for it and are committed together.
        let answers = [
            create_source("before"),
            remove_member("ben"),
            add_member("ben", Role::Viewer),
        ]
        .map(|command| vault.submit(mutation_by("ana", command)));
        for answer in answers {
            answer.await.unwrap();
        }
        match ben_sink.next_part().await {
            NoticePart::Joined(joined) => {
                assert_eq!(joined.seq, Seq(head));
                assert_eq!(ben_sink.next_seqs(2).await, seq_range(head + 1, head + 2));
                assert!(matches!(ben_sink.next_part().await, NoticePart::Removed));
            }
            // The two were committed separately, and the join was decided between them.
            other => assert!(matches!(other, NoticePart::Refused(_)), "{other:?}"),
        }
        reads.finish().await;
        assert!(ben_sink.is_empty());
    }
}

#[actix_web::test]
async fn removed_member_receives_the_removal_and_nothing_after_it() {
    let node = TestNode::new().await;
    let vault = node.create_vault().await;
    vault
        .submit_ok("ana", add_member("ben", Role::Viewer))
        .await;
    let (mut ben_sink, mut ana_sink) = (TestSink::new(), TestSink::new());
    ben_sink.join(&vault, "ben").await;
    ben_sink.join(&vault, "ben").await;
    ana_sink.join(&vault, "ana").await;
    vault.submit_ok("ana", remove_member("ben")).await;
    vault.create_sources(1).await;
    assert_eq!(ben_sink.next_seq().await, 2);
    assert!(matches!(ben_sink.next_part().await, NoticePart::Removed));
    assert_eq!(ana_sink.next_seqs(2).await, seq_range(2, 3));
    assert!(ben_sink.is_empty());
    ben_sink.attach(&vault, "ben", Attach::Join);
    assert!(matches!(
        ben_sink.next_part().await,
        NoticePart::Refused(VaultError::Refused(_))
    ));
}

#[actix_web::test]
async fn member_removed_while_its_sink_is_behind_receives_the_removal_after_the_catch_up() {
    let node = TestNode::new().await;
    let vault = node.create_vault().await;
    vault
        .submit_ok("ana", add_member("ben", Role::Viewer))
        .await;
    let mut sink = TestSink::with_capacity(1);
    let ben = sink.join(&vault, "ben").await;
    vault.create_sources(1).await;
    sink.wait_until_behind().await;
    vault.submit_ok("ana", remove_member("ben")).await;
    // The new membership does not continue the subscription that ended.
    vault
        .submit_ok("ana", add_member("ben", Role::Viewer))
        .await;
    sink.set_capacity(usize::MAX);
    vault.caught_up(sink.id());
    for last_sent in [1, 3] {
        sink.resume(&vault, "ben", ben, last_sent);
        assert_eq!(
            sink.next_seqs(4 - last_sent as usize).await,
            seq_range(last_sent, 3)
        );
        assert!(matches!(sink.next_part().await, NoticePart::Removed));
    }
    vault.create_sources(1).await;
    sink.join(&vault, "ana").await; // fails if an event was delivered before
}

#[actix_web::test]
async fn deletion_of_a_vault_reaches_live_sinks_and_sinks_that_are_behind() {
    let node = TestNode::new().await;
    let vault = node.create_vault().await;
    let (mut live, mut slow) = (TestSink::new(), TestSink::with_capacity(1));
    live.join(&vault, "ana").await;
    let ana = slow.join(&vault, "ana").await;
    vault.create_sources(1).await;
    slow.wait_until_behind().await;
    vault.submit_ok("ana", Command::Delete).await;
    assert_eq!(live.next_seqs(2).await, seq_range(1, 2));
    assert!(matches!(live.next_part().await, NoticePart::Closed));

    slow.set_capacity(usize::MAX);
    vault.caught_up(slow.id());
    slow.resume(&vault, "ana", ana, 0);
    assert_eq!(slow.next_seqs(2).await, seq_range(1, 2));
    assert!(matches!(slow.next_part().await, NoticePart::Closed));
    slow.attach(&vault, "ana", Attach::Join);
    assert!(matches!(
        slow.next_part().await,
        NoticePart::Refused(VaultError::Refused(_))
    ));
}

#[actix_web::test]
async fn subscriber_that_leaves_during_a_replay_read_receives_nothing_more() {
    let node = TestNode::shared().await;
    let vault = node.create_vault().await;
    vault.create_sources(3).await;
    let another = node.another_node().await;
    let vault = another.open(vault.id());
    let mut sink = TestSink::new();
    // The ring of this node is empty, so the replay is read from the journal.
    let since = Attach::JoinSince {
        seq: Seq(0),
        epoch: None,
    };
    let ana = sink.attach(&vault, "ana", since);
    vault.leave(ana);
    sink.join(&vault, "ana").await;
    vault.create_sources(1).await;
    assert_eq!(sink.next_seq().await, 4);
    assert!(sink.is_empty());
}
