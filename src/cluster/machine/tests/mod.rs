//! The machine step by step. Times are in milliseconds.

mod claims;

use std::{collections::VecDeque, time::Duration};

use crate::{
    cluster::message::{AnsweredClaim, BusMessage, BusMessageBody, ClaimSupport, NodeId},
    domain::{MonotonicTime, Seq, VaultHead, VaultId},
    journal::JournalHeads,
};

use super::{BusUse, ClusterEffect, ClusterInput, ClusterMachine};

const THIS: NodeId = NodeId(1);
const OTHER: NodeId = NodeId(2);

struct NodeStory {
    machine: ClusterMachine,
    vault: VaultId,
}

impl NodeStory {
    fn new(bus: BusUse) -> Self {
        Self {
            machine: ClusterMachine::new(THIS, "epoch", bus, millis(0)),
            vault: VaultId::parse("cvault00001").unwrap(),
        }
    }

    /// Returns a node whose bus is connected at the time 0, and whose first heartbeat and sweep have ended.
    fn connected() -> Self {
        let mut story = Self::new(BusUse::On);
        assert_eq!(story.tick(0), ["connect", "sweep"]);
        assert_eq!(
            story.input(0, ClusterInput::Connected),
            ["up", "heartbeat 0"]
        );
        assert!(story.input(0, ClusterInput::Sent).is_empty());
        assert_eq!(story.received(0, THIS, heartbeat(0)), ["lag 0"]);
        // The bus was connected while the sweep was running.
        assert_eq!(story.swept(0, None), ["sweep"]);
        assert!(story.swept(0, None).is_empty());
        story
    }

    fn input(&mut self, at: u64, input: ClusterInput) -> Vec<String> {
        let mut effects = VecDeque::new();
        self.machine.handle(input, millis(at), &mut effects);
        effects.iter().map(describe).collect()
    }

    fn tick(&mut self, at: u64) -> Vec<String> {
        self.input(at, ClusterInput::Tick)
    }

    fn received(&mut self, at: u64, sender: NodeId, body: BusMessageBody) -> Vec<String> {
        let message = BusMessage {
            sender,
            epoch: "epoch".to_owned(),
            body,
        };
        self.input(at, received(message))
    }

    fn head(&self, head: u64) -> VaultHead {
        VaultHead {
            vault: self.vault.clone(),
            head: Seq(head),
        }
    }

    fn hinted(&mut self, at: u64, head: u64) -> Vec<String> {
        let heads = BusMessageBody::Heads(vec![self.head(head)]);
        self.received(at, OTHER, heads)
    }

    fn swept(&mut self, at: u64, found: Option<u64>) -> Vec<String> {
        let heads = JournalHeads {
            epoch: "epoch".to_owned(),
            changed: found.map(|head| self.head(head)).into_iter().collect(),
            rewound: Vec::new(),
        };
        self.input(at, ClusterInput::Swept(Some(heads)))
    }

    /// Runs the node until this time, with a bus and a database that answer at once.
    fn run_until(&mut self, end: u64) {
        while let Some(at) = self.machine.wake_at().filter(|at| *at <= millis(end)) {
            let mut effects = VecDeque::new();
            self.machine.handle(ClusterInput::Tick, at, &mut effects);
            while let Some(effect) = effects.pop_front() {
                let mut handle = |input| self.machine.handle(input, at, &mut effects);
                match effect {
                    ClusterEffect::SendHeartbeat(number) => {
                        handle(ClusterInput::Sent);
                        handle(received(BusMessage {
                            sender: THIS,
                            epoch: "epoch".to_owned(),
                            body: heartbeat(number),
                        }));
                    }
                    ClusterEffect::Sweep => handle(ClusterInput::Swept(None)),
                    ClusterEffect::RecordLag(_) => {}
                    other => panic!("{other:?}"),
                }
            }
        }
    }
}

fn heartbeat(number: u64) -> BusMessageBody {
    let claims = ClaimSupport::Answers;
    BusMessageBody::Heartbeat { number, claims }
}

fn millis(millis: u64) -> MonotonicTime {
    MonotonicTime::default() + Duration::from_millis(millis)
}

fn received(message: BusMessage) -> ClusterInput {
    let jitter = millis(2).since(millis(0));
    ClusterInput::Received { message, jitter }
}

