//! Three nodes that claim one pid, with a modelled database and bus: wherever the state is, it is used once, and a claim finds it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use proptest::{collection::vec, prelude::*};

use super::story::{WINDOW, state, user, vault};
use crate::{
    cluster::{ClaimAnswer, PeerClaim},
    domain::{MonotonicTime, Seq},
    gateway::{
        offset::Offset,
        recovery::{RecoveryState, StoredRecoveryState, machine::*},
        relay::machine::RelayId,
    },
};

const NODES: usize = 3;
const PID: &str = "p";

/// What happens next.
#[derive(Clone, Copy, Debug)]
enum NodesStep {
    /// A client with the pid connects.
    Connect { node: usize },
    /// One of the actions that are possible.
    Act { choice: usize },
    /// The connection is lost.
    Cut,
    /// The client of a claim is gone.
    Leave { choice: usize },
    /// The answers that are waited for do not come in time.
    TimeOut,
    /// The next write of a state fails.
    FailToStore,
}

/// A claim at a node.
type ClaimAt = (usize, ClaimId);

/// Something that has begun and not ended.
#[derive(Clone, Debug)]
enum NodeAction {
    Client {
        at: ClaimAt,
        step: ClaimStep,
    },
    Peer {
        at: ClaimAt,
        step: PeerClaimStep,
    },
    Claim {
        to: usize,
        from: ClaimAt,
        claim: PeerClaim,
    },
    Answer {
        to: ClaimAt,
        from: usize,
        answer: ClaimAnswer,
    },
}

struct ModelNodes {
    now: MonotonicTime,
    machines: Vec<RecoveryMachine>,
    actions: Vec<NodeAction>,
    /// The nodes that have not answered a claim.
    asking: BTreeMap<ClaimAt, BTreeSet<usize>>,
    /// The claims of clients that wait.
    clients: BTreeSet<ClaimAt>,
    /// Which node has asked.
    askers: BTreeMap<ClaimAt, ClaimAt>,
    row: Option<StoredRecoveryState>,
    /// Where the client is connected.
    connected: Option<usize>,
    next_claim: u64,
    /// Counts the states. Each has its number as the id of its socket.
    states: u64,
    used: BTreeSet<String>,
    /// The next write of a state fails.
    fails_to_store: bool,
}

fn nodes_step() -> impl Strategy<Value = NodesStep> {
    prop_oneof![
        3 => (0..NODES).prop_map(|node| NodesStep::Connect { node }),
        20 => any::<usize>().prop_map(|choice| NodesStep::Act { choice }),
        1 => Just(NodesStep::Cut),
        1 => any::<usize>().prop_map(|choice| NodesStep::Leave { choice }),
        1 => Just(NodesStep::TimeOut),
        1 => Just(NodesStep::FailToStore),
    ]
}

impl ModelNodes {
    fn new() -> Self {
        let options = RecoveryOptions {
            window: WINDOW,
            epoch: "epoch".into(),
            bounds: StateBounds::default(),
            scope: ClaimScope::AllNodes,
        };
        let mut nodes = Self {
            now: MonotonicTime::default(),
            machines: vec![RecoveryMachine::new(options); NODES],
            actions: Vec::new(),
            asking: BTreeMap::new(),
            clients: BTreeSet::new(),
            askers: BTreeMap::new(),
            row: None,
            connected: None,
            next_claim: 0,
            states: 0,
            used: BTreeSet::new(),
            fails_to_store: false,
        };
        nodes.register(0);
        nodes
    }

    fn input(&mut self, node: usize, input: RecoveryInput) {
        let mut effects = Vec::new();
        self.machines[node].handle(input, self.now, &mut effects);
        for effect in effects {
            match effect {
                RecoveryEffect::Claim { id, step } => {
                    let at = (node, id);
                    // The read goes on without its client.
                    if self.clients.contains(&at) || matches!(step, ClaimStep::ReadStored { .. }) {
                        self.actions.push(NodeAction::Client { at, step });
                    }
                }
                RecoveryEffect::PeerClaim { id, step } => {
                    self.actions.push(NodeAction::Peer {
                        at: (node, id),
                        step,
                    });
                }
                RecoveryEffect::Evicted(_) => panic!("the bounds are large"),
            }
        }
    }

    fn register(&mut self, node: usize) {
        assert_eq!(
            self.connected.replace(node),
            None,
            "one connection at a time"
        );
        let (pid, relay) = (PID.to_owned(), RelayId(0));
        self.input(node, RecoveryInput::Register { pid, relay });
    }

    /// Ends the connection if it is at this node, and saves its state.
    fn close(&mut self, node: usize) {
        if self.connected == Some(node) {
            self.connected = None;
            self.states += 1;
            let state = RecoveryState {
                id: self.states.to_string(),
                ..state("ana")
            };
            let pid = PID.to_owned();
            self.input(node, RecoveryInput::Save { pid, state });
        }
    }

    fn apply(&mut self, step: NodesStep) {
        match step {
            NodesStep::Connect { node } => {
                self.connect(node);
            }
            NodesStep::Act { choice } => {
                if !self.actions.is_empty() {
                    let action = self.actions.remove(choice % self.actions.len());
                    self.perform(action);
                }
            }
            NodesStep::Cut => {
                if let Some(node) = self.connected {
                    self.close(node);
                }
            }
            NodesStep::Leave { choice } => {
                let choice = choice % self.clients.len().max(1);
                if let Some(at) = self.clients.iter().nth(choice).copied() {
                    self.end_client(at);
                }
            }
            NodesStep::FailToStore => self.fails_to_store = true,
            NodesStep::TimeOut => {
                self.now = self.now + Duration::from_secs(1);
                for at in std::mem::take(&mut self.asking).into_keys() {
                    self.answered(at, ClaimAnswer::NotHere);
                }
            }
        }
    }

