//! Several nodes with a modelled bus and journal: whatever is lost, cut or delayed, every node knows the journal's head soon
//! after the last commit, and hints never leave more often than allowed.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use proptest::{collection::vec, prelude::*};

use crate::{
    cluster::{
        hint_queue::QueuedHints,
        message::{BusMessage, BusMessageBody, ClaimAnswer, ClaimKey, ClaimSupport, NodeId},
        pid_hash::{PeerClaim, PidHash},
    },
    domain::{MonotonicTime, Seq, UserId, VaultHead, VaultId},
    journal::JournalHeads,
};

use super::{
    BusUse, CLAIM_TIMEOUT, ClaimOutcome, ClusterEffect, ClusterInput, ClusterMachine,
    state::{HINT_INTERVAL, SWEEP_INTERVAL},
};

const NODES: usize = 3;
const EPOCH: &str = "epoch";

/// What happens next.
#[derive(Clone, Copy, Debug)]
enum FaultStep {
    Commit {
        node: usize,
    },
    /// The oldest message on its way to a node arrives, is lost, or arrives and is repeated.
    Deliver {
        node: usize,
    },
    Lose {
        node: usize,
    },
    Repeat {
        node: usize,
    },
    /// A node's connection to the bus is lost, with what is on its way there.
    Cut {
        node: usize,
    },
    /// A sweep that is running ends, or fails.
    Sweep {
        node: usize,
    },
    FailSweep {
        node: usize,
    },
    /// The bus accepts what a node has sent.
    Accept {
        node: usize,
    },
    /// A client of a node claims a connection of another one.
    Claim {
        node: usize,
    },
    /// A node answers the claim that it works on.
    Answer {
        node: usize,
        answer: ClaimAnswer,
    },
    Pass {
        millis: u64,
    },
}

fn heartbeat(number: u64) -> BusMessageBody {
    let claims = ClaimSupport::Answers;
    BusMessageBody::Heartbeat { number, claims }
}

/// Returns the input for a message whose hints are delayed by a time that depends on its sender.
fn received(message: BusMessage) -> ClusterInput {
    let jitter = Duration::from_millis(message.sender.0 % 4);
    ClusterInput::Received { message, jitter }
}

fn fault_step() -> impl Strategy<Value = FaultStep> {
    let node = 0..NODES;
    let answer = prop_oneof![Just(ClaimAnswer::HandedOver), Just(ClaimAnswer::NotHere)];
    prop_oneof![
        6 => node.clone().prop_map(|node| FaultStep::Commit { node }),
        6 => node.clone().prop_map(|node| FaultStep::Deliver { node }),
        2 => node.clone().prop_map(|node| FaultStep::Lose { node }),
        1 => node.clone().prop_map(|node| FaultStep::Repeat { node }),
        1 => node.clone().prop_map(|node| FaultStep::Cut { node }),
        3 => node.clone().prop_map(|node| FaultStep::Sweep { node }),
        1 => node.clone().prop_map(|node| FaultStep::FailSweep { node }),
        6 => node.clone().prop_map(|node| FaultStep::Accept { node }),
        4 => node.clone().prop_map(|node| FaultStep::Claim { node }),
        4 => (node, answer).prop_map(|(node, answer)| FaultStep::Answer { node, answer }),
        6 => (0..20_u64).prop_map(|millis| FaultStep::Pass { millis }),
        1 => (0..3_000_u64).prop_map(|millis| FaultStep::Pass { millis }),
    ]
}

struct ModelNode {
    machine: ClusterMachine,
    queue: QueuedHints,
    /// The head that the subscribers of this node have received.
    head: u64,
    is_connecting: bool,
    is_connected: bool,
    /// What the bus has not accepted yet.
    sending: Option<Vec<BusMessageBody>>,
    /// Messages on their way to this node.
    incoming: VecDeque<BusMessage>,
    is_sweeping: bool,
    /// The claims of other nodes that this one works on.
    answering: Vec<ClaimKey>,
    last_hints: Option<MonotonicTime>,
}

struct ModelCluster {
    now: MonotonicTime,
    vault: VaultId,
    journal: u64,
    nodes: Vec<ModelNode>,
    /// The claims that have not ended, and when they began.
    claims: BTreeMap<ClaimKey, MonotonicTime>,
    next_claim: u64,
    /// The claims that were answered with yes.
    handed_over: BTreeSet<ClaimKey>,
}

impl ModelCluster {
    fn new() -> Self {
        let now = MonotonicTime::default();
        let node = |number| ModelNode {
            machine: ClusterMachine::new(NodeId(number), EPOCH, BusUse::On, now),
            queue: QueuedHints::default(),
            head: 0,
            is_connecting: false,
            is_connected: false,
            sending: None,
            incoming: VecDeque::new(),
            is_sweeping: false,
            answering: Vec::new(),
            last_hints: None,
        };
        let mut cluster = Self {
            now,
            vault: VaultId::parse("cvault00001").unwrap(),
            journal: 0,
            nodes: (0..NODES as u64).map(node).collect(),
            claims: BTreeMap::new(),
            next_claim: 0,
            handed_over: BTreeSet::new(),
        };
        for node in 0..NODES {
            cluster.input(node, ClusterInput::Tick);
        }
        cluster
    }

