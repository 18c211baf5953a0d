//! Performs the effects of the relay machine on sockets and vaults.

use std::{
    collections::{HashMap, VecDeque},
    marker::PhantomData,
    sync::Arc,
};

use tracing::error;

use crate::{
    contract::problem::Problem,
    domain::{MonotonicTime, Seq, VaultId},
    gateway::{
        emit::{acknowledge, emit},
        offset::{Offset, OffsetMode},
        protocol::{self, ClientEvent, EventFrames, JoinedPayload},
        trace::TracedJoin,
    },
    journal::JournalRecord,
    vault::{Subscription, VaultError, VaultHandle},
};
use actix_socketio::{Ack, Socket, engineio::CloseReason};

use super::{
    delivery_socket::DeliverySocket,
    machine::{
        EventDelivery, JoinAckId, JoinedReason, OutOfStepReason, RelayEffect, RelayEffects,
        RelaySocketId, SeatId, SequencedEvent,
    },
    options::RelayOptions,
    sink::RelaySink,
    socket_table::SocketTable,
};

/// Closes the transport of a socket that cannot be served without a gap. The client reconnects and joins again.
const OUT_OF_STEP: CloseReason = CloseReason::Application("out of step");

/// An event with its encoded frames.
pub(super) struct EncodedEvent<'e> {
    pub(super) record: &'e JournalRecord,
    pub(super) frames: EventFrames,
}

impl SequencedEvent for EncodedEvent<'_> {
    fn seq(&self) -> Seq {
        self.record.seq
    }
}

/// What the relay sends to: its sockets, and the vaults by its sink.
pub(super) struct RelayPeers {
    pub(super) options: RelayOptions,
    pub(super) sink: Arc<RelaySink>,
    pub(super) sockets: SocketTable,
}

/// What the ids of the relay machine stand for, and what it waits for.
#[derive(Default)]
pub(super) struct RelayIo {
    /// The vaults that the machine has state of.
    vaults: HashMap<VaultId, VaultHandle>,
    /// The acknowledgements of joins without an answer.
    acks: HashMap<JoinAckId, Ack>,
    next_ack: u64,
    /// The acknowledgements of joins that were cancelled by the current input.
    pub(super) cancelled: Vec<Ack>,
    /// How many sockets received the event of the current input.
    pub(super) delivered: usize,
    /// Sockets whose outboxes have not been checked.
    pub(super) await_room: VecDeque<RelaySocketId>,
    /// Vaults that the relay has to catch up with after the notices in its mailbox.
    pub(super) await_mailbox: Vec<VaultId>,
    pub(super) wake_at: Option<MonotonicTime>,
}

impl RelayIo {
    /// Keeps the handle of a vault until the machine releases it, and returns the id of the vault.
    pub(super) fn keep_vault(&mut self, vault: VaultHandle) -> VaultId {
        let id = vault.id().clone();
        self.vaults.entry(id.clone()).or_insert(vault);
        id
    }

    /// Keeps an acknowledgement until the machine sends or cancels it.
    pub(super) fn keep_ack(&mut self, ack: Ack) -> JoinAckId {
        let id = JoinAckId(self.next_ack);
        self.next_ack += 1;
        self.acks.insert(id, ack);
        id
    }

    fn take_ack(&mut self, id: Option<JoinAckId>) -> Option<Ack> {
        self.acks.remove(&id?)
    }
}

/// Performs the effects of one input.
pub(super) struct RelayPerformer<'a, 'e> {
    peers: &'a RelayPeers,
    pub(super) io: &'a mut RelayIo,
    event: PhantomData<&'e JournalRecord>,
}

impl<'a> RelayPerformer<'a, '_> {
    pub(super) fn new(peers: &'a RelayPeers, io: &'a mut RelayIo) -> Self {
        Self {
            peers,
            io,
            event: PhantomData,
        }
    }
}

