//! What happens in a step.

use vaultcast::{
    gateway::relay::machine::RelayInput,
    vault::{
        VaultError,
        machine::{BatchOutcome, VaultInput},
    },
};

use crate::{
    log::Log,
    mistakes::Mistake,
    node::{ClientPresence, Heartbeat, Packet, Request, SocketAddress, Transport},
    vault_copy::Interest,
    vault_shell::CommitReport,
    world::{Lock, World},
};

use super::Step;
impl World {
    /// Lets a step happen.
    pub fn apply(&mut self, step: Step, log: &mut Log) {
        log.line(|| format!("{step:?}"));
        match step {
            Step::OpenVault { node, vault } => self.open_vault(node, vault, log),
            Step::HandleVaultMessage { node, vault } => self.handle_vault_message(node, vault, log),
            Step::ExecuteRead { node, vault, index } => self.execute_read(node, vault, index),
            Step::FailRead { node, vault, index } => {
                self.budget.read_faults -= 1;
                self.losses += 1;
                self.disturbances[vault] += 1;
                self.fail_read(node, vault, index);
            }
            Step::DeliverResult { node, vault, index } => {
                self.deliver_result(node, vault, index, log);
            }
            Step::DeliverOutcome { node, vault } => self.deliver_outcome(node, vault, log),
            Step::WakeVault { node, vault } => {
                self.budget.wake_ups = self.budget.wake_ups.saturating_sub(1);
                self.wake_vault(node, vault, log);
            }
            Step::PanicVault { node, vault } => {
                self.budget.panics -= 1;
                self.end_vault(node, vault);
            }
            Step::Lock { transaction } => self.transactions[transaction].lock = Lock::Held,
            Step::Commit { transaction } => self.commit(transaction, CommitReport::Received),
            Step::LoseCommit { transaction } => {
                self.budget.transaction_faults -= 1;
                self.commit(transaction, CommitReport::Lost);
            }
            Step::Fail { transaction } => {
                self.budget.transaction_faults -= 1;
                let transaction = self.transactions.remove(transaction);
                self.report_outcome(transaction, BatchOutcome::Failed(VaultError::Unavailable));
            }
            Step::LoseRollback { transaction } => {
                self.budget.transaction_faults -= 1;
                let transaction = self.transactions.remove(transaction);
                self.report_outcome(transaction, BatchOutcome::Unknown);
            }
            Step::HandleRelayMessage { node, relay } => self.handle_relay_message(node, relay, log),
            Step::OutboxDrained { address } => {
                let SocketAddress {
                    node,
                    relay,
                    socket,
                } = address;
                self.nodes[node].relays[relay].awaiting_room.remove(&socket);
                self.relay_input(node, relay, RelayInput::OutboxDrained { socket }, log);
            }
            Step::WakeRelay { node, relay } => {
                self.budget.wake_ups = self.budget.wake_ups.saturating_sub(1);
                self.wake_relay(node, relay, log);
            }
            Step::PanicRelay { node, relay } => {
                self.budget.panics -= 1;
                self.panic_relay(node, relay, log);
            }
            Step::Receive { address } => self.receive(address, log),
            Step::EndConnection { address } => self.end_connection(address, log),
            Step::Ping { address } => {
                self.budget.pings -= 1;
                let confirms = self.config.mistake == Some(Mistake::ConfirmAtPing);
                if let Some(connection) = self.connection_mut(address) {
                    connection.trace.record_ping();
                    connection.heartbeat = Heartbeat::Outstanding;
                    if confirms {
                        connection.trace.record_pong();
                    }
                }
                self.push_packet(address, Packet::Ping);
            }
            Step::Read { client } => self.read_packet(client, log),
            Step::Connect {
                client,
                node,
                relay,
            } => self.connect(client, node, relay, log),
            Step::ContinueClaim { node, claim } => self.continue_claim(node, claim, log),
            Step::EndClaim { node, claim } => self.end_claim(node, claim),
            Step::AbandonConnect { client } => {
                self.budget.cuts -= 1;
                if let Some((node, claim)) = self.clients[client].connecting.take()
                    && let Some(connect) = self.nodes[node].claims.get_mut(&claim)
                {
                    connect.waiting = ClientPresence::Gone;
                }
            }
            Step::Cut { client } => {
                self.budget.cuts -= 1;
                if let Some(address) = self.clients[client].connection.take()
                    && let Some(connection) = self.connection_mut(address)
                {
                    connection.transport = Transport::Closing;
                    connection.outbox.clear();
                }
            }
            Step::Join {
                client,
                vault,
                since,
            } => self.join(client, vault, since),
            Step::Leave { client, vault } => {
                self.budget.leaves -= 1;
                self.clients[client].copy(vault).interest = Interest::Leaving;
                self.send(client, Request::Leave { vault });
            }
            Step::Mutate {
                client,
                vault,
                change,
            } => self.mutate(client, vault, change),
            Step::ReportWaitingHints { node } => self.report_waiting_hints(node, log),
            Step::CompleteBus { node } => self.complete_bus(node, log),
            Step::DeliverMessage { node } => self.deliver_message(node, log),
            Step::LoseMessage { node } => {
                self.budget.hint_faults -= 1;
                self.lose_message(node);
            }
            Step::RepeatMessage { node } => {
                self.budget.hint_faults -= 1;
                self.repeat_message(node);
            }
            Step::BreakSession { node } => {
                self.budget.bus_faults = self.budget.bus_faults.saturating_sub(1);
                self.break_session(node, log);
            }
            Step::SetBus { service } => {
                self.budget.bus_faults -= 1;
                self.bus = service;
            }
            Step::ReadHeads { node } => self.read_heads(node),
            Step::EndSweep { node } => self.end_sweep(node, log),
            Step::FailSweep { node } => {
                self.budget.read_faults -= 1;
                self.fail_sweep(node, log);
            }
            Step::ReportRewound { node, vault } => {
                self.budget.hint_faults -= 1;
                self.report_rewound(node, vault, log);
            }
            Step::WakeLink { node } => {
                self.budget.link_wake_ups -= 1;
                self.wake_link(node, log);
            }
            Step::UnloadVault { node, vault } => {
                self.budget.unloads -= 1;
                self.unload_vault(node, vault, log);
            }
            Step::Trim { vault } => {
                self.budget.trims -= 1;
                self.losses += 1;
                let rows = &mut self.database.vaults[vault];
                rows.trimmed = rows.head() - 1;
                self.disturbances[vault] += 1;
            }
            Step::Crash { node } => {
                self.budget.crashes -= 1;
                self.crash(node, log);
            }
        }
    }