fn describe(effect: &ClusterEffect) -> String {
    match effect {
        ClusterEffect::Connect => "connect".to_owned(),
        ClusterEffect::SendHeartbeat(number) => format!("heartbeat {number}"),
        ClusterEffect::SendHints => "send hints".to_owned(),
        ClusterEffect::SendClaims { claims, answers } => {
            let claims: Vec<_> = claims.iter().map(|claim| claim.number).collect();
            let answers = answers.iter();
            let answers: Vec<_> = answers
                .map(|AnsweredClaim { key, answer }| (key.node.0, key.number, *answer))
                .collect();
            format!("send claims {claims:?} answers {answers:?}")
        }
        ClusterEffect::EndClaim { number, outcome } => format!("claim {number} {outcome:?}"),
        ClusterEffect::AnswerClaim { key, .. } => {
            format!("answer {} of {}", key.number, key.node.0)
        }
        ClusterEffect::RecordRefusedClaim => "refused claim".to_owned(),
        ClusterEffect::DropHints => "drop hints".to_owned(),
        ClusterEffect::SkipHints => "skip hints".to_owned(),
        ClusterEffect::Sweep => "sweep".to_owned(),
        ClusterEffect::MoveHead(head) => format!("head {}", head.head.0),
        ClusterEffect::ReportUp => "up".to_owned(),
        ClusterEffect::ReportDown => "down".to_owned(),
        ClusterEffect::RecordLag(lag) => format!("lag {}", lag.as_millis()),
        ClusterEffect::RecordLost(heads) => format!("lost {heads}"),
        ClusterEffect::CheckHead(_) => "check head".to_owned(),
        ClusterEffect::ReplaceEpoch(epoch) => format!("epoch {epoch}"),
    }
}

#[test]
fn first_hint_is_sent_at_once_and_the_next_ones_together_after_an_interval() {
    let mut story = NodeStory::connected();
    assert_eq!(story.input(10, ClusterInput::HintsWaiting), ["send hints"]);
    assert!(story.input(11, ClusterInput::HintsWaiting).is_empty());
    assert!(story.input(12, ClusterInput::Sent).is_empty());
    assert_eq!(story.machine.wake_at(), Some(millis(14)));
    assert_eq!(story.tick(14), ["send hints"]);
    // A slow bus: the hints wait until it has accepted the earlier ones.
    assert!(story.input(15, ClusterInput::HintsWaiting).is_empty());
    assert!(story.tick(100).is_empty());
    assert_eq!(story.input(300, ClusterInput::Sent), ["send hints"]);
}

#[test]
fn node_without_peers_sends_no_hints() {
    let mut story = NodeStory::connected();
    story.run_until(10_500);
    assert_eq!(
        story.input(10_600, ClusterInput::HintsWaiting),
        ["skip hints"]
    );
    story.received(10_700, OTHER, heartbeat(0));
    story.input(10_700, ClusterInput::Sent);
    assert_eq!(story.machine.peers(), 1);
    assert_eq!(
        story.input(10_800, ClusterInput::HintsWaiting),
        ["send hints"]
    );
    story.input(10_800, ClusterInput::Sent);
    story.run_until(21_000);
    assert_eq!(story.machine.peers(), 0);
    assert_eq!(
        story.input(21_001, ClusterInput::HintsWaiting),
        ["skip hints"]
    );
}

#[test]
fn hint_of_another_node_moves_the_head() {
    let mut story = NodeStory::connected();
    assert_eq!(story.hinted(5, 7), ["head 7"]);
    let own = BusMessageBody::Heads(vec![story.head(8)]);
    assert!(story.received(6, THIS, own).is_empty());
    let foreign = BusMessage {
        sender: OTHER,
        epoch: "another".to_owned(),
        body: BusMessageBody::Heads(vec![story.head(9)]),
    };
    assert!(story.input(7, received(foreign)).is_empty());
}

#[test]
fn node_introduces_itself_to_a_node_that_appears() {
    let mut story = NodeStory::connected();
    story.run_until(1000);
    assert_eq!(story.received(1500, OTHER, heartbeat(0)), ["heartbeat 2"]);
    assert!(story.input(1500, ClusterInput::Sent).is_empty());
    // They know each other: the next heartbeat of this node is that of the interval.
    assert!(story.received(1510, OTHER, heartbeat(1)).is_empty());
    // Many nodes that appear together are answered together.
    for node in 10..100 {
        let introduced = story.received(1550, NodeId(node), heartbeat(0));
        assert!(introduced.is_empty());
    }
    assert!(story.tick(1599).is_empty());
    assert_eq!(story.tick(1600), ["heartbeat 3"]);
}

#[test]
fn heads_are_compared_each_second_one_comparison_at_a_time() {
    let mut story = NodeStory::new(BusUse::Off);
    assert_eq!(story.tick(0), ["sweep"]);
    assert!(story.tick(1_000).is_empty());
    assert_eq!(story.swept(1_200, Some(3)), ["head 3", "sweep"]);
    assert!(story.input(1_300, ClusterInput::Swept(None)).is_empty());
    assert_eq!(story.machine.wake_at(), Some(millis(2_200)));
    assert_eq!(story.tick(2_200), ["sweep"]);
}