impl<'e> RelayEffects for RelayPerformer<'_, 'e> {
    type Event = EncodedEvent<'e>;

    fn perform(&mut self, effect: RelayEffect<'_, Self::Event>) {
        let sockets = &self.peers.sockets;
        match effect {
            RelayEffect::SendEvent {
                vault,
                seat,
                event,
                delivery,
            } => {
                sockets.with(seat.socket, |socket| {
                    send_event(socket, vault, seat, event);
                });
                match delivery {
                    EventDelivery::Live => self.io.delivered += 1,
                    EventDelivery::Replayed => self.peers.options.metrics.replayed.inc(),
                }
            }
            RelayEffect::Subscribe {
                vault,
                seat,
                ticket,
                attach,
            } => {
                let user = sockets.with(seat.socket, |socket| socket.user.clone());
                if let (Some(user), Some(vault)) = (user, self.io.vaults.get(vault)) {
                    let subscription = Subscription {
                        subscriber: seat.subscriber,
                        user,
                        ticket,
                        attach,
                    };
                    vault.subscribe(subscription, self.peers.sink.clone());
                }
            }
            RelayEffect::LeaveVault { vault, subscriber } => {
                if let Some(vault) = self.io.vaults.get(vault) {
                    vault.leave(subscriber);
                }
            }
            RelayEffect::CaughtUp { vault } => {
                if let Some(vault) = self.io.vaults.get(vault) {
                    vault.caught_up(self.peers.sink.id);
                }
            }
            RelayEffect::ReleaseVault { vault } => {
                self.io.vaults.remove(vault);
            }
            RelayEffect::SendJoined {
                vault,
                seat,
                join,
                ack,
                reason,
            } => {
                match reason {
                    JoinedReason::Answered => {
                        self.peers.options.metrics.joined(join.joined.resync);
                    }
                    JoinedReason::SentAgain => {}
                }
                let ack = self.io.take_ack(ack);
                sockets.with(seat.socket, |socket| {
                    self.peers.send_joined(socket, vault, seat, join, ack);
                });
            }
            RelayEffect::RefuseJoin {
                vault,
                socket,
                ack,
                error,
            } => {
                let ack = self.io.take_ack(ack);
                sockets.with(socket, |socket| {
                    self.peers.refuse_join(&socket.socket, vault, error, ack);
                });
            }
            RelayEffect::CancelJoin { ack } => {
                let ack = self.io.take_ack(Some(ack));
                self.io.cancelled.extend(ack);
            }
            RelayEffect::SendRemoved { vault, socket } => {
                let error = protocol::ErrorPayload::removed(vault);
                sockets.with(socket, |socket| {
                    emit(&socket.socket, protocol::ERROR, &error);
                });
            }
            RelayEffect::RecordResume {
                vault,
                seat,
                position,
            } => {
                sockets.with(seat.socket, |socket| {
                    socket.with_trace(|trace| {
                        trace.record_resume(seat.subscriber, vault, position);
                    })
                });
            }
            RelayEffect::RecordEnd { seat } => {
                sockets.with(seat.socket, |socket| {
                    socket.with_trace(|trace| trace.record_end(seat.subscriber))
                });
            }
            RelayEffect::RecordLeave { seat } => {
                sockets.with(seat.socket, |socket| {
                    socket.with_trace(|trace| trace.record_leave(seat.subscriber))
                });
            }
            RelayEffect::CloseSocket {
                vault,
                socket,
                reason,
            } => {
                match reason {
                    OutOfStepReason::Gap { last_sent, event } => {
                        error!(vault.id = %vault, event.seq = event.0, after = last_sent.0, "gap before an event; closing the socket");
                    }
                    OutOfStepReason::Lost => {}
                }
                sockets.with(socket, |socket| socket.socket.close(OUT_OF_STEP));
            }
            RelayEffect::AwaitOutboxRoom { socket } => self.io.await_room.push_back(socket),
            RelayEffect::AwaitMailboxDrained { vault } => {
                self.io.await_mailbox.push(vault.clone());
            }
            RelayEffect::WakeAt(at) => self.io.wake_at = Some(at),
        }
    }
}

fn send_event(socket: &DeliverySocket, vault: &VaultId, seat: SeatId, event: &EncodedEvent<'_>) {
    let offsets = socket.offset_mode();
    let frame = event.frames.get(vault, event.record, offsets);
    let push = |socket: &Socket| socket.push(frame);
    socket.send(push, |trace| trace.record_event(seat.subscriber));
}

impl RelayPeers {
    /// Confirms a join to the client.
    fn send_joined(
        &self,
        socket: &DeliverySocket,
        vault: &VaultId,
        seat: SeatId,
        join: TracedJoin,
        ack: Option<Ack>,
    ) {
        let payload = JoinedPayload::new(vault, &socket.user, &join.joined);
        match socket.offset_mode() {
            OffsetMode::Appended => {
                let offset = Offset::for_join(vault, join.ticket);
                let args = (&payload, offset.as_str());
                let emit = |socket: &Socket| emit(socket, protocol::JOINED, &args);
                let recorded = join.clone();
                socket.send(emit, |trace| {
                    trace.record_join(seat.subscriber, vault, recorded)
                });
            }
            OffsetMode::Omitted => emit(&socket.socket, protocol::JOINED, &payload),
        }
        if let Some(ack) = ack {
            acknowledge(ack, &payload.acknowledgement());
        }
    }

    /// Sends the error of a refused join.
    fn refuse_join(&self, socket: &Socket, vault: &VaultId, error: VaultError, ack: Option<Ack>) {
        let problem = Problem::from(error);
        let code = problem.code;
        let vault = Some(vault.clone());
        let error = protocol::ErrorPayload::new(problem, ClientEvent::Join.name(), vault);
        emit(socket, protocol::ERROR, &error);
        if let Some(ack) = ack {
            acknowledge(ack, &error.acknowledgement());
        }
        self.options.metrics.join_refused(code);
    }
}
