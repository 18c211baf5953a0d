//! Properties of a relay under random operations: clients join, leave, read, lose their connections and reconnect, while a
//! real vault commits events and the relay runs out of capacity at random.

use std::time::{Duration, Instant};

use actix::System;
use proptest::{prelude::*, test_runner::TestRunner};

use crate::{
    domain::{MonotonicTime, Seq, UserId},
    gateway::test_vaults::{open_vaults, principal},
    journal::JournalRecord,
    vault::{Attach, Delivery, Notice, NoticeBody, NoticeReceivers},
};

mod client;
mod world;

use world::RelayWorld;

const CLIENTS: usize = 3;
const TEST_TIMEOUT: Duration = Duration::from_secs(30);

/// An operation on the relay, its vault or a client. Numbers are indices of clients, unless named otherwise.
#[derive(Clone, Debug)]
enum RelayOperation {
    /// Submits this many mutations at once without waiting.
    Post(usize),
    /// Submits a mutation and waits for its answer.
    PostAndWait,
    Join(usize),
    /// Joins after an event that is `back` events before the last known one.
    JoinSince {
        client: usize,
        back: u64,
    },
    Leave(usize),
    Read(usize),
    /// Loses the connection with all unread packets, and recovers it.
    Reconnect(usize),
    /// Sends a heartbeat that the client answers.
    Heartbeat(usize),
    RemoveMember(usize),
    AddMember(usize),
    /// The relay has no free capacity from here on.
    Stall,
    /// The relay has its capacity again.
    Unstall,
}

fn operation() -> impl Strategy<Value = RelayOperation> {
    let client = 0..CLIENTS;
    let join_since = |(client, back)| RelayOperation::JoinSince { client, back };
    prop_oneof![
        4 => (1..8_usize).prop_map(RelayOperation::Post),
        1 => (20..60_usize).prop_map(RelayOperation::Post),
        6 => Just(RelayOperation::PostAndWait),
        4 => client.clone().prop_map(RelayOperation::Join),
        3 => (client.clone(), 0..4_u64).prop_map(join_since),
        2 => client.clone().prop_map(RelayOperation::Leave),
        5 => client.clone().prop_map(RelayOperation::Read),
        3 => client.clone().prop_map(RelayOperation::Reconnect),
        2 => client.clone().prop_map(RelayOperation::Heartbeat),
        1 => client.clone().prop_map(RelayOperation::RemoveMember),
        2 => client.prop_map(RelayOperation::AddMember),
        2 => Just(RelayOperation::Stall),
        2 => Just(RelayOperation::Unstall),
    ]
}

fn user_id(index: usize) -> UserId {
    principal(&format!("u{index}")).id
}

#[test]
fn every_subscribed_socket_receives_all_events_once_and_in_order() {
    let system = System::new();
    let directory = tempfile::tempdir().unwrap();
    let vaults = system.block_on(open_vaults(directory.path()));
    let config = ProptestConfig {
        cases: 48,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let operations = prop::collection::vec(operation(), 1..60);
    let run = |operations: Vec<RelayOperation>| {
        system.block_on(async {
            let mut world = RelayWorld::new(&vaults).await;
            for operation in operations {
                world.execute(operation).await;
            }
            world.wait_until_all_are_up_to_date().await;
        });
        Ok(())
    };
    TestRunner::new(config).run(&operations, run).unwrap();
}

#[test]
fn a_burst_closes_no_socket_that_reads_at_full_speed() {
    const BURST: usize = 256;
    let system = System::new();
    let directory = tempfile::tempdir().unwrap();
    system.block_on(async {
        let vaults = open_vaults(directory.path()).await;
        let mut world = RelayWorld::new(&vaults).await;
        let relay = world.relay.0.clone();
        relay.peers.options.bounds.reconfigure(1024, TEST_TIMEOUT);
        world.join(0, Attach::Join);
        let head = world.wait_until_all_are_up_to_date().await;
        world.execute(RelayOperation::Post(BURST)).await;
        // The relay shares this thread, so it runs when the whole burst waits in its mailbox.
        let started = Instant::now();
        while relay.peers.sink.capacity.used() < BURST {
            assert!(started.elapsed() < TEST_TIMEOUT, "the burst is committed");
            std::thread::yield_now();
        }
        let client = &mut world.clients[0];
        let received_all = async {
            while client.progress.known != Some(head + BURST as u64) {
                assert!(client.socket.socket.is_connected(), "closed as slow");
                client.read();
                tokio::task::yield_now().await;
            }
        };
        let result = tokio::time::timeout(TEST_TIMEOUT, received_all).await;
        result.expect("the client receives the burst");
    });
}

#[test]
fn a_gap_closes_the_transport_and_no_later_event_is_sent() {
    let system = System::new();
    let directory = tempfile::tempdir().unwrap();
    system.block_on(async {
        let vaults = open_vaults(directory.path()).await;
        let mut world = RelayWorld::new(&vaults).await;
        world.join(0, Attach::Join);
        let last = world.wait_until_all_are_up_to_date().await;
        let id = world.vault.id().clone();
        let page = vaults.journal().records_after(&id, Seq(last - 1), 1).await;
        let record = page.unwrap().remove(0);
        for seq in [last + 3, last + 4] {
            let record = JournalRecord {
                seq: Seq(seq),
                ..record.clone()
            };
            world.relay.deliver(Delivery {
                vault: id.clone(),
                to: NoticeReceivers::All,
                notice: Notice::new(NoticeBody::Event(record), MonotonicTime::now()),
            });
        }
        let client = &mut world.clients[0];
        assert!(!client.socket.socket.is_connected());
        assert!(client.engine.take_all().is_empty());
    });
}
