//! The shell of the cluster machine in the simulation, and the modelled bus. It does what `src/cluster/node_link.rs` and
//! `src/cluster/session.rs` do. The events of other nodes reach a vault only by the effects of the machine.

mod bus;
mod link;
mod sweep;

use std::{collections::VecDeque, time::Duration};

use vaultcast::{
    cluster::{
        BusMessageBody, ClaimSupport, NodeId,
        machine::{BusUse, ClusterEffect, ClusterInput},
    },
    domain::{Seq, VaultHead},
    vault::machine::VaultInput,
};

use crate::{
    config::BusModel,
    log::Log,
    mistakes::Mistake,
    names::{vault_id, vault_index},
    node::Stage,
    promises::Promise,
    world::World,
};

pub use bus::BusService;
pub use link::{ClusterLink, LinkSession, QueueWakeUp, RunningSweep};

impl World {
    /// Returns the link of a new node, unless there is one node only.
    pub fn new_link(&mut self) -> Option<ClusterLink> {
        if self.config.nodes < 2 {
            return None;
        }
        let bus = match self.config.bus {
            BusModel::Off => BusUse::Off,
            BusModel::Prompt | BusModel::Slow => BusUse::On,
        };
        let id = NodeId(self.take_id());
        Some(ClusterLink::new(id, bus, self.now))
    }

    /// Starts the link of a node that was started.
    pub fn start_link(&mut self, node: usize, log: &mut Log) {
        self.cluster_input(node, ClusterInput::Tick, log);
        match self.config.bus {
            BusModel::Prompt => self.settle_link(node, log),
            BusModel::Off | BusModel::Slow => {}
        }
    }

    /// Gives an input to the cluster machine of a node and performs the effects in order.
    pub fn cluster_input(&mut self, node: usize, input: ClusterInput, log: &mut Log) {
        log.line(|| format!("    node {node}, cluster: {input:?}"));
        let now = self.now;
        let mut effects = VecDeque::new();
        if let Some(link) = &mut self.nodes[node].link {
            link.machine.handle(input, now, &mut effects);
        }
        for effect in effects {
            log.line(|| format!("        {effect:?}"));
            self.perform_cluster(node, effect, log);
        }
    }

    fn perform_cluster(&mut self, node: usize, effect: ClusterEffect, log: &mut Log) {
        let Some(link) = &mut self.nodes[node].link else {
            return;
        };
        match effect {
            ClusterEffect::Connect => {
                link.close_session();
                link.session = LinkSession::Connecting;
                self.complete_if_prompt(node, log);
            }
            ClusterEffect::SendHeartbeat(number) => {
                let claims = ClaimSupport::Answers;
                let message = link.message(BusMessageBody::Heartbeat { number, claims });
                self.send_to_bus(node, vec![message], log);
            }
            ClusterEffect::SendHints => {
                let hints = std::mem::take(&mut link.queue).into_hints();
                link.machine.hints_taken(&hints);
                let messages = match hints.is_empty() {
                    true => Vec::new(),
                    false => vec![link.message(BusMessageBody::Heads(hints))],
                };
                self.send_to_bus(node, messages, log);
            }
            ClusterEffect::DropHints => drop(std::mem::take(&mut link.queue)),
            ClusterEffect::SkipHints => {
                let hints = std::mem::take(&mut link.queue).into_hints();
                link.machine.hints_taken(&hints);
            }
            ClusterEffect::Sweep => self.begin_sweep(node),
            ClusterEffect::MoveHead(head) => self.move_head(node, &head, log),
            ClusterEffect::CheckHead(vault) => {
                if self.config.mistake != Some(Mistake::IgnoreRewoundHead) {
                    self.report_rewound(node, vault_index(&vault), log);
                }
            }
            ClusterEffect::ReplaceEpoch(epoch) => {
                self.fail(Promise::Invariants, format!("epoch {epoch}"));
            }
            // `recovery_shell.rs` lets nodes ask each other without a bus.
            ClusterEffect::SendClaims { .. }
            | ClusterEffect::EndClaim { .. }
            | ClusterEffect::AnswerClaim { .. }
            | ClusterEffect::RecordRefusedClaim => {
                self.fail(
                    Promise::Invariants,
                    "a claim on the modelled bus".to_owned(),
                );
            }
            ClusterEffect::ReportUp
            | ClusterEffect::ReportDown
            | ClusterEffect::RecordLag(_)
            | ClusterEffect::RecordLost(_) => {}
        }
    }

    /// Reports to a vault, if it is running, that the journal has reached a head.
    fn move_head(&mut self, node: usize, journal: &VaultHead, log: &mut Log) {
        let vault = vault_index(&journal.vault);
        let Some(actor) = self.nodes[node].vaults.get(&vault) else {
            return;
        };
        if actor.stage != Stage::Running {
            return;
        }
        let known = actor.machine.head().unwrap_or(Seq::ZERO);
        if journal.head > known {
            self.vault_input(node, vault, VaultInput::RemoteHead(journal.head), log);
        } else if journal.head < known && self.config.mistake == Some(Mistake::AcceptLowerHint) {
            self.vault_input(node, vault, VaultInput::HistoryReplaced, log);
        }
    }

    /// Reports to a vault, if it is running, that the journal had a lower head.
    pub fn report_rewound(&mut self, node: usize, vault: usize, log: &mut Log) {
        let actor = self.nodes[node].vaults.get(&vault);
        if actor.is_some_and(|actor| actor.stage == Stage::Running) {
            self.vault_input(node, vault, VaultInput::HeadWentBack, log);
        }
    }

    /// Puts the head that a commit of this node has moved into the queue of hints.
    pub fn queue_hint(&mut self, node: usize, vault: usize, head: Seq, log: &mut Log) {
        if self.config.bus == BusModel::Off {
            return; // nothing listens
        }
        let vault = vault_id(vault);
        let Some(link) = &mut self.nodes[node].link else {
            return;
        };
        if link.queue == Default::default() {
            link.wake_up = QueueWakeUp::Requested;
        }
        link.queue.add(VaultHead { vault, head });
        match self.config.bus {
            BusModel::Prompt => self.report_waiting_hints(node, log),
            BusModel::Off | BusModel::Slow => {}
        }
    }

    /// Reports to the machine that hints wait.
    pub fn report_waiting_hints(&mut self, node: usize, log: &mut Log) {
        if let Some(link) = &mut self.nodes[node].link {
            link.wake_up = QueueWakeUp::None;
            self.cluster_input(node, ClusterInput::HintsWaiting, log);
        }
    }

    /// Lets the time of the next deadline of a link come.
    pub fn wake_link(&mut self, node: usize, log: &mut Log) {
        let link = self.nodes[node].link.as_ref();
        if let Some(at) = link.and_then(|link| link.machine.wake_at()) {
            self.now = self.now.max(at);
            self.cluster_input(node, ClusterInput::Tick, log);
        }
    }

    /// Lets time pass on all links.
    pub fn pass_on_links(&mut self, duration: Duration, log: &mut Log) {
        self.now = self.now + duration;
        for node in 0..self.nodes.len() {
            self.cluster_input(node, ClusterInput::Tick, log);
        }
    }
}