    fn connect(&mut self, node: usize) -> ClaimAt {
        let id = ClaimId(self.next_claim);
        self.next_claim += 1;
        self.clients.insert((node, id));
        let claim = PidClaim {
            pid: PID.to_owned(),
            user: user("ana"),
            offset: Some(Offset::for_event(&vault(), Seq(8))),
        };
        self.input(node, RecoveryInput::Claim { id, claim });
        (node, id)
    }

    fn end_client(&mut self, at: ClaimAt) {
        self.clients.remove(&at);
        self.asking.remove(&at);
        self.actions.retain(|action| match action {
            NodeAction::Client { at: other, step } => {
                *other != at || matches!(step, ClaimStep::ReadStored { .. })
            }
            NodeAction::Peer { .. } | NodeAction::Claim { .. } | NodeAction::Answer { .. } => true,
        });
        let (node, id) = at;
        self.input(node, RecoveryInput::End { id });
    }

    fn answered(&mut self, at: ClaimAt, answer: ClaimAnswer) {
        self.asking.remove(&at);
        let (node, id) = at;
        let answer = Some(answer);
        self.input(node, RecoveryInput::PeersAnswered { id, answer });
    }

    fn perform(&mut self, action: NodeAction) {
        match action {
            NodeAction::Client { at, step } => self.perform_client(at, step),
            NodeAction::Peer { at, step } => self.perform_peer(at, step),
            NodeAction::Claim { to, from, claim } => {
                let id = ClaimId(self.next_claim);
                self.next_claim += 1;
                self.askers.insert((to, id), from);
                let until = self.now + Duration::from_secs(1);
                self.input(to, RecoveryInput::PeerClaim { id, claim, until });
            }
            NodeAction::Answer { to, from, answer } => {
                let Some(waits_for) = self.asking.get_mut(&to) else {
                    return;
                };
                waits_for.remove(&from);
                if waits_for.is_empty() || answer == ClaimAnswer::HandedOver {
                    self.answered(to, answer);
                }
            }
        }
    }

    fn perform_client(&mut self, at: ClaimAt, step: ClaimStep) {
        let (node, id) = at;
        match step {
            ClaimStep::TakeOver { .. } => {
                self.close(node);
                let outcome = TakeOverOutcome::Handled;
                self.input(node, RecoveryInput::TakenOver { id, outcome });
            }
            ClaimStep::ReadStored { .. } => {
                let stored = self.row.take();
                self.input(node, RecoveryInput::StoredRead { id, stored });
            }
            ClaimStep::AskPeers(claim) => {
                let others: BTreeSet<_> = (0..NODES).filter(|other| *other != node).collect();
                for to in others.iter().copied() {
                    let claim = claim.clone();
                    self.actions.push(NodeAction::Claim {
                        to,
                        from: at,
                        claim,
                    });
                }
                self.asking.insert(at, others);
            }
            ClaimStep::CheckEvents { .. } => {
                let events = MissedEvents::Available;
                self.input(node, RecoveryInput::EventsChecked { id, events });
            }
            ClaimStep::Granted { socket, .. } => {
                assert!(self.used.insert(socket), "a state is used once");
                self.input(node, RecoveryInput::Confirm { id });
                self.register(node);
                self.end_client(at);
            }
            ClaimStep::Refused(_) => self.end_client(at),
        }
    }

    fn perform_peer(&mut self, (node, id): ClaimAt, step: PeerClaimStep) {
        match step {
            PeerClaimStep::TakeOver { .. } => {
                self.close(node);
                let outcome = TakeOverOutcome::Handled;
                self.input(node, RecoveryInput::TakenOver { id, outcome });
            }
            PeerClaimStep::StoreState { .. } if std::mem::take(&mut self.fails_to_store) => {
                let outcome = StoreOutcome::NotWritten;
                self.input(node, RecoveryInput::StateStored { id, outcome });
            }
            PeerClaimStep::StoreState { stored, .. } => {
                assert_eq!(self.row.replace(*stored), None, "there is one state");
                let outcome = StoreOutcome::Stored;
                self.input(node, RecoveryInput::StateStored { id, outcome });
            }
            PeerClaimStep::Answer(answer) => {
                let to = self.askers.remove(&(node, id)).unwrap();
                let from = node;
                self.actions.push(NodeAction::Answer { to, from, answer });
                self.input(node, RecoveryInput::End { id });
            }
        }
    }

    /// Performs all that has begun.
    fn finish(&mut self) {
        for performed in 0.. {
            assert!(performed < 10_000, "the claims end");
            if self.actions.is_empty() {
                break;
            }
            let action = self.actions.remove(0);
            self.perform(action);
        }
        assert!(self.clients.is_empty() && self.asking.is_empty() && self.askers.is_empty());
    }
}

proptest! {
    #[test]
    fn a_state_is_used_once_and_never_lost(steps in vec(nodes_step(), 0..200), node in 0..NODES) {
        let mut nodes = ModelNodes::new();
        let mut end = WINDOW.as_secs() / 2;
        for step in steps {
            if let NodesStep::TimeOut = step {
                if end == 0 {
                    continue; // the state would expire
                }
                end -= 1;
            }
            nodes.apply(step);
        }
        nodes.fails_to_store = false;
        nodes.finish();
        nodes.connect(node);
        nodes.finish();
        prop_assert_eq!(nodes.connected, Some(node), "the last client is recovered");
    }
}
