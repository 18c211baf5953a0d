//! The service's side of connections: outboxes, and how a connection opens and ends.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use vaultcast::{
    domain::SubscriberId,
    gateway::{
        recovery::{PendingJoinState, RecoveryState, machine::RecoveryInput},
        relay::machine::{RelayId, RelayInput, RelaySocketId, SeatId},
        trace::{DeliveryTrace, ResumedSubscription},
    },
};

use crate::{
    log::Log,
    names::{user_id, vault_id, vault_index},
    node::{Connection, Heartbeat, Packet, Request, SocketAddress, Transport},
    vault_copy::Interest,
    world::World,
};
/// While more packets than this wait for a socket, it receives no page.
const MAX_WAITING_PACKETS: usize = 2;

impl World {
    pub fn connection(&self, address: SocketAddress) -> Option<&Connection> {
        let relay = self.nodes[address.node].relays.get(address.relay)?;
        relay.connections.get(&address.socket)
    }

    pub fn connection_mut(&mut self, address: SocketAddress) -> Option<&mut Connection> {
        let relay = self.nodes[address.node].relays.get_mut(address.relay)?;
        relay.connections.get_mut(&address.socket)
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
            recovered: BTreeSet::new(),
            checked_at: self.losses,
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
                connection.recovered.insert(vault_index(&vault));
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
            .filter(|(_, copy)| copy.interest == Interest::Leaving)
            .map(|(vault, _)| *vault);
        for vault in leaving.collect::<Vec<_>>() {
            self.send(client, Request::Leave { vault });
        }
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
