//! What can happen next.

use vaultcast::gateway::relay::machine::RelaySocketId;

use crate::{
    cluster_shell::{BusService, LinkSession, QueueWakeUp, RunningSweep},
    config::BusModel,
    mistakes::Mistake,
    names::Change,
    node::{ClientPresence, Heartbeat, SocketAddress, Stage, Transport},
    vault_copy::Interest,
    world::{Lock, World},
};

use super::{Scope, Since, Step};
impl World {
    /// Returns what can happen next.
    pub fn steps(&self, scope: Scope) -> Vec<Step> {
        let mut steps = Vec::new();
        for node in 0..self.nodes.len() {
            self.vault_steps(node, scope, &mut steps);
            self.relay_steps(node, scope, &mut steps);
            self.claim_steps(node, &mut steps);
            self.link_steps(node, scope, &mut steps);
            if scope == Scope::All && self.budget.crashes > 0 {
                steps.push(Step::Crash { node });
            }
        }
        self.bus_steps(scope, &mut steps);
        self.transaction_steps(scope, &mut steps);
        for client in 0..self.clients.len() {
            self.client_steps(client, scope, &mut steps);
        }
        if scope == Scope::All && self.budget.trims > 0 {
            let vaults = self.database.vaults.iter().enumerate();
            let trimmable = vaults.filter(|(_, rows)| rows.trimmed + 1 < rows.head());
            steps.extend(trimmable.map(|(vault, _)| Step::Trim { vault }));
        }
        steps
    }

    fn vault_steps(&self, node: usize, scope: Scope, steps: &mut Vec<Step>) {
        for (vault, actor) in &self.nodes[node].vaults {
            let vault = *vault;
            match actor.stage {
                Stage::Opening => {
                    let may_open = self.config.mistake == Some(Mistake::SecondWriterLease)
                        || !self.has_transaction(node, vault);
                    if may_open {
                        steps.push(Step::OpenVault { node, vault });
                    }
                }
                Stage::Running | Stage::Ending => {
                    if !actor.mailbox.is_empty() {
                        steps.push(Step::HandleVaultMessage { node, vault });
                    }
                }
            }
            for index in 0..actor.reads.len() {
                steps.push(Step::ExecuteRead { node, vault, index });
                if scope == Scope::All && self.budget.read_faults > 0 {
                    steps.push(Step::FailRead { node, vault, index });
                }
            }
            for index in 0..actor.results.len() {
                steps.push(Step::DeliverResult { node, vault, index });
            }
            if actor.ended.is_some() {
                steps.push(Step::DeliverOutcome { node, vault });
            }
            if scope == Scope::All {
                if actor.wake_at.is_some() && self.budget.wake_ups > 0 {
                    steps.push(Step::WakeVault { node, vault });
                }
                if self.budget.panics > 0 {
                    steps.push(Step::PanicVault { node, vault });
                }
                if actor.stage == Stage::Running && self.budget.unloads > 0 {
                    steps.push(Step::UnloadVault { node, vault });
                }
            }
        }
    }

    fn relay_steps(&self, node: usize, scope: Scope, steps: &mut Vec<Step>) {
        for (relay, state) in self.nodes[node].relays.iter().enumerate() {
            if !state.mailbox.is_empty() {
                steps.push(Step::HandleRelayMessage { node, relay });
            }
            let address = |socket: &RelaySocketId| SocketAddress {
                node,
                relay,
                socket: *socket,
            };
            let awaiting = state.awaiting_room.iter().map(address);
            let drained = awaiting.filter(|address| self.has_room(*address));
            steps.extend(drained.map(|address| Step::OutboxDrained { address }));
            for (socket, connection) in &state.connections {
                let address = address(socket);
                match connection.transport {
                    Transport::Open if !connection.uplink.is_empty() => {
                        steps.push(Step::Receive { address });
                    }
                    Transport::Open => {}
                    Transport::Closing => steps.push(Step::EndConnection { address }),
                }
                if scope == Scope::All
                    && self.budget.pings > 0
                    && connection.transport == Transport::Open
                    && connection.heartbeat == Heartbeat::Answered
                {
                    steps.push(Step::Ping { address });
                }
            }
            if scope == Scope::All {
                if state.wake_at.is_some() && self.budget.wake_ups > 0 {
                    steps.push(Step::WakeRelay { node, relay });
                }
                if self.budget.panics > 0 && !state.connections.is_empty() {
                    steps.push(Step::PanicRelay { node, relay });
                }
            }
        }
    }

    fn claim_steps(&self, node: usize, steps: &mut Vec<Step>) {
        for (claim, connect) in &self.nodes[node].claims {
            let claim = *claim;
            if connect.step.is_some() {
                steps.push(Step::ContinueClaim { node, claim });
            }
            if connect.waiting == ClientPresence::Gone {
                steps.push(Step::EndClaim { node, claim });
            }
        }
    }