    fn head(&self, head: u64) -> VaultHead {
        VaultHead {
            vault: self.vault.clone(),
            head: Seq(head),
        }
    }

    fn input(&mut self, number: usize, input: ClusterInput) {
        let mut effects = VecDeque::new();
        let node = &mut self.nodes[number];
        node.machine.handle(input, self.now, &mut effects);
        for effect in effects {
            let node = &mut self.nodes[number];
            match effect {
                ClusterEffect::Connect => {
                    node.is_connecting = true;
                    node.is_connected = false;
                    node.sending = None;
                    node.incoming.clear();
                }
                ClusterEffect::SendHeartbeat(number) => {
                    assert!(node.is_connected && node.sending.is_none());
                    node.sending = Some(vec![heartbeat(number)]);
                }
                ClusterEffect::SendHints => {
                    assert!(node.is_connected && node.sending.is_none());
                    if let Some(last) = node.last_hints.replace(self.now) {
                        assert!(self.now.since(last) >= HINT_INTERVAL);
                    }
                    let hints = std::mem::take(&mut node.queue).into_hints();
                    node.machine.hints_taken(&hints);
                    node.sending = Some(vec![BusMessageBody::Heads(hints)]);
                }
                ClusterEffect::SendClaims { claims, answers } => {
                    assert!(node.is_connected && node.sending.is_none());
                    let claims = BusMessageBody::Claims(claims);
                    node.sending = Some(vec![BusMessageBody::Answers(answers), claims]);
                }
                ClusterEffect::EndClaim {
                    number: claim,
                    outcome,
                } => {
                    let key = ClaimKey {
                        node: NodeId(number as u64),
                        number: claim,
                    };
                    assert!(self.claims.remove(&key).is_some(), "a claim ends once");
                    let is_handed_over = self.handed_over.contains(&key);
                    assert!(outcome != ClaimOutcome::HandedOver || is_handed_over);
                }
                ClusterEffect::AnswerClaim { key, .. } => node.answering.push(key),
                ClusterEffect::RecordRefusedClaim => {}
                ClusterEffect::DropHints | ClusterEffect::SkipHints => {
                    node.queue = QueuedHints::default();
                }
                ClusterEffect::Sweep => {
                    assert!(!node.is_sweeping, "one sweep at a time");
                    node.is_sweeping = true;
                }
                // The read that follows is of the journal, which is at the hinted head at least.
                ClusterEffect::MoveHead(hint) => {
                    assert!(hint.head.0 <= self.journal);
                    node.head = node.head.max(self.journal);
                }
                ClusterEffect::ReportUp
                | ClusterEffect::ReportDown
                | ClusterEffect::RecordLag(_)
                | ClusterEffect::RecordLost(_)
                | ClusterEffect::CheckHead(_)
                | ClusterEffect::ReplaceEpoch(_) => {}
            }
        }
    }

    fn apply(&mut self, step: FaultStep) {
        match step {
            FaultStep::Commit { node } => {
                self.journal += 1;
                let hint = self.head(self.journal);
                self.nodes[node].head = self.journal;
                let was_empty = self.nodes[node].queue == QueuedHints::default();
                self.nodes[node].queue.add(hint);
                if was_empty {
                    self.input(node, ClusterInput::HintsWaiting);
                }
            }
            FaultStep::Deliver { node } => {
                if let Some(message) = self.nodes[node].incoming.pop_front() {
                    self.input(node, received(message));
                }
            }
            FaultStep::Lose { node } => drop(self.nodes[node].incoming.pop_front()),
            FaultStep::Repeat { node } => {
                if let Some(message) = self.nodes[node].incoming.front().cloned() {
                    self.input(node, received(message));
                }
            }
            FaultStep::Cut { node } => {
                let cut = &mut self.nodes[node];
                if cut.is_connecting || cut.is_connected {
                    (cut.is_connecting, cut.is_connected) = (false, false);
                    cut.sending = None;
                    cut.incoming.clear();
                    self.input(node, ClusterInput::Disconnected);
                }
            }
            FaultStep::Sweep { node } => self.end_sweep(node),
            FaultStep::FailSweep { node } => {
                if std::mem::take(&mut self.nodes[node].is_sweeping) {
                    self.input(node, ClusterInput::Swept(None));
                }
            }
            FaultStep::Accept { node } => self.accept(node),
            FaultStep::Claim { node } => {
                let number = self.next_claim;
                self.next_claim += 1;
                let key = ClaimKey {
                    node: NodeId(node as u64),
                    number,
                };
                self.claims.insert(key, self.now);
                let claim = PeerClaim {
                    pid: PidHash(7),
                    user: UserId::new("ana").unwrap(),
                };
                self.input(node, ClusterInput::ClaimRequested { number, claim });
            }
            FaultStep::Answer { node, answer } => {
                if let Some(key) = self.nodes[node].answering.pop() {
                    if answer == ClaimAnswer::HandedOver {
                        self.handed_over.insert(key);
                    }
                    self.input(node, ClusterInput::ClaimAnswered { key, answer });
                }
            }
            FaultStep::Pass { millis } => {
                self.now = self.now + Duration::from_millis(millis);
                for node in 0..NODES {
                    self.input(node, ClusterInput::Tick);
                }
                for began in self.claims.values() {
                    assert!(self.now.since(*began) < CLAIM_TIMEOUT);
                }
            }
        }
    }