    fn wake_vault(&mut self, node: usize, vault: usize, log: &mut Log) {
        let sinks: Vec<_> = self.nodes[node]
            .relays
            .iter()
            .map(|relay| relay.sink)
            .collect();
        let actor = self.vault_actor(node, vault);
        let Some(time) = actor.wake_at.take() else {
            return;
        };
        self.now = self.now.max(time);
        let gone = self
            .ended_sinks
            .iter()
            .copied()
            .filter(|sink| !sinks.contains(sink));
        for sink in gone.collect::<Vec<_>>() {
            self.vault_input(node, vault, VaultInput::SinkClosed(sink), log);
        }
        self.vault_input(node, vault, VaultInput::Tick, log);
    }

    fn wake_relay(&mut self, node: usize, relay: usize, log: &mut Log) {
        if let Some(time) = self.nodes[node].relays[relay].wake_at.take() {
            self.now = self.now.max(time);
            for disturbances in &mut self.disturbances {
                *disturbances += 1;
            }
            self.relay_input(node, relay, RelayInput::Tick, log);
        }
    }

    fn panic_relay(&mut self, node: usize, relay: usize, log: &mut Log) {
        let sockets: Vec<_> = self.nodes[node].relays[relay]
            .connections
            .keys()
            .copied()
            .collect();
        for socket in sockets {
            self.end_connection(
                SocketAddress {
                    node,
                    relay,
                    socket,
                },
                log,
            );
        }
        let replacement = self.new_relay();
        let ended = std::mem::replace(&mut self.nodes[node].relays[relay], replacement);
        self.ended_sinks.push(ended.sink);
    }

    fn unload_vault(&mut self, node: usize, vault: usize, log: &mut Log) {
        if self.config.mistake == Some(Mistake::UnloadUsedVault) {
            self.nodes[node].vaults.remove(&vault);
        } else {
            self.vault_input(node, vault, VaultInput::Unload, log);
        }
    }

    fn crash(&mut self, node: usize, log: &mut Log) {
        self.transactions
            .retain(|transaction| transaction.node != node);
        for client in &mut self.clients {
            if client
                .connection
                .is_some_and(|address| address.node == node)
            {
                client.connection = None;
            }
            if client.connecting.is_some_and(|(other, _)| other == node) {
                client.connecting = None;
            }
        }
        for disturbances in &mut self.disturbances {
            *disturbances += 1;
        }
        self.replace_node(node, log);
    }
}
