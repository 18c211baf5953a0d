//! The shell of the relay machine in the simulation. It does what `src/gateway/relay/effects.rs` and `state.rs` do, and what
//! a connection does with its trace.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use vaultcast::{
    domain::{MonotonicTime, Seq, SubscriberId},
    gateway::{
        Offset,
        recovery::{PendingJoinState, RecoveryState, machine::RecoveryInput},
        relay::machine::{
            OutOfStepReason, RelayBounds, RelayEffect, RelayEffects, RelayId, RelayInput,
            RelayMachine, RelaySocketId, SeatId, SeatQuery, SequencedEvent, VaultAnswer,
        },
        trace::{DeliveryTrace, ResumePosition, ResumedSubscription, TracedJoin},
    },
    journal::JournalRecord,
    vault::{
        Attach, Attached, Notice, NoticeBody, NoticeReceivers, SinkId, Subscription, VaultError,
    },
};

use crate::{
    log::Log,
    mistakes::Mistake,
    names::{user_id, vault_id, vault_index},
    node::{
        Connection, Heartbeat, Packet, Relay, RelayMessage, Request, SocketAddress, Transport,
        VaultMessage,
    },
    promises::Promise,
    vault_shell::describe_notice,
    world::World,
};

/// While more packets than this wait for a socket, it receives no page.
const MAX_WAITING_PACKETS: usize = 2;

/// An event as the relay machine sees it.
pub struct RelayedEvent<'a>(&'a JournalRecord);

impl SequencedEvent for RelayedEvent<'_> {
    fn seq(&self) -> Seq {
        self.0.seq
    }
}

/// An effect of the relay machine without references.
enum Performed {
    Subscribe {
        vault: usize,
        seat: SeatId,
        ticket: u64,
        attach: Attach,
    },
    LeaveVault {
        vault: usize,
        subscriber: SubscriberId,
    },
    CaughtUp {
        vault: usize,
    },
    SendEvent {
        vault: usize,
        seat: SeatId,
        seq: u64,
    },
    SendJoined {
        vault: usize,
        seat: SeatId,
        join: TracedJoin,
    },
    RefuseJoin {
        vault: usize,
        socket: RelaySocketId,
        error: VaultError,
    },
    SendRemoved {
        vault: usize,
        socket: RelaySocketId,
    },
    RecordResume {
        vault: usize,
        seat: SeatId,
        position: ResumePosition,
    },
    RecordEnd {
        seat: SeatId,
    },
    RecordLeave {
        seat: SeatId,
    },
    CloseSocket {
        vault: usize,
        socket: RelaySocketId,
        reason: OutOfStepReason,
    },
    AwaitOutboxRoom {
        socket: RelaySocketId,
    },
    AwaitMailboxDrained {
        vault: usize,
    },
    WakeAt(MonotonicTime),
}

/// Collects the effects of one input.
struct Collector<'e> {
    effects: Vec<Performed>,
    event: std::marker::PhantomData<&'e JournalRecord>,
}

impl<'e> RelayEffects for Collector<'e> {
    type Event = RelayedEvent<'e>;

