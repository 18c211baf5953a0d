//! Recovery after a lost connection at every possible packet, without sockets.

use proptest::prelude::*;

use crate::{
    domain::{Role, Seq, SubscriberId, VaultId},
    gateway::offset::Offset,
    vault::{Attach, Joined},
};

use super::{
    delivery_trace::DeliveryTrace,
    resumed::{ResumePosition, ResumedSubscription},
    traced_join::TracedJoin,
};

/// How many packets a trace records in these tests.
const CAPACITY: u64 = 1024;

const A: SubscriberId = SubscriberId(1);
const B: SubscriberId = SubscriberId(2);

/// The trace of one socket and the offsets of all packets that were sent to it.
struct TraceScenario {
    trace: DeliveryTrace,
    vaults: [VaultId; 2],
    offsets: Vec<Offset>,
    tickets: u64,
}

impl TraceScenario {
    fn new() -> Self {
        Self {
            trace: DeliveryTrace::new(CAPACITY, None),
            vaults: [VaultId::generate(), VaultId::generate()],
            offsets: Vec::new(),
            tickets: 0,
        }
    }

    fn vault(&self, id: SubscriberId) -> VaultId {
        self.vaults[id.0 as usize - 1].clone()
    }

    fn join(&mut self, id: SubscriberId, seq: u64) -> &mut Self {
        self.join_with(id, Attach::Join, seq, seq)
    }

    fn join_with(&mut self, id: SubscriberId, attach: Attach, after: u64, seq: u64) -> &mut Self {
        let vault = self.vault(id);
        let ticket = self.tickets;
        self.tickets += 1;
        let joined = Joined {
            role: Role::Viewer,
            seq: Seq(seq),
            epoch: "epoch".into(),
            replayed: (attach != Attach::Join).then(|| seq - after),
            resync: false,
        };
        let join = TracedJoin {
            ticket,
            attach,
            joined,
        };
        self.trace.record_join(id, &vault, join);
        self.offsets.push(Offset::for_join(&vault, ticket));
        self
    }

    fn send_events(&mut self, id: SubscriberId, seqs: std::ops::RangeInclusive<u64>) -> &mut Self {
        for seq in seqs {
            self.trace.record_event(id);
            self.offsets
                .push(Offset::for_event(&self.vault(id), Seq(seq)));
        }
        self
    }

    fn heartbeat(&mut self) -> &mut Self {
        self.trace.record_ping();
        self.trace.record_pong();
        self
    }

    /// Returns the subscriptions that are resumed for a client that has received this many packets. A client that has
    /// received none sends no offset.
    fn recover_after(&self, received: usize) -> Option<Vec<ResumedSubscription>> {
        let offset = received.checked_sub(1).map(|last| &self.offsets[last]);
        self.trace.recover(offset)
    }

    /// Returns the seq after which a vault is resumed.
    fn resumed_after(&self, id: SubscriberId, received: usize) -> Option<u64> {
        let resumed = self.recover_after(received).unwrap();
        let vault = self.vault(id);
        let subscription = resumed.into_iter().find(|resumed| resumed.vault == vault)?;
        subscription.position.map(|position| position.last_seen.0)
    }
}

#[test]
fn each_vault_resumes_after_the_last_received_event() {
    let mut scenario = TraceScenario::new();
    scenario
        .join(A, 5)
        .join(B, 70)
        .send_events(A, 6..=7)
        .send_events(B, 71..=72)
        .send_events(A, 8..=8);
    assert_eq!(
        (scenario.resumed_after(A, 4), scenario.resumed_after(B, 4)),
        (Some(7), Some(70))
    );
    assert_eq!(
        (scenario.resumed_after(A, 5), scenario.resumed_after(B, 5)),
        (Some(7), Some(71))
    );
    assert_eq!(
        (scenario.resumed_after(A, 7), scenario.resumed_after(B, 7)),
        (Some(8), Some(72))
    );
}

#[test]
fn confirmed_packets_need_no_offset() {
    let mut scenario = TraceScenario::new();
    scenario.join(A, 5).send_events(A, 6..=9).heartbeat();
    // The client sends an old offset because it has received nothing since.
    assert_eq!(scenario.resumed_after(A, 5), Some(9));
    assert_eq!(scenario.resumed_after(A, 0), Some(9));
    scenario.send_events(A, 10..=12);
    assert_eq!(scenario.resumed_after(A, 5), Some(9));
    assert_eq!(scenario.resumed_after(A, 6), Some(10));
}

#[test]
fn a_pong_confirms_only_packets_sent_before_the_ping() {
    let mut scenario = TraceScenario::new();
    scenario.join(A, 0).send_events(A, 1..=3);
    scenario.trace.record_ping();
    scenario.send_events(A, 4..=6);
    scenario.trace.record_pong();
    assert_eq!(scenario.resumed_after(A, 0), Some(3));
}

