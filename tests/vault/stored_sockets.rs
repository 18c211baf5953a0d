//! Stored sockets: state that outlives its node is stored at a stop, taken once, purged when it expires, and usable only
//! if the journal still has the missed events.

use std::time::Duration;

use futures_util::future::join_all;
use sea_orm::{ConnectionTrait, DatabaseTransaction};
use vaultcast::{
    domain::{Command, Seq, SubscriberId, Timestamp, VaultId},
    journal::{JournalError, Retention, StoredSocket, SubscriptionPosition, SweepStats},
    vault::Vaults,
};

use crate::{
    test_node::{SubmitExt, TestNode, seq_range},
    test_sink::{NoticePart, SinkCall, TestSink},
};

/// A time in the far future, so that the periodic sweeps of the nodes find no expired socket.
const NOW: Timestamp = Timestamp(4_102_444_800_000);
/// The first expiry time at which a socket is still valid at [`NOW`].
const UNEXPIRED: Timestamp = Timestamp(NOW.0 + 1);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const COUNT: &str = "SELECT COUNT(*) FROM stored_sockets";

fn socket(pid: &str, state: &str, expires: Timestamp) -> StoredSocket {
    StoredSocket {
        pid: pid.to_owned(),
        state: state.to_owned(),
        expires,
    }
}

fn position(vault: &VaultId, last_seen: u64) -> SubscriptionPosition {
    SubscriptionPosition {
        vault: vault.clone(),
        last_seen: Seq(last_seen),
    }
}

/// Returns `count` sockets with the pids `{prefix}0`, `{prefix}1`, ….
fn sockets(prefix: &str, count: usize, expires: Timestamp) -> Vec<StoredSocket> {
    let numbered = |n| socket(&format!("{prefix}{n}"), &format!("{{\"n\":{n}}}"), expires);
    (0..count).map(numbered).collect()
}

/// Locks what taking a socket needs, as another node could. The lock ends with the transaction.
async fn lock_sockets(node: &TestNode) -> DatabaseTransaction {
    let txn = node.lock_commits().await;
    if node.database.is_postgres() {
        let sql = "LOCK TABLE stored_sockets IN EXCLUSIVE MODE";
        txn.execute_unprepared(sql).await.unwrap();
    }
    txn
}

#[actix_web::test]
async fn socket_is_stored_for_another_node_and_taken_once() {
    let node = TestNode::shared().await;
    let stored = vec![socket("p", "{\"rooms\":[]}", UNEXPIRED)];
    node.journal().store_sockets(stored).await.unwrap();

    let another = node.another_node().await;
    let taken = another.journal().take_socket("p", NOW).await.unwrap();
    assert_eq!(taken.as_deref(), Some("{\"rooms\":[]}"));
    for vaults in [&node.vaults, &another] {
        let again = vaults.journal().take_socket("p", NOW).await.unwrap();
        assert_eq!(again, None);
    }
    // The node that took a socket stores it again when it stops.
    let stored = vec![socket("p", "{}", UNEXPIRED)];
    another.journal().store_sockets(stored).await.unwrap();
    let taken = node.journal().take_socket("p", NOW).await.unwrap();
    assert_eq!(taken.as_deref(), Some("{}"));
}

#[actix_web::test]
async fn later_state_replaces_earlier_state_of_the_same_pid() {
    let node = TestNode::new().await;
    for states in [&["first"][..], &["second", "third"]] {
        let stored = states.iter().map(|state| socket("p", state, UNEXPIRED));
        let stored = stored.collect();
        node.journal().store_sockets(stored).await.unwrap();
    }
    assert_eq!(node.query_number(COUNT).await, 1);
    let taken = node.journal().take_socket("p", NOW).await.unwrap();
    assert_eq!(taken.as_deref(), Some("third"));
}

#[actix_web::test]
async fn thousands_of_sockets_are_stored_and_taken_together() {
    const SOCKETS: usize = 5000;
    /// So many wait for a connection at once. None of them may wait for long, even on a busy machine.
    const TOGETHER: usize = 1000;
    let node = TestNode::new().await;
    let journal = node.journal();
    let stored = sockets("p", SOCKETS, UNEXPIRED);
    journal.store_sockets(stored.clone()).await.unwrap();
    journal.store_sockets(Vec::new()).await.unwrap();

    for group in stored.chunks(TOGETHER) {
        let takes = group
            .iter()
            .map(|socket| journal.take_socket(&socket.pid, NOW));
        for (socket, taken) in group.iter().zip(join_all(takes).await) {
            assert_eq!(taken.unwrap().as_ref(), Some(&socket.state));
        }
    }
    assert_eq!(node.query_number(COUNT).await, 0);
}

