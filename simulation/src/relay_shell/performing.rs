//! Performs the effects of the relay machine.

use vaultcast::{
    domain::Seq,
    gateway::{Offset, relay::machine::OutOfStepReason, trace::DeliveryTrace},
    vault::{Attach, Subscription},
};

use crate::{
    log::Log,
    mistakes::Mistake,
    names::{user_id, vault_id},
    node::{Packet, RelayMessage, SocketAddress, Transport, VaultMessage},
    promises::Promise,
    world::World,
};

use super::effects::Performed;
impl World {
    pub(super) fn perform_relay(
        &mut self,
        node: usize,
        relay: usize,
        effect: Performed,
        log: &mut Log,
    ) {
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
        let is_unexpected =
            connection.recovered.contains(&vault) && connection.checked_at == losses;
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

    fn with_trace(&mut self, address: SocketAddress, call: impl FnOnce(&mut DeliveryTrace)) {
        if let Some(connection) = self.connection_mut(address) {
            call(&mut connection.trace);
        }
    }
}
