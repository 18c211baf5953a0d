//! What clients send and read, and how the service receives it.

use vaultcast::{
    domain::{Seq, SubscriberId},
    gateway::relay::machine::{RelayInput, SeatId},
    vault::{Attach, VaultError},
};

use crate::{
    log::Log,
    names::{Change, mutation, vault_id},
    node::{Caller, Heartbeat, Packet, Request, SocketAddress},
    vault_copy::{Interest, JoinAnswers, SentJoin},
    world::{SentMutation, World},
};

use super::Since;
impl World {
    /// A client sends a request.
    pub fn send(&mut self, client: usize, request: Request) {
        if let Some(address) = self.clients[client].connection
            && let Some(connection) = self.connection_mut(address)
        {
            connection.uplink.push_back(request);
        }
    }

    pub(super) fn join(&mut self, client: usize, vault: usize, since: Since) {
        self.budget.joins = self.budget.joins.saturating_sub(1);
        let disturbances = self.disturbances[vault];
        let address = self.clients[client].connection;
        let sent = self.mutations.iter().enumerate();
        let own = sent.filter(|(_, sent)| sent.client == client && Some(sent.address) == address);
        let after = own.map(|(number, _)| number as u64).collect();
        let copy = self.clients[client].copy(vault);
        (copy.interest, copy.join_answers) = (Interest::Subscribed, JoinAnswers::Expected);
        let since = match since {
            Since::Now => None,
            Since::LastSeen => Some(copy.seq),
        };
        // A join behind an unanswered one waits for its answer, and one of a subscriber comes behind what it is owed.
        let keeps_place = copy.joins.is_empty() && copy.position.next().is_none();
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

    pub(super) fn mutate(&mut self, client: usize, vault: usize, change: Change) {
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

    pub(super) fn receive(&mut self, address: SocketAddress, log: &mut Log) {
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
                    connection.recovered.remove(&vault);
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

    pub(super) fn read_packet(&mut self, client: usize, log: &mut Log) {
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
                copy.join_answers = JoinAnswers::Missing;
                // An earlier subscription goes on up to its own end.
                if matches!(error, VaultError::Refused(_)) && copy.position.next().is_none() {
                    copy.lose_interest();
                }
            }
            Packet::Removed { vault } => {
                self.clients[client].copy(vault).end_unwanted();
            }
            Packet::Left { vault } => {
                let copy = self.clients[client].copy(vault);
                copy.end();
                copy.finish_leave();
                copy.joins.clear();
            }
            Packet::Answer { mutation, result } => {
                let vault = self.mutations[mutation as usize].vault;
                self.clients[client].receive_answer(vault, result.ok());
            }
            Packet::Ping => self.send(client, Request::Pong),
        }
    }
}