#[actix_web::test]
async fn sockets_of_one_request_are_stored_all_or_none() {
    let node = TestNode::new().await;
    let reject = if node.database.is_postgres() {
        "ALTER TABLE stored_sockets ADD CHECK (state <> 'poison')"
    } else {
        "CREATE TRIGGER poison BEFORE INSERT ON stored_sockets WHEN NEW.state = 'poison' \
         BEGIN SELECT RAISE(ABORT, 'poison'); END"
    };
    node.database.execute(reject).await;
    let mut stored = sockets("p", 600, UNEXPIRED);
    stored[599].state = "poison".to_owned();
    let result = node.journal().store_sockets(stored).await;
    assert!(matches!(result, Err(JournalError::Fault(_))), "{result:?}");
    assert_eq!(node.query_number(COUNT).await, 0);
}

#[actix_web::test]
async fn one_of_many_concurrent_requests_takes_a_socket() {
    let node = TestNode::shared().await;
    let nodes = [node.another_node().await, node.another_node().await];
    let stored = sockets("p", 100, UNEXPIRED);
    node.journal().store_sockets(stored.clone()).await.unwrap();

    let takes = (0..8).flat_map(|n| {
        // Each round starts with another socket.
        let rotated = stored.iter().cycle().skip(n * 37).take(stored.len());
        let journal = nodes[n % 2].journal();
        rotated.map(move |socket| async move {
            let taken = journal.take_socket(&socket.pid, NOW).await.unwrap();
            taken.map(|state| (socket.pid.clone(), state))
        })
    });
    let mut taken: Vec<_> = join_all(takes).await.into_iter().flatten().collect();
    taken.sort();
    let mut expected: Vec<_> = stored
        .into_iter()
        .map(|socket| (socket.pid, socket.state))
        .collect();
    expected.sort();
    assert_eq!(taken, expected);
}

#[actix_web::test]
async fn request_for_an_expired_or_unknown_socket_writes_nothing() {
    let node = TestNode::new().await;
    let stored = vec![socket("expired", "{}", NOW), socket("p", "{}", UNEXPIRED)];
    node.journal().store_sockets(stored).await.unwrap();
    let lock = lock_sockets(&node).await;
    for pid in ["expired", "unknown", "", "p\0", &"long".repeat(100_000)] {
        let taken = node.journal().take_socket(pid, NOW).await;
        assert_eq!(taken.unwrap(), None);
    }
    // A request for a stored socket has to write, which the lock prevents.
    let taken = node.journal().take_socket("p", NOW).await;
    assert!(taken.is_err(), "{taken:?}");
    lock.rollback().await.unwrap();
    let taken = node.journal().take_socket("p", NOW).await.unwrap();
    assert_eq!(taken.as_deref(), Some("{}"));
}

#[actix_web::test]
async fn expired_sockets_are_purged() {
    let node = TestNode::new().await;
    let expired = sockets("expired", 1200, NOW);
    let unexpired = sockets("p", 3, UNEXPIRED);
    for stored in [expired, unexpired] {
        node.journal().store_sockets(stored).await.unwrap();
    }
    let stats = node.journal().sweep(NOW).await.unwrap();
    let expected = SweepStats {
        sockets: 1200,
        ..SweepStats::default()
    };
    assert_eq!(stats, expected);
    let again = node.journal().sweep(NOW).await.unwrap();
    assert_eq!(again, SweepStats::default());
    let taken = node.journal().take_socket("p2", NOW).await.unwrap();
    assert_eq!(taken.as_deref(), Some("{\"n\":2}"));
    assert_eq!(node.query_number(COUNT).await, 2);
}

#[actix_web::test]
async fn socket_that_is_stored_again_during_its_purge_is_kept() {
    let node = TestNode::new().await;
    if !node.database.is_postgres() {
        return; // SQLite has one writer at a time, so the purge sees the new row
    }
    let stored = vec![socket("p", "old", NOW)];
    node.journal().store_sockets(stored).await.unwrap();
    let lock = node.lock_commits().await;
    let renew = format!("UPDATE stored_sockets SET expires = {}", UNEXPIRED.0);
    lock.execute_unprepared(&renew).await.unwrap();

    let journal = node.journal().clone();
    let sweep = actix_web::rt::spawn(async move { journal.sweep(NOW).await });
    node.wait_for_lock_waiter("DELETE FROM stored_sockets")
        .await;
    lock.commit().await.unwrap();
    assert_eq!(sweep.await.unwrap().unwrap(), SweepStats::default());
    assert_eq!(node.query_number(COUNT).await, 1);
}