#[test]
fn an_unreceived_join_is_confirmed_again_and_resumed_from_its_seq() {
    let mut scenario = TraceScenario::new();
    scenario.join(A, 5).send_events(A, 6..=6);
    let [resumed] = &scenario.recover_after(0).unwrap()[..] else {
        panic!("expected one vault");
    };
    assert_eq!(
        resumed.joined.as_ref().map(|joined| joined.seq),
        Some(Seq(5))
    );
    let position = ResumePosition {
        last_seen: Seq(5),
        joined_at: Seq(5),
        epoch: "epoch".into(),
    };
    assert_eq!(
        (resumed.position.clone(), &resumed.joins[..]),
        (Some(position), &[][..])
    );
}

#[test]
fn an_unreceived_rejoin_follows_the_missed_events() {
    let mut scenario = TraceScenario::new();
    let since = Attach::JoinSince {
        seq: Seq(2),
        epoch: None,
    };
    scenario.join(A, 5).send_events(A, 6..=6);
    scenario.join_with(A, since.clone(), 2, 6);
    let [resumed] = &scenario.recover_after(2).unwrap()[..] else {
        panic!("expected one vault");
    };
    let position = ResumePosition {
        last_seen: Seq(6),
        joined_at: Seq(5),
        epoch: "epoch".into(),
    };
    assert_eq!(
        (&resumed.position, &resumed.joined),
        (&Some(position), &None)
    );
    assert_eq!(resumed.joins, [since]);
    // A client that received the second join knows the events up to its `since`.
    assert_eq!(scenario.resumed_after(A, 3), Some(2));
}

#[test]
fn left_vaults_are_not_resumed_and_ended_ones_only_for_missed_events() {
    let mut scenario = TraceScenario::new();
    scenario
        .join(A, 5)
        .join(B, 0)
        .send_events(A, 6..=6)
        .send_events(B, 1..=2);
    scenario.trace.record_leave(A);
    scenario.trace.record_end(B);
    assert_eq!(
        (scenario.resumed_after(A, 2), scenario.resumed_after(B, 2)),
        (None, Some(0))
    );
    assert_eq!(scenario.recover_after(5), Some(Vec::new()));
    // Offsets of a left vault still show which packets of other vaults have arrived.
    assert_eq!(scenario.resumed_after(B, 3), Some(0));
}

#[test]
fn two_unseen_subscriptions_of_one_vault_are_not_recovered() {
    let mut scenario = TraceScenario::new();
    scenario.vaults[1] = scenario.vaults[0].clone();
    scenario.join(A, 3).send_events(A, 4..=5);
    scenario.trace.record_end(A);
    scenario.join(B, 6).send_events(B, 7..=7);
    // Two subscriptions remain only where the client has received neither the removal nor the new join.
    assert!(scenario.recover_after(3).is_some());
    assert!(scenario.recover_after(2).is_none());
}

#[test]
fn an_offset_that_may_stem_from_an_earlier_connection_is_ambiguous() {
    let mut scenario = TraceScenario::new();
    scenario.join(A, 5).send_events(A, 6..=7);
    let initial_offset = scenario.offsets[2].clone();
    let mut reconnected = TraceScenario::new();
    reconnected.vaults = scenario.vaults.clone();
    reconnected.trace = DeliveryTrace::new(CAPACITY, Some(initial_offset.clone()));
    reconnected.tickets = 10;
    reconnected.join(B, 0);
    // The client has received nothing over this connection.
    assert!(
        reconnected.trace.recover(Some(&initial_offset)).unwrap()[0]
            .joined
            .is_some()
    );
    let since = Attach::JoinSince {
        seq: Seq(5),
        epoch: None,
    };
    reconnected.join_with(A, since, 5, 7).send_events(A, 6..=8);
    assert_eq!(reconnected.trace.recover(Some(&initial_offset)), None);
    assert_eq!(reconnected.resumed_after(A, 5), Some(8));
    // An event that was sent twice over one connection is ambiguous as well.
    let since = Attach::JoinSince {
        seq: Seq(7),
        epoch: None,
    };
    reconnected.join_with(A, since, 7, 8).send_events(A, 8..=8);
    assert_eq!(reconnected.recover_after(5), None);
}

#[test]
fn an_offset_of_a_confirmed_packet_that_was_sent_again_is_ambiguous() {
    let mut scenario = TraceScenario::new();
    scenario.join(A, 3).join(B, 0).send_events(A, 4..=5);
    scenario.heartbeat();
    let last_received = scenario.offsets[3].clone();
    // The client has received nothing since, also not the event of B.
    assert_eq!(scenario.resumed_after(B, 4), Some(0));
    let since = Attach::JoinSince {
        seq: Seq(3),
        epoch: None,
    };
    scenario.send_events(B, 1..=1);
    scenario.join_with(A, since, 3, 5).send_events(A, 4..=5);
    assert_eq!(scenario.trace.recover(Some(&last_received)), None);
    // Once the packets are confirmed, the client misses nothing before them.
    scenario.heartbeat().send_events(B, 2..=2);
    assert_eq!(scenario.resumed_after(B, 8), Some(1));
}