    fn end_sweep(&mut self, node: usize) {
        if std::mem::take(&mut self.nodes[node].is_sweeping) {
            let is_behind = self.nodes[node].head < self.journal;
            let heads = JournalHeads {
                epoch: EPOCH.to_owned(),
                changed: is_behind
                    .then(|| self.head(self.journal))
                    .into_iter()
                    .collect(),
                rewound: Vec::new(),
            };
            self.input(node, ClusterInput::Swept(Some(heads)));
        }
    }

    /// Completes what a node waits for on the bus.
    fn accept(&mut self, node: usize) {
        if std::mem::take(&mut self.nodes[node].is_connecting) {
            self.nodes[node].is_connected = true;
            return self.input(node, ClusterInput::Connected);
        }
        let Some(bodies) = self.nodes[node].sending.take() else {
            return;
        };
        for body in bodies {
            let message = BusMessage {
                sender: NodeId(node as u64),
                epoch: EPOCH.to_owned(),
                body,
            };
            for receiver in self.nodes.iter_mut().filter(|node| node.is_connected) {
                receiver.incoming.push_back(message.clone());
            }
        }
        self.input(node, ClusterInput::Sent);
    }

    /// Lets a time pass in which nothing fails: messages arrive and sweeps end within a millisecond.
    fn pass_without_faults(&mut self, duration: Duration) {
        let end = self.now + duration;
        while self.now < end {
            for node in 0..NODES {
                self.accept(node);
                while let Some(message) = self.nodes[node].incoming.pop_front() {
                    self.input(node, received(message));
                }
                self.end_sweep(node);
            }
            self.apply(FaultStep::Pass { millis: 1 });
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_node_reaches_the_head_within_a_sweep_after_the_last_fault(steps in vec(fault_step(), 0..300)) {
        let mut cluster = ModelCluster::new();
        for step in steps {
            cluster.apply(step);
        }
        cluster.pass_without_faults(SWEEP_INTERVAL + Duration::from_millis(50));
        for node in &cluster.nodes {
            prop_assert_eq!(node.head, cluster.journal);
        }
    }

    #[test]
    fn claims_are_answered_while_the_bus_works(node in 0..NODES, answers in vec(any::<bool>(), NODES - 1)) {
        let mut cluster = ModelCluster::new();
        // Each node has received a heartbeat of each other.
        cluster.pass_without_faults(Duration::from_millis(1_100));
        cluster.apply(FaultStep::Claim { node });
        cluster.pass_without_faults(Duration::from_millis(5));
        let others = (0..NODES).filter(|other| *other != node);
        for (other, has_it) in others.zip(&answers) {
            prop_assert_eq!(cluster.nodes[other].answering.len(), 1);
            let answer = if *has_it { ClaimAnswer::HandedOver } else { ClaimAnswer::NotHere };
            cluster.apply(FaultStep::Answer { node: other, answer });
        }
        cluster.pass_without_faults(Duration::from_millis(5));
        prop_assert!(cluster.claims.is_empty());
    }

    #[test]
    fn hints_arrive_without_a_sweep_while_the_bus_works(commits in vec((0..NODES, 0..9_u64), 1..60)) {
        let mut cluster = ModelCluster::new();
        cluster.pass_without_faults(Duration::from_millis(20));
        for (node, pause) in commits {
            cluster.apply(FaultStep::Commit { node });
            cluster.apply(FaultStep::Pass { millis: pause });
            for node in 0..NODES {
                cluster.accept(node);
            }
        }
        // No sweep ends from here on.
        for _ in 0..3 * HINT_INTERVAL.as_millis() {
            for node in 0..NODES {
                cluster.accept(node);
                while let Some(message) = cluster.nodes[node].incoming.pop_front() {
                    cluster.input(node, received(message));
                }
            }
            cluster.apply(FaultStep::Pass { millis: 1 });
        }
        for node in &cluster.nodes {
            prop_assert_eq!(node.head, cluster.journal);
        }
    }
}
