//! The steps of a world: what can happen next, and what then happens.

use vaultcast::{
    domain::{Seq, SubscriberId},
    gateway::{
        recovery::machine::ClaimId,
        relay::machine::{RelayInput, RelaySocketId, SeatId},
    },
    vault::{
        Attach, VaultError,
        machine::{BatchOutcome, VaultInput},
    },
};

use crate::{
    client::SentJoin,
    log::Log,
    mistakes::Mistake,
    names::{Change, mutation, vault_id},
    node::{Caller, ClientPresence, Heartbeat, Packet, Request, SocketAddress, Stage, Transport},
    world::{Lock, SentMutation, World},
};

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    OpenVault {
        node: usize,
        vault: usize,
    },
    HandleVaultMessage {
        node: usize,
        vault: usize,
    },
    ExecuteRead {
        node: usize,
        vault: usize,
        index: usize,
    },
    FailRead {
        node: usize,
        vault: usize,
        index: usize,
    },
    DeliverResult {
        node: usize,
        vault: usize,
        index: usize,
    },
    DeliverOutcome {
        node: usize,
        vault: usize,
    },
    WakeVault {
        node: usize,
        vault: usize,
    },
    PanicVault {
        node: usize,
        vault: usize,
    },
    Lock {
        transaction: usize,
    },
    Commit {
        transaction: usize,
    },
    Fail {
        transaction: usize,
    },
    /// It commits, and its outcome is lost.
    LoseCommit {
        transaction: usize,
    },
    /// It does not commit, and its outcome is lost.
    LoseRollback {
        transaction: usize,
    },
    HandleRelayMessage {
        node: usize,
        relay: usize,
    },
    OutboxDrained {
        address: SocketAddress,
    },
    WakeRelay {
        node: usize,
        relay: usize,
    },
    PanicRelay {
        node: usize,
        relay: usize,
    },
    /// The service receives the next request of a socket.
    Receive {
        address: SocketAddress,
    },
    /// The service notices that a transport has ended.
    EndConnection {
        address: SocketAddress,
    },
    /// The service sends a ping.
    Ping {
        address: SocketAddress,
    },
    /// A client reads its next packet.
    Read {
        client: usize,
    },
    Connect {
        client: usize,
        node: usize,
        relay: usize,
    },
    /// A CONNECT that claims a former connection goes on.
    ContinueClaim {
        node: usize,
        claim: ClaimId,
    },
    /// The service notices that the client of a CONNECT is gone.
    EndClaim {
        node: usize,
        claim: ClaimId,
    },
    /// The transport of a CONNECT without an answer breaks.
    AbandonConnect {
        client: usize,
    },
    /// The connection of a client breaks, and the client notices first.
    Cut {
        client: usize,
    },
    Join {
        client: usize,
        vault: usize,
        since: Since,
    },
    Leave {
        client: usize,
        vault: usize,
    },
    Mutate {
        client: usize,
        vault: usize,
        change: Change,
    },
    DeliverHint {
        node: usize,
    },
    LoseHint {
        node: usize,
    },
    RepeatHint {
        node: usize,
    },
    Trim {
        vault: usize,
    },
    Crash {
        node: usize,
    },
}

/// Whether a join asks for the events that the client misses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Since {
    Now,
    LastSeen,
}

/// Which steps are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All of them.
    All,
    /// Those that happen sooner or later if nothing fails and no user does anything.
    Progress,
}