    fn perform(&mut self, effect: RelayEffect<'_, Self::Event>) {
        let effect = match effect {
            RelayEffect::Subscribe {
                vault,
                seat,
                ticket,
                attach,
            } => Performed::Subscribe {
                vault: vault_index(vault),
                seat,
                ticket,
                attach,
            },
            RelayEffect::LeaveVault { vault, subscriber } => Performed::LeaveVault {
                vault: vault_index(vault),
                subscriber,
            },
            RelayEffect::CaughtUp { vault } => Performed::CaughtUp {
                vault: vault_index(vault),
            },
            RelayEffect::SendEvent {
                vault, seat, event, ..
            } => Performed::SendEvent {
                vault: vault_index(vault),
                seat,
                seq: event.0.seq.0,
            },
            RelayEffect::SendJoined {
                vault, seat, join, ..
            } => Performed::SendJoined {
                vault: vault_index(vault),
                seat,
                join,
            },
            RelayEffect::RefuseJoin {
                vault,
                socket,
                error,
                ..
            } => Performed::RefuseJoin {
                vault: vault_index(vault),
                socket,
                error,
            },
            RelayEffect::SendRemoved { vault, socket } => Performed::SendRemoved {
                vault: vault_index(vault),
                socket,
            },
            RelayEffect::RecordResume {
                vault,
                seat,
                position,
            } => Performed::RecordResume {
                vault: vault_index(vault),
                seat,
                position,
            },
            RelayEffect::RecordEnd { seat } => Performed::RecordEnd { seat },
            RelayEffect::RecordLeave { seat } => Performed::RecordLeave { seat },
            RelayEffect::CloseSocket {
                vault,
                socket,
                reason,
            } => Performed::CloseSocket {
                vault: vault_index(vault),
                socket,
                reason,
            },
            RelayEffect::AwaitOutboxRoom { socket } => Performed::AwaitOutboxRoom { socket },
            RelayEffect::AwaitMailboxDrained { vault } => Performed::AwaitMailboxDrained {
                vault: vault_index(vault),
            },
            RelayEffect::WakeAt(time) => Performed::WakeAt(time),
            RelayEffect::ReleaseVault { .. } | RelayEffect::CancelJoin { .. } => return,
        };
        self.effects.push(effect);
    }
}

impl World {
    /// Returns a relay without connections.
    pub fn new_relay(&mut self) -> Relay {
        let bounds = RelayBounds {
            mailbox: self.config.relay_mailbox,
            join_timeout: Duration::from_secs(10),
        };
        let id = self.take_id();
        Relay {
            sink: SinkId(id),
            machine: RelayMachine::new(bounds, id << 32),
            mailbox: VecDeque::new(),
            connections: BTreeMap::new(),
            awaiting_room: BTreeSet::new(),
            wake_at: None,
        }
    }

