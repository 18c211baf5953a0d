//! Claims of connections of other nodes.

use crate::{
    cluster::{
        machine::claim_exchange::{MAX_ANSWERING, MAX_PENDING},
        message::{AnsweredClaim, ClaimAnswer, ClaimKey, NumberedClaim},
        pid_hash::{PeerClaim, PidHash},
    },
    domain::UserId,
};

use super::*;

const THIRD: NodeId = NodeId(3);

fn claim() -> PeerClaim {
    PeerClaim {
        pid: PidHash::of("pid"),
        user: UserId::new("ana").unwrap(),
    }
}

impl NodeStory {
    /// Returns a node with two peers that answer claims.
    fn with_peers() -> Self {
        let mut story = Self::connected();
        for peer in [OTHER, THIRD] {
            assert!(story.received(1, peer, heartbeat(0)).is_empty());
        }
        story
    }

    fn claim(&mut self, at: u64, number: u64) -> Vec<String> {
        let claim = claim();
        self.input(at, ClusterInput::ClaimRequested { number, claim })
    }

    fn sent(&mut self, at: u64) -> Vec<String> {
        self.input(at, ClusterInput::Sent)
    }

    /// A peer answers a claim of this node.
    fn answered(&mut self, at: u64, peer: NodeId, number: u64, answer: ClaimAnswer) -> Vec<String> {
        let key = ClaimKey { node: THIS, number };
        let answers = vec![AnsweredClaim { key, answer }];
        self.received(at, peer, BusMessageBody::Answers(answers))
    }

    /// A peer claims.
    fn claimed(&mut self, at: u64, peer: NodeId, number: u64) -> Vec<String> {
        let claim = claim();
        let claims = vec![NumberedClaim { number, claim }];
        self.received(at, peer, BusMessageBody::Claims(claims))
    }

    /// This node answers the claim of a peer.
    fn answer(&mut self, at: u64, node: NodeId, number: u64, answer: ClaimAnswer) -> Vec<String> {
        let key = ClaimKey { node, number };
        self.input(at, ClusterInput::ClaimAnswered { key, answer })
    }
}

#[test]
fn claim_without_peers_ends_at_once() {
    let mut story = NodeStory::connected();
    assert_eq!(story.claim(5, 0), ["claim 0 NoPeers"]);
    let mut story = NodeStory::new(BusUse::Off);
    assert_eq!(story.claim(0, 0)[0], "claim 0 NoPeers");
}

#[test]
fn claim_ends_with_the_first_yes_or_the_last_no() {
    let mut story = NodeStory::with_peers();
    assert_eq!(story.claim(5, 0), ["send claims [0] answers []"]);
    assert!(story.sent(6).is_empty());
    assert!(story.answered(7, OTHER, 0, ClaimAnswer::NotHere).is_empty());
    assert_eq!(
        story.answered(8, THIRD, 0, ClaimAnswer::NotHere),
        ["claim 0 NotHere"]
    );
    story.claim(9, 1);
    story.sent(9);
    assert_eq!(
        story.answered(10, THIRD, 1, ClaimAnswer::HandedOver),
        ["claim 1 HandedOver"]
    );
    assert!(
        story
            .answered(11, OTHER, 1, ClaimAnswer::NotHere)
            .is_empty()
    );
    assert_eq!(story.machine.pending_claims(), 0);
}

#[test]
fn peer_of_an_earlier_version_is_not_waited_for() {
    let mut story = NodeStory::connected();
    let claims = ClaimSupport::Unknown;
    let earlier = BusMessageBody::Heartbeat { number: 3, claims };
    story.received(1, OTHER, earlier);
    assert_eq!(story.claim(5, 0), ["claim 0 NoPeers"]);
    // A node that has sent only hints so far.
    story.hinted(6, 3);
    assert_eq!(story.claim(7, 1), ["claim 1 NoPeers"]);
}

#[test]
fn peer_that_does_not_answer_delays_claims_once() {
    let mut story = NodeStory::connected();
    story.received(1, OTHER, heartbeat(0));
    story.run_until(200);
    story.claim(500, 0);
    story.sent(500);
    story.claim(700, 1);
    story.sent(700);
    story.run_until(1_499);
    assert_eq!(story.machine.wake_at(), Some(millis(1_500)));
    assert_eq!(story.tick(1_500), ["claim 0 TimedOut"]);
    assert_eq!(story.claim(1_600, 2), ["claim 2 NoPeers"]);
    assert_eq!(story.tick(1_700), ["claim 1 TimedOut"]);
    // It runs again.
    story.received(1_800, OTHER, heartbeat(1));
    assert_eq!(story.claim(1_900, 3), ["send claims [3] answers []"]);
    // Its late answer changes nothing.
    let late = story.answered(1_950, OTHER, 0, ClaimAnswer::HandedOver);
    assert!(late.is_empty());
}

#[test]
fn peer_that_has_sent_nothing_for_three_seconds_is_not_waited_for() {
    let mut story = NodeStory::connected();
    story.received(1, OTHER, heartbeat(0));
    story.run_until(3_100);
    assert_eq!(story.machine.peers(), 1);
    assert_eq!(story.claim(3_200, 0), ["claim 0 NoPeers"]);
}