#[test]
fn hint_that_did_not_come_is_counted_at_the_next_sweep() {
    let mut story = NodeStory::connected();
    for (at, found) in [(1_000, 3), (2_000, 5), (3_000, 7)] {
        story.tick(at);
        story.input(at, ClusterInput::Sent);
        let number = at / 1_000;
        story.received(at, THIS, heartbeat(number));
        let effects = story.swept(at, Some(found));
        match found {
            // The hint comes after the sweep.
            3 => {
                assert_eq!(effects, ["head 3"]);
                assert_eq!(story.hinted(at, 3), ["head 3"]);
            }
            // This node's own commit.
            5 => {
                assert_eq!(effects, ["head 5"]);
                let own = [story.head(6)];
                story.machine.hints_taken(&own);
            }
            _ => assert_eq!(effects, ["head 7"]),
        }
    }
    story.tick(4_000);
    assert_eq!(story.swept(4_000, None), ["lost 1"]);
}

#[test]
fn silent_bus_is_connected_again_and_swept() {
    let mut story = NodeStory::connected();
    for at in [1_000, 2_000, 3_000, 4_000] {
        let number = at / 1_000;
        assert_eq!(
            story.tick(at),
            [format!("heartbeat {number}"), "sweep".to_owned()]
        );
        story.input(at, ClusterInput::Sent);
        story.swept(at, None);
    }
    assert_eq!(
        story.tick(5_000),
        ["drop hints", "down", "connect", "sweep"]
    );
    story.swept(5_000, None);
    assert_eq!(
        story.input(5_100, ClusterInput::HintsWaiting),
        ["drop hints"]
    );
    assert!(story.input(5_200, ClusterInput::Disconnected).is_empty());
    story.tick(6_000);
    assert_eq!(story.tick(6_200), ["connect"]);
    // The sweep that is running may be older than the last hint that was lost.
    assert_eq!(
        story.input(6_300, ClusterInput::Connected),
        ["up", "heartbeat 5"]
    );
    assert_eq!(story.swept(6_400, None), ["sweep"]);
    // A heartbeat from before the bus was connected again proves nothing.
    assert!(story.received(6_500, THIS, heartbeat(4)).is_empty());
}

#[test]
fn another_epoch_replaces_the_first_one_once() {
    let mut story = NodeStory::new(BusUse::Off);
    story.tick(0);
    let heads = |epoch: &str| JournalHeads {
        epoch: epoch.to_owned(),
        changed: Vec::new(),
        rewound: Vec::new(),
    };
    let renewed = ClusterInput::Swept(Some(heads("renewed")));
    assert_eq!(story.input(0, renewed.clone()), ["epoch renewed"]);
    assert_eq!(story.tick(1_000), ["sweep"]);
    assert!(story.input(1_000, renewed).is_empty());
}

#[test]
fn vaults_that_are_ahead_of_the_journal_compare_their_heads() {
    let mut story = NodeStory::new(BusUse::Off);
    story.tick(0);
    let heads = JournalHeads {
        epoch: "epoch".to_owned(),
        changed: Vec::new(),
        rewound: vec![story.vault.clone()],
    };
    let swept = ClusterInput::Swept(Some(heads));
    assert_eq!(story.input(0, swept), ["check head"]);
}

#[test]
fn hints_that_several_nodes_receive_are_delayed_by_the_jitter() {
    let mut story = NodeStory::connected();
    assert_eq!(story.hinted(5, 7), ["head 7"]);
    // With a third node, another one receives the hints of each at the same time.
    story.received(6, NodeId(3), heartbeat(0));
    assert!(story.hinted(10, 8).is_empty());
    assert_eq!(story.machine.wake_at(), Some(millis(12)));
    assert!(story.tick(11).is_empty());
    assert!(story.hinted(11, 9).is_empty());
    assert_eq!(story.tick(12), ["head 8"]);
    assert_eq!(story.tick(13), ["head 9"]);
}

#[test]
fn new_database_connection_is_followed_by_a_sweep_that_begins_later() {
    let mut story = NodeStory::connected();
    assert_eq!(story.input(10, ClusterInput::DatabaseConnected), ["sweep"]);
    // It may have read the former database.
    assert!(story.input(11, ClusterInput::DatabaseConnected).is_empty());
    assert_eq!(story.swept(12, None), ["sweep"]);
    assert!(story.swept(13, None).is_empty());
}