    /// Gives an input to a relay and performs the effects in order.
    pub fn relay_input<'e>(
        &mut self,
        node: usize,
        relay: usize,
        input: RelayInput<'_, RelayedEvent<'e>>,
        log: &mut Log,
    ) {
        let now = self.now;
        let mut collector: Collector<'e> = Collector {
            effects: Vec::new(),
            event: std::marker::PhantomData,
        };
        let machine = &mut self.nodes[node].relays[relay].machine;
        machine.handle(input, now, &mut collector);
        if let Err(invariant) = machine.check_invariants() {
            self.fail(Promise::Invariants, invariant);
        }
        for effect in collector.effects {
            self.perform_relay(node, relay, effect, log);
        }
    }

    /// Handles the next message of a relay.
    pub fn handle_relay_message(&mut self, node: usize, relay: usize, log: &mut Log) {
        let Some(message) = self.nodes[node].relays[relay].mailbox.pop_front() else {
            return;
        };
        match message {
            RelayMessage::Notice { vault, to, notice } => {
                log.line(|| format!("    vault {vault}: {}", describe_notice(&notice)));
                self.handle_notice(node, relay, vault, &to, &notice, log);
            }
            RelayMessage::FellBehind(vault) => {
                let vault = &vault_id(vault);
                self.relay_input(node, relay, RelayInput::FellBehind { vault }, log);
            }
            RelayMessage::Drained(vault) => {
                let vault = &vault_id(vault);
                self.relay_input(node, relay, RelayInput::MailboxDrained { vault }, log);
            }
        }
    }

    fn handle_notice(
        &mut self,
        node: usize,
        relay: usize,
        index: usize,
        to: &NoticeReceivers,
        notice: &Notice,
        log: &mut Log,
    ) {
        let vault = &vault_id(index);
        let ids = match to {
            NoticeReceivers::All => &[][..],
            NoticeReceivers::Only(ids) => ids,
        };
        match &notice.body {
            NoticeBody::Event(record) => {
                let event = &RelayedEvent(record);
                self.relay_input(node, relay, RelayInput::Event { vault, event }, log);
            }
            NoticeBody::Attached(attached) => {
                for subscriber in ids {
                    self.handle_answer(node, relay, index, *subscriber, attached, log);
                }
            }
            NoticeBody::Removed => {
                let removed = RelayInput::Removed {
                    vault,
                    subscribers: ids,
                };
                self.relay_input(node, relay, removed, log);
            }
            NoticeBody::Closed => {
                self.relay_input(node, relay, RelayInput::Closed { vault }, log);
            }
        }
    }

    fn handle_answer(
        &mut self,
        node: usize,
        relay: usize,
        vault: usize,
        subscriber: SubscriberId,
        attached: &Attached,
        log: &mut Log,
    ) {
        let vault = &vault_id(vault);
        let events = attached
            .events
            .iter()
            .filter_map(|event| match &event.body {
                NoticeBody::Event(record) => Some(RelayedEvent(record)),
                NoticeBody::Attached(_) | NoticeBody::Removed | NoticeBody::Closed => None,
            });
        let events: Vec<_> = events.collect();
        let mut ticket = attached.ticket;
        if self.config.mistake == Some(Mistake::IgnoreTickets) {
            let seat = self.nodes[node].relays[relay]
                .machine
                .seat(vault, subscriber);
            if let Some(SeatQuery::Sent(sent)) = seat.map(|seat| seat.query) {
                ticket = sent.ticket;
            }
        }
        let answer = VaultAnswer {
            ticket,
            joined: attached.joined.as_ref(),
            events: &events,
            outcome: &attached.outcome,
        };
        let input = RelayInput::Answer {
            vault,
            subscriber,
            answer,
        };
        self.relay_input(node, relay, input, log);
    }

    fn perform_relay(&mut self, node: usize, relay: usize, effect: Performed, log: &mut Log) {
        let address = |socket| SocketAddress {
            node,
            relay,
            socket,
        };
        let sink = self.nodes[node].relays[relay].sink;
        match effect {
            Performed::Subscribe {
                vault,
                seat,
                ticket,
                attach,
            } => {
                let attach = match (&attach, self.config.mistake) {
                    (Attach::Resume { .. }, Some(Mistake::ForgetLastSent)) => Attach::Join,
                    _ => attach,
                };
                log.line(|| {
                    format!(
                        "        subscriber {} asks vault {vault}: {attach:?}, ticket {ticket}",
                        seat.subscriber.0
                    )
                });
                let Some(connection) = self.connection(address(seat.socket)) else {
                    return;
                };
                let subscription = Subscription {
                    subscriber: seat.subscriber,
                    user: user_id(connection.client),
                    ticket,
                    attach,
                };
                self.subscribe(node, vault, subscription, sink);
            }
            Performed::LeaveVault { vault, subscriber } => {
                if self.nodes[node].vaults.contains_key(&vault) {
                    self.send_to_vault(node, vault, VaultMessage::Leave(subscriber));
                }
            }
            Performed::CaughtUp { vault } => {
                // The queries of joins are sent again.
                self.disturbances[vault] += 1;
                if self.nodes[node].vaults.contains_key(&vault) {
                    self.send_to_vault(node, vault, VaultMessage::CaughtUp(sink));
                }
            }
            Performed::SendEvent { vault, seat, seq } => {
                let mutation = self.database.vaults[vault]
                    .event(seq)
                    .map_or(u64::MAX, |entry| entry.mutation);
                let offset = Offset::for_event(&vault_id(vault), Seq(seq));
                let packet = Packet::Event {
                    vault,
                    seq,
                    mutation,
                    offset,
                };
                self.push_packet(address(seat.socket), packet);
                self.with_trace(address(seat.socket), |trace| {
                    trace.record_event(seat.subscriber);
                });
            }
            Performed::SendJoined { vault, seat, join } => {
                let offset = Offset::for_join(&vault_id(vault), join.ticket);
                let joined = join.joined.clone();
                log.line(|| format!("        joined vault {vault} at {}", joined.seq.0));
                let packet = Packet::Joined {
                    vault,
                    joined,
                    offset,
                };
                self.push_packet(address(seat.socket), packet);
                self.with_trace(address(seat.socket), |trace| {
                    trace.record_join(seat.subscriber, &vault_id(vault), join);
                });
            }
            Performed::RefuseJoin {
                vault,
                socket,
                error,
            } => {
                self.push_packet(address(socket), Packet::JoinRefused { vault, error });
            }
            Performed::SendRemoved { vault, socket } => {
                self.push_packet(address(socket), Packet::Removed { vault });
            }
            Performed::RecordResume {
                vault,
                seat,
                position,
            } => {
                self.with_trace(address(seat.socket), |trace| {
                    trace.record_resume(seat.subscriber, &vault_id(vault), position);
                });
            }
            Performed::RecordEnd { seat } => {
                self.with_trace(address(seat.socket), |trace| {
                    trace.record_end(seat.subscriber)
                });
            }
            Performed::RecordLeave { seat } => {
                self.with_trace(address(seat.socket), |trace| {
                    trace.record_leave(seat.subscriber)
                });
            }
            Performed::CloseSocket {
                vault,
                socket,
                reason,
            } => {
                self.close_out_of_step(vault, address(socket), reason, log);
            }
            Performed::AwaitOutboxRoom { socket } => {
                self.nodes[node].relays[relay].awaiting_room.insert(socket);
            }
            Performed::AwaitMailboxDrained { vault } => {
                let drained = RelayMessage::Drained(vault);
                self.nodes[node].relays[relay].mailbox.push_back(drained);
            }
            Performed::WakeAt(at) => self.nodes[node].relays[relay].wake_at = Some(at),
        }
    }

    fn close_out_of_step(
        &mut self,
        vault: usize,
        address: SocketAddress,
        reason: OutOfStepReason,
        log: &mut Log,
    ) {
        log.line(|| format!("        close the socket: {reason:?}"));
        let losses = self.losses;
        let Some(connection) = self.connection_mut(address) else {
            return;
        };
        connection.transport = Transport::Closing;
        let client = connection.client;
        let is_unexpected = connection.recovered_at == Some(losses);
        match reason {
            OutOfStepReason::Gap { last_sent, event } => self.fail(
                Promise::InOrderOnce,
                format!(
                    "client {client}, vault {vault}: gap between {} and {}",
                    last_sent.0, event.0
                ),
            ),
            OutOfStepReason::Lost if is_unexpected => self.fail(
                Promise::WholeRecovery,
                format!("client {client} was recovered, and vault {vault} has lost its events"),
            ),
            OutOfStepReason::Lost => {}
        }
    }

    pub fn connection(&self, address: SocketAddress) -> Option<&Connection> {
        let relay = self.nodes[address.node].relays.get(address.relay)?;
        relay.connections.get(&address.socket)
    }

    pub fn connection_mut(&mut self, address: SocketAddress) -> Option<&mut Connection> {
        let relay = self.nodes[address.node].relays.get_mut(address.relay)?;
        relay.connections.get_mut(&address.socket)
    }

    fn with_trace(&mut self, address: SocketAddress, call: impl FnOnce(&mut DeliveryTrace)) {
        if let Some(connection) = self.connection_mut(address) {
            call(&mut connection.trace);
        }
    }

    /// Puts a packet into the outbox of a socket. A full outbox closes it as slow.
    pub fn push_packet(&mut self, address: SocketAddress, packet: Packet) {
        let bound = self.config.outbox;
        let Some(connection) = self.connection_mut(address) else {
            return;
        };
        match connection.transport {
            Transport::Open if connection.outbox.len() >= bound => {
                connection.transport = Transport::Closing;
            }
            Transport::Open => connection.outbox.push_back(packet),
            Transport::Closing => {}
        }
    }

    /// Returns whether the outbox of a socket has room for a page.
    pub fn has_room(&self, address: SocketAddress) -> bool {
        let connection = self.connection(address);
        connection.is_none_or(|connection| {
            connection.outbox.len() <= MAX_WAITING_PACKETS
                || connection.transport == Transport::Closing
        })
    }

    /// Ends a connection: saves its recovery state and leaves its vaults.
    pub fn end_connection(&mut self, address: SocketAddress, log: &mut Log) {
        let SocketAddress {
            node,
            relay,
            socket,
        } = address;
        let Some(connection) = self.nodes[node].relays[relay].connections.remove(&socket) else {
            return;
        };
        let client = &mut self.clients[connection.client];
        if client.connection == Some(address) {
            client.connection = None;
        }
        let machine = &self.nodes[node].relays[relay].machine;
        let mut pending_joins = Vec::new();
        for (vault, seat) in &connection.seats {
            let id = vault_id(*vault);
            let joins = machine.pending_joins(&id, *seat);
            pending_joins.extend(joins.map(|attach| PendingJoinState {
                vault: id.clone(),
                attach: attach.clone(),
            }));
        }
        let save = RecoveryInput::Save {
            pid: pid_text(connection.pid),
            state: RecoveryState {
                user: user_id(connection.client),
                id: String::new(),
                trace: connection.trace,
                pending_joins,
            },
        };
        self.recovery_input(node, save);
        for (vault, subscriber) in connection.seats {
            let vault = &vault_id(vault);
            self.relay_input(node, relay, RelayInput::Leave { vault, subscriber }, log);
        }
        self.nodes[node].relays[relay].awaiting_room.remove(&socket);
    }

    /// Opens a connection for a client: a recovered one if there are subscriptions to resume.
    pub fn open_connection(
        &mut self,
        client: usize,
        (node, relay, pid): (usize, usize, u64),
        resumed: Option<Vec<ResumedSubscription>>,
        log: &mut Log,
    ) {
        log.line(|| {
            let kind = if resumed.is_some() {
                "recovered"
            } else {
                "new"
            };
            format!("    client {client} is {kind}")
        });
        let has_pid = self.clients[client].pid.is_some();
        let offset = self.clients[client].offset.clone().filter(|_| has_pid);
        let socket = RelaySocketId(self.take_id());
        let address = SocketAddress {
            node,
            relay,
            socket,
        };
        let connection = Connection {
            client,
            pid,
            trace: DeliveryTrace::new(self.config.traced_packets, offset),
            outbox: VecDeque::new(),
            uplink: VecDeque::new(),
            seats: BTreeMap::new(),
            transport: Transport::Open,
            heartbeat: Heartbeat::Answered,
            recovered_at: resumed.as_ref().map(|_| self.losses),
        };
        self.nodes[node].relays[relay]
            .connections
            .insert(socket, connection);
        let state = &mut self.clients[client];
        state.begin_connection(resumed.is_some());
        (state.connection, state.pid) = (Some(address), Some(pid));
        let register = RecoveryInput::Register {
            pid: pid_text(pid),
            relay: RelayId(self.nodes[node].relays[relay].sink.0),
        };
        self.recovery_input(node, register);
        for resumed in resumed.into_iter().flatten() {
            let vault = resumed.vault.clone();
            let subscriber = SubscriberId(self.take_id());
            if let Some(connection) = self.connection_mut(address) {
                connection.seats.insert(vault_index(&vault), subscriber);
            }
            let input = RelayInput::Resume {
                vault: &vault,
                seat: SeatId { socket, subscriber },
                resumed,
            };
            self.relay_input(node, relay, input, log);
        }
        // A leave that was not acknowledged may not have arrived.
        let copies = self.clients[client].copies.iter();
        let leaving = copies
            .filter(|(_, copy)| copy.leaving)
            .map(|(vault, _)| *vault);
        for vault in leaving.collect::<Vec<_>>() {
            self.send(client, Request::Leave { vault });
        }
    }

    /// Returns where the connection with this pid is on a node.
    pub fn address_of(&self, node: usize, pid: u64) -> Option<SocketAddress> {
        let relays = self.nodes[node].relays.iter().enumerate();
        let mut found = relays.flat_map(|(relay, state)| {
            let connections = state.connections.iter();
            connections.map(move |(socket, connection)| (relay, *socket, connection.pid))
        });
        let (relay, socket, _) = found.find(|(_, _, other)| *other == pid)?;
        Some(SocketAddress {
            node,
            relay,
            socket,
        })
    }
}

/// Returns a pid as the recovery machine has it.
pub fn pid_text(pid: u64) -> String {
    format!("p{pid}")
}