#[test]
fn an_offset_of_a_dropped_packet_that_was_sent_again_is_ambiguous() {
    let mut scenario = TraceScenario::new();
    scenario.join(A, 0).join(B, 0).send_events(A, 1..=3);
    let last_received = scenario.offsets[4].clone();
    // The client has received the third event of A and nothing since. So many packets follow that the trace drops it.
    scenario.send_events(B, 1..=CAPACITY - 1);
    let since = Attach::JoinSince {
        seq: Seq(2),
        epoch: None,
    };
    scenario.join_with(A, since, 2, 3).send_events(A, 3..=3);
    assert_eq!(scenario.trace.recover(Some(&last_received)), None);
    // Once the packets are confirmed, the client misses nothing before them.
    scenario.heartbeat();
    assert!(scenario.trace.recover(Some(&last_received)).is_some());
}

#[test]
fn a_client_behind_the_trace_capacity_is_not_recovered() {
    let mut scenario = TraceScenario::new();
    scenario.join(A, 0);
    let mut heartbeat_requested = false;
    for seq in 1..=CAPACITY + 10 {
        heartbeat_requested |= scenario.trace.record_event(A);
        scenario
            .offsets
            .push(Offset::for_event(&scenario.vault(A), Seq(seq)));
    }
    assert!(heartbeat_requested, "the trace requests no heartbeat");
    assert_eq!(scenario.recover_after(0), None);
    assert_eq!(scenario.recover_after(5), None);
    assert_eq!(scenario.resumed_after(A, 1000), Some(999));
    // The next heartbeat confirms that the dropped packets have arrived.
    scenario.heartbeat();
    assert_eq!(scenario.resumed_after(A, 0), Some(CAPACITY + 10));
}

#[test]
fn a_full_trace_of_the_default_capacity_takes_128_kibibytes() {
    const DEFAULT_CAPACITY: u64 = 32_768;
    let mut scenario = TraceScenario::new();
    scenario.trace = DeliveryTrace::new(DEFAULT_CAPACITY, None);
    scenario.join(A, 0).join(B, 0);
    let empty = scenario.trace.size_bytes();
    for _ in 0..DEFAULT_CAPACITY {
        scenario.trace.record_event(A);
        scenario.trace.record_event(B);
    }
    let bytes = scenario.trace.size_bytes();
    // And a little for each vault of which packets were dropped.
    assert!(bytes <= 128 * 1024 + empty + 2 * 80, "{bytes} bytes");
}

#[test]
fn a_trace_recovers_the_same_after_serialization() {
    let mut scenario = TraceScenario::new();
    scenario
        .join(A, 5)
        .join(B, 70)
        .send_events(A, 6..=7)
        .heartbeat()
        .send_events(B, 71..=73);
    let before = scenario.recover_after(5);
    let text = serde_json::to_string(&scenario.trace).unwrap();
    scenario.trace = serde_json::from_str(&text).unwrap();
    assert_eq!(scenario.recover_after(5), before);
    assert!(before.is_some());
}

proptest! {
    /// Two vaults send events, heartbeats confirm some, and the connection is lost at any packet: each vault resumes after
    /// the last event that the client has received.
    #[test]
    fn recovery_neither_misses_nor_repeats_an_event(steps in prop::collection::vec(0..5_u8, 1..300), cut_at in 0.0..1.0_f64) {
        let mut scenario = TraceScenario::new();
        scenario.join(A, 0).join(B, 0);
        let (mut heads, mut confirmed) = ([0_u64; 2], 2);
        let mut log = vec![(A, 0), (B, 0)];
        for step in steps {
            match step {
                0 => {
                    scenario.heartbeat();
                    confirmed = log.len();
                }
                _ => {
                    let id = if step % 2 == 0 { A } else { B };
                    let head = &mut heads[id.0 as usize - 1];
                    *head += 1;
                    scenario.send_events(id, *head..=*head);
                    log.push((id, *head));
                }
            }
        }
        // Confirmed packets have been received.
        let received = confirmed + ((log.len() - confirmed) as f64 * cut_at) as usize;
        for id in [A, B] {
            let last = log[..received].iter().rev().find(|(subscriber, _)| *subscriber == id);
            prop_assert_eq!(scenario.resumed_after(id, received), last.map(|(_, seq)| *seq));
        }
    }
}