    fn transaction_steps(&self, scope: Scope, steps: &mut Vec<Step>) {
        for (index, transaction) in self.transactions.iter().enumerate() {
            let is_locked = self
                .transactions
                .iter()
                .any(|other| other.vault == transaction.vault && other.lock == Lock::Held);
            match transaction.lock {
                Lock::Waiting
                    if !is_locked || self.config.mistake == Some(Mistake::CommitWithoutLock) =>
                {
                    steps.push(Step::Lock { transaction: index });
                }
                Lock::Waiting => {}
                Lock::Held => {
                    steps.push(Step::Commit { transaction: index });
                    if scope == Scope::All && self.budget.transaction_faults > 0 {
                        steps.extend([
                            Step::Fail { transaction: index },
                            Step::LoseCommit { transaction: index },
                            Step::LoseRollback { transaction: index },
                        ]);
                    }
                }
            }
        }
    }

    fn client_steps(&self, index: usize, scope: Scope, steps: &mut Vec<Step>) {
        let client = &self.clients[index];
        let Some(address) = client.connection else {
            if client.connecting.is_some() {
                if scope == Scope::All && self.budget.cuts > 0 {
                    steps.push(Step::AbandonConnect { client: index });
                }
                return;
            }
            for node in 0..self.nodes.len() {
                for relay in 0..self.nodes[node].relays.len() {
                    steps.push(Step::Connect {
                        client: index,
                        node,
                        relay,
                    });
                }
            }
            return;
        };
        let Some(connection) = self.connection(address) else {
            return;
        };
        if !connection.outbox.is_empty() {
            steps.push(Step::Read { client: index });
        }
        for vault in 0..self.database.vaults.len() {
            let copy = client.copies.get(&vault).cloned().unwrap_or_default();
            if copy.needs_join() {
                let since = if copy.seq > 0 {
                    Since::LastSeen
                } else {
                    Since::Now
                };
                steps.push(Step::Join {
                    client: index,
                    vault,
                    since,
                });
            }
            if scope == Scope::Progress {
                continue;
            }
            if self.budget.joins > 0 && copy.interest != Interest::Leaving && copy.joins.len() < 2 {
                for since in [Since::Now, Since::LastSeen] {
                    steps.push(Step::Join {
                        client: index,
                        vault,
                        since,
                    });
                }
            }
            if self.budget.leaves > 0 && copy.interest == Interest::Subscribed {
                steps.push(Step::Leave {
                    client: index,
                    vault,
                });
            }
            let mutate = |change| Step::Mutate {
                client: index,
                vault,
                change,
            };
            if self.budget.mutations > 0 {
                steps.push(mutate(Change::Create));
            }
            if self.budget.membership_changes > 0 && index == 0 {
                let others = 1..self.clients.len();
                steps.extend(
                    others.flat_map(|other| {
                        [mutate(Change::Remove(other)), mutate(Change::Add(other))]
                    }),
                );
            }
            if self.budget.deletions > 0 && index == 0 {
                steps.push(mutate(Change::Delete));
            }
        }
        if scope == Scope::All && self.budget.cuts > 0 {
            steps.push(Step::Cut { client: index });
        }
    }
}

impl World {
    fn link_steps(&self, node: usize, scope: Scope, steps: &mut Vec<Step>) {
        let Some(link) = &self.nodes[node].link else {
            return;
        };
        match link.wake_up {
            QueueWakeUp::None => {}
            QueueWakeUp::Requested => steps.push(Step::ReportWaitingHints { node }),
        }
        if link.awaits_bus() {
            steps.push(Step::CompleteBus { node });
        }
        if self.bus == BusService::Down && link.session == LinkSession::Connected {
            steps.push(Step::BreakSession { node });
        }
        if !link.incoming.is_empty() {
            steps.push(Step::DeliverMessage { node });
        }
        match link.sweep {
            RunningSweep::None => {}
            RunningSweep::Requested(_) => steps.push(Step::ReadHeads { node }),
            RunningSweep::Read(_) => steps.push(Step::EndSweep { node }),
        }
        if scope == Scope::Progress {
            return;
        }
        if self.budget.hint_faults > 0 {
            if !link.incoming.is_empty() {
                steps.extend([Step::LoseMessage { node }, Step::RepeatMessage { node }]);
            }
            if self.config.bus != BusModel::Prompt {
                let vaults = self.nodes[node].vaults.keys();
                steps.extend(vaults.map(|vault| Step::ReportRewound {
                    node,
                    vault: *vault,
                }));
            }
        }
        if self.budget.bus_faults > 0 && link.session != LinkSession::Closed {
            steps.push(Step::BreakSession { node });
        }
        if self.budget.read_faults > 0 && link.sweep != RunningSweep::None {
            steps.push(Step::FailSweep { node });
        }
        if self.budget.link_wake_ups > 0 {
            steps.push(Step::WakeLink { node });
        }
    }

    fn bus_steps(&self, scope: Scope, steps: &mut Vec<Step>) {
        if scope == Scope::All && self.budget.bus_faults > 0 && self.config.bus == BusModel::Slow {
            let services = [BusService::Working, BusService::Silent, BusService::Down];
            let others = services.into_iter().filter(|service| *service != self.bus);
            steps.extend(others.map(|service| Step::SetBus { service }));
        }
    }
}