/// Resumes a subscription at a node without events in memory, and returns the seqs that it delivers after `last_sent`;
/// `None` when missed events were trimmed.
async fn seqs_after_resume(node: &Vaults, vault: &VaultId, last_sent: u64) -> Option<Vec<u64>> {
    let vault = node.open(vault);
    let mut sink = TestSink::in_epoch(node.journal().epoch());
    let ana = SubscriberId(0);
    sink.resume(&vault, "ana", ana, last_sent);
    let mut seqs = Vec::new();
    loop {
        match sink.next_call().await {
            SinkCall::Delivered(_, NoticePart::Event(record)) => seqs.push(record.seq.0),
            SinkCall::Delivered(_, NoticePart::Live | NoticePart::Closed) => break,
            SinkCall::Delivered(_, NoticePart::Lost) => return None,
            SinkCall::Delivered(_, other) => panic!("{other:?}"),
            // The request reached an actor that was about to end.
            SinkCall::FellBehind(_) => sink.resume(&vault, "ana", ana, last_sent),
            other @ SinkCall::PositionsUnknown(_) => panic!("{other:?}"),
        }
    }
    // A resumption delivers the last known event again.
    seqs.retain(|seq| *seq > last_sent);
    Some(seqs)
}

#[actix_web::test]
async fn subscription_is_resumable_exactly_when_no_missed_event_was_trimmed() {
    let node = TestNode::shared().await;
    let retention = Retention {
        events: 5,
        age: DAY,
    };
    let trimmer = node.another_node_retaining(retention).await;
    let [new, complete, trimmed, deleted] = [
        node.create_vault().await,
        node.create_vault().await,
        node.create_vault().await,
        node.create_vault().await,
    ];
    complete.create_sources(3).await;
    trimmed.create_sources(12).await;
    deleted.create_sources(8).await;
    deleted.submit_ok("ana", Command::Delete).await;
    trimmer.journal().sweep(Timestamp::now()).await.unwrap();

    for (vault, head, expected) in [
        (&new, 0, vec![0]),
        (&complete, 3, vec![0, 1, 2, 3]),
        (&trimmed, 12, vec![8, 9, 10, 11, 12]),
        (&deleted, 9, vec![5, 6, 7, 8, 9]),
    ] {
        let (mut resumable, mut resumed) = (Vec::new(), Vec::new());
        for last_sent in 0..=head {
            let position = [position(vault.id(), last_sent)];
            if trimmer.journal().can_resume(&position).await.unwrap() {
                resumable.push(last_sent);
            }
            let seqs = seqs_after_resume(&trimmer, vault.id(), last_sent).await;
            if seqs == Some(seq_range(last_sent + 1, head)) {
                resumed.push(last_sent);
            }
        }
        assert_eq!((&resumable, &resumed), (&expected, &expected));
        // A seq beyond the head, as after a restore without a new epoch.
        let beyond = [position(vault.id(), head + 1)];
        assert!(!trimmer.journal().can_resume(&beyond).await.unwrap());
    }

    let later = Timestamp(Timestamp::now().0 + 2 * i64::try_from(DAY.as_millis()).unwrap());
    trimmer.journal().sweep(later).await.unwrap();
    let purged = [position(deleted.id(), 9)];
    assert!(!trimmer.journal().can_resume(&purged).await.unwrap());
}

#[actix_web::test]
async fn one_unresumable_vault_among_thousands_is_found() {
    const VAULTS: usize = 20_000;
    let node = TestNode::new().await;
    let numbers = format!(
        "(WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {}) SELECT i FROM n) AS numbers",
        VAULTS - 1
    );
    let id = "'c' || (10000000 + i)";
    for insert in [
        format!("INSERT INTO vault_heads (vault_id, head) SELECT {id}, 2 FROM {numbers}"),
        format!(
            "INSERT INTO vault_events (vault_id, seq, kind, payload, created_at) \
             SELECT {id}, 2, 'vault:deleted', '{{}}', 0 FROM {numbers}"
        ),
    ] {
        node.database.execute(&insert).await;
    }
    let vault_at = |n| position(&VaultId::from_row(format!("c{}", 10_000_000 + n)), 2);
    let positions: Vec<_> = (0..VAULTS).map(vault_at).collect();
    let can_resume = async |positions: &[_]| node.journal().can_resume(positions).await.unwrap();
    assert!(can_resume(&[]).await);
    assert!(can_resume(&positions).await);
    let [first, second] = [&positions[0], &positions[1]].map(Clone::clone);
    assert!(
        can_resume(&[first.clone(), second, first]).await,
        "a repeated position"
    );
    for n in [0, 255, 256, 12_345, VAULTS - 1] {
        let mut changed = positions.clone();
        changed[n].last_seen = Seq(1);
        assert!(!can_resume(&changed).await, "{n}: trimmed");
        changed[n] = vault_at(VAULTS);
        assert!(!can_resume(&changed).await, "{n}: unknown");
    }
}