#[test]
fn slow_peer_that_sends_heartbeats_is_waited_for_again() {
    let mut story = NodeStory::connected();
    story.received(1, OTHER, heartbeat(0));
    story.claim(2, 0);
    story.sent(2);
    story.received(900, OTHER, heartbeat(1));
    story.tick(1_000);
    story.input(1_000, ClusterInput::Sent);
    assert_eq!(story.tick(1_002), ["claim 0 TimedOut"]);
    assert_eq!(story.claim(1_100, 1), ["send claims [1] answers []"]);
}

#[test]
fn claims_end_when_the_bus_is_lost() {
    let mut story = NodeStory::with_peers();
    story.claim(5, 0);
    assert_eq!(
        story.input(6, ClusterInput::Disconnected),
        ["claim 0 BusDown", "drop hints", "down"]
    );
    assert_eq!(story.claim(7, 1), ["claim 1 BusDown"]);
}

#[test]
fn too_many_claims_end_at_once() {
    let mut story = NodeStory::with_peers();
    for number in 0..MAX_PENDING as u64 {
        story.claim(5, number);
    }
    assert_eq!(story.machine.pending_claims(), MAX_PENDING);
    assert_eq!(story.claim(6, 9_999), ["claim 9999 QueueFull"]);
}

#[test]
fn claim_of_a_peer_is_answered_once() {
    let mut story = NodeStory::with_peers();
    assert_eq!(story.claimed(5, OTHER, 8), ["answer 8 of 2"]);
    assert!(story.claimed(6, OTHER, 8).is_empty(), "it is in progress");
    assert_eq!(story.claimed(7, THIRD, 8), ["answer 8 of 3"]);
    assert_eq!(
        story.answer(9, OTHER, 8, ClaimAnswer::HandedOver),
        ["send claims [] answers [(2, 8, HandedOver)]"]
    );
    let second = story.answer(9, OTHER, 8, ClaimAnswer::HandedOver);
    assert!(second.is_empty());
}

#[test]
fn too_many_claims_of_peers_are_answered_with_no() {
    let mut story = NodeStory::with_peers();
    let claims = (0..=MAX_ANSWERING as u64).map(|number| NumberedClaim {
        number,
        claim: claim(),
    });
    let claims = BusMessageBody::Claims(claims.collect());
    let effects = story.received(5, OTHER, claims);
    assert_eq!(effects.len(), MAX_ANSWERING + 2);
    assert_eq!(effects[MAX_ANSWERING], "refused claim");
    let refused = format!("send claims [] answers [(2, {MAX_ANSWERING}, NotHere)]");
    assert_eq!(effects.last(), Some(&refused));
}

#[test]
fn claims_and_hints_take_turns_on_a_busy_bus() {
    let mut story = NodeStory::with_peers();
    assert_eq!(story.claim(10, 0), ["send claims [0] answers []"]);
    assert!(story.claim(11, 1).is_empty());
    assert!(story.input(12, ClusterInput::HintsWaiting).is_empty());
    assert_eq!(story.sent(13), ["send hints"]);
    assert!(story.claim(14, 2).is_empty());
    assert!(story.input(15, ClusterInput::HintsWaiting).is_empty());
    assert_eq!(story.sent(20), ["send claims [1, 2] answers []"]);
    assert_eq!(story.sent(21), ["send hints"]);
}

#[test]
fn claim_that_has_timed_out_is_not_sent() {
    let mut story = NodeStory::with_peers();
    // The bus is slow: the hints before it are not accepted.
    story.input(10, ClusterInput::HintsWaiting);
    assert!(story.claim(20, 0).is_empty());
    let timed_out = story.tick(1_020);
    assert_eq!(timed_out.first(), Some(&"claim 0 TimedOut".to_owned()));
    let sent = story.input(1_030, ClusterInput::Sent);
    assert!(
        sent.iter().all(|effect| !effect.starts_with("send claims")),
        "{sent:?}"
    );
}

#[test]
fn claim_of_another_node_on_a_late_bus_is_ignored() {
    let mut story = NodeStory::with_peers();
    assert_eq!(story.tick(1_000).first(), Some(&"heartbeat 1".to_owned()));
    story.input(1_000, ClusterInput::Sent);
    let claims = || {
        let (number, claim) = (7, claim());
        BusMessageBody::Claims(vec![NumberedClaim { number, claim }])
    };
    assert_eq!(story.received(1_900, OTHER, claims()), ["answer 7 of 2"]);
    // The heartbeat of this node has needed more than a second so far.
    let number = 8;
    let late = BusMessageBody::Claims(vec![NumberedClaim {
        number,
        claim: claim(),
    }]);
    assert!(
        story
            .received(2_000, OTHER, late)
            .iter()
            .all(|effect| !effect.starts_with("answer"))
    );
}

#[test]
fn peers_are_known_when_the_bus_is_connected_again() {
    let mut story = NodeStory::with_peers();
    story.input(100, ClusterInput::Disconnected);
    assert_eq!(story.claim(200, 0), ["claim 0 BusDown"]);
    assert_eq!(story.tick(1_100).first(), Some(&"connect".to_owned()));
    story.input(1_200, ClusterInput::Connected);
    story.input(1_200, ClusterInput::Sent);
    assert_eq!(story.claim(1_250, 1), ["send claims [1] answers []"]);
}