impl World {
    /// Returns what can happen next.
    pub fn steps(&self, scope: Scope) -> Vec<Step> {
        let mut steps = Vec::new();
        for node in 0..self.nodes.len() {
            self.vault_steps(node, scope, &mut steps);
            self.relay_steps(node, scope, &mut steps);
            self.claim_steps(node, &mut steps);
            if !self.nodes[node].hints.is_empty() {
                steps.push(Step::DeliverHint { node });
                if scope == Scope::All && self.budget.hint_faults > 0 {
                    steps.extend([Step::LoseHint { node }, Step::RepeatHint { node }]);
                }
            }
            if scope == Scope::All && self.budget.crashes > 0 {
                steps.push(Step::Crash { node });
            }
        }
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
            let may_wait = !copy.joins.is_empty() && !copy.sends_join_again;
            let needs_join = copy.wanted && copy.next.is_none() && !may_wait && !copy.leaving;
            if needs_join {
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
            if self.budget.joins > 0 && !copy.leaving && copy.joins.len() < 2 {
                for since in [Since::Now, Since::LastSeen] {
                    steps.push(Step::Join {
                        client: index,
                        vault,
                        since,
                    });
                }
            }
            if self.budget.leaves > 0 && copy.wanted && !copy.leaving {
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
            Step::Commit { transaction } => self.commit(transaction, Outcome::Reported),
            Step::LoseCommit { transaction } => {
                self.budget.transaction_faults -= 1;
                self.commit(transaction, Outcome::Lost);
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
                let copy = self.clients[client].copy(vault);
                (copy.leaving, copy.wanted) = (true, false);
                self.send(client, Request::Leave { vault });
            }
            Step::Mutate {
                client,
                vault,
                change,
            } => self.mutate(client, vault, change),
            Step::DeliverHint { node } => self.deliver_hint(node, log),
            Step::LoseHint { node } => {
                self.budget.hint_faults -= 1;
                self.nodes[node].hints.pop_front();
            }
            Step::RepeatHint { node } => {
                self.budget.hint_faults -= 1;
                let hint = self.nodes[node].hints.front().copied();
                self.nodes[node].hints.extend(hint);
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
                self.crash(node);
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

    fn commit(&mut self, index: usize, outcome: Outcome) {
        let transaction = self.transactions.remove(index);
        let vault = transaction.vault;
        let numbers: Vec<_> = transaction
            .callers
            .iter()
            .map(|(_, caller)| caller.mutation)
            .collect();
        let rows = &mut self.database.vaults[vault];
        if self.config.mistake == Some(Mistake::CommitWithoutLock) {
            rows.vault = transaction.batch.vault.clone();
        }
        let written = rows.commit(&transaction.batch, &numbers);
        if self.config.mistake == Some(Mistake::WriteTwiceAfterUnknown) && outcome == Outcome::Lost
        {
            rows.commit(&transaction.batch, &numbers);
        }
        self.check_journals();
        let head = self.database.vaults[vault].head();
        for node in 0..self.nodes.len() {
            if node != transaction.node {
                self.nodes[node].hints.push_back((vault, head));
            }
        }
        match outcome {
            Outcome::Reported => self.report_outcome(transaction, BatchOutcome::Written(written)),
            Outcome::Lost => self.report_outcome(transaction, BatchOutcome::Unknown),
        }
    }

    fn receive(&mut self, address: SocketAddress, log: &mut Log) {
        let Some(connection) = self.connection_mut(address) else {
            return;
        };
        let client = connection.client;
        let Some(request) = connection.uplink.pop_front() else {
            return;
        };
        let SocketAddress {
            node,
            relay,
            socket,
        } = address;
        log.line(|| format!("    client {client}: {request:?}"));
        match request {
            Request::Join { vault, attach } => {
                let known = connection.seats.get(&vault).copied();
                let id = &vault_id(vault);
                let machine = &self.nodes[node].relays[relay].machine;
                let known = known.filter(|seat| machine.is_subscribed(id, *seat));
                let subscriber = known.unwrap_or_else(|| SubscriberId(self.take_id()));
                if let Some(connection) = self.connection_mut(address) {
                    connection.seats.insert(vault, subscriber);
                }
                let join = RelayInput::Join {
                    vault: id,
                    seat: SeatId { socket, subscriber },
                    attach,
                    ack: None,
                };
                self.relay_input(node, relay, join, log);
            }
            Request::Leave { vault } => {
                if let Some(subscriber) = connection.seats.remove(&vault) {
                    let leave = RelayInput::Leave {
                        vault: &vault_id(vault),
                        subscriber,
                    };
                    self.relay_input(node, relay, leave, log);
                }
                self.push_packet(address, Packet::Left { vault });
            }
            Request::Mutate {
                vault,
                mutation: number,
                change,
            } => {
                let caller = Caller {
                    mutation: number,
                    client,
                    address,
                };
                self.submit(vault, caller, mutation(number, client, change));
            }
            Request::Pong => {
                connection.heartbeat = Heartbeat::Answered;
                connection.trace.record_pong();
            }
        }
    }

    fn read_packet(&mut self, client: usize, log: &mut Log) {
        let Some(address) = self.clients[client].connection else {
            return;
        };
        let Some(packet) = self
            .connection_mut(address)
            .and_then(|connection| connection.outbox.pop_front())
        else {
            return;
        };
        log.line(|| format!("    client {client} reads {packet:?}"));
        match packet {
            Packet::Event {
                vault,
                seq,
                mutation,
                offset,
            } => {
                self.clients[client].offset = Some(offset);
                let rows = &self.database.vaults[vault];
                let checked = self.clients[client].receive_event(vault, seq, mutation, rows);
                self.check(checked);
            }
            Packet::Joined {
                vault,
                joined,
                offset,
            } => {
                self.clients[client].offset = Some(offset);
                let rows = &self.database.vaults[vault];
                let disturbances = self.disturbances[vault];
                let checked =
                    self.clients[client].receive_joined(vault, &joined, rows, disturbances);
                self.check(checked);
            }
            Packet::JoinRefused { vault, error } => {
                let copy = self.clients[client].copy(vault);
                copy.joins.pop_front();
                copy.sends_join_again = true;
                // An earlier subscription goes on up to its own end.
                if matches!(error, VaultError::Refused(_)) && copy.next.is_none() {
                    copy.wanted = false;
                }
            }
            Packet::Removed { vault } => {
                let copy = self.clients[client].copy(vault);
                (copy.wanted, copy.next) = (false, None);
            }
            Packet::Left { vault } => {
                let copy = self.clients[client].copy(vault);
                (copy.leaving, copy.next) = (false, None);
                copy.joins.clear();
            }
            Packet::Answer { mutation, result } => {
                let vault = self.mutations[mutation as usize].vault;
                self.clients[client].receive_answer(vault, result.ok());
            }
            Packet::Ping => self.send(client, Request::Pong),
        }
    }

    /// A client sends a request.
    pub fn send(&mut self, client: usize, request: Request) {
        if let Some(address) = self.clients[client].connection
            && let Some(connection) = self.connection_mut(address)
        {
            connection.uplink.push_back(request);
        }
    }

    fn join(&mut self, client: usize, vault: usize, since: Since) {
        self.budget.joins = self.budget.joins.saturating_sub(1);
        let disturbances = self.disturbances[vault];
        let address = self.clients[client].connection;
        let sent = self.mutations.iter().enumerate();
        let own = sent.filter(|(_, sent)| sent.client == client && Some(sent.address) == address);
        let after = own.map(|(number, _)| number as u64).collect();
        let copy = self.clients[client].copy(vault);
        (copy.wanted, copy.sends_join_again) = (true, false);
        let since = match since {
            Since::Now => None,
            Since::LastSeen => Some(copy.seq),
        };
        // A join behind an unanswered one waits for its answer, and one of a subscriber comes behind what it is owed.
        let keeps_place = copy.joins.is_empty() && copy.next.is_none();
        copy.joins.push_back(SentJoin {
            since,
            known: copy.known,
            disturbances: if keeps_place { disturbances } else { u64::MAX },
            after,
        });
        let attach = match since {
            None => Attach::Join,
            Some(seq) => Attach::JoinSince {
                seq: Seq(seq),
                epoch: None,
            },
        };
        self.send(client, Request::Join { vault, attach });
    }

    fn mutate(&mut self, client: usize, vault: usize, change: Change) {
        let budget = match change {
            Change::Create => &mut self.budget.mutations,
            Change::Add(_) | Change::Remove(_) => &mut self.budget.membership_changes,
            Change::Delete => &mut self.budget.deletions,
        };
        *budget -= 1;
        let Some(address) = self.clients[client].connection else {
            return;
        };
        let number = self.mutations.len() as u64;
        self.mutations.push(SentMutation {
            client,
            vault,
            change,
            address,
            answer: None,
        });
        self.send(
            client,
            Request::Mutate {
                vault,
                mutation: number,
                change,
            },
        );
    }

    fn deliver_hint(&mut self, node: usize, log: &mut Log) {
        if let Some((vault, head)) = self.nodes[node].hints.pop_front()
            && (self.nodes[node].vaults.get(&vault))
                .is_some_and(|actor| actor.stage == Stage::Running)
        {
            self.vault_input(node, vault, VaultInput::RemoteHead(Seq(head)), log);
        }
    }

    fn crash(&mut self, node: usize) {
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
        self.replace_node(node);
    }
}

/// Whether the service learns the outcome of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Reported,
    Lost,
}
