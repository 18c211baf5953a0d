//! The effects of the relay machine, as they are kept until the machine has returned.

use std::marker::PhantomData;

use vaultcast::{
    domain::{MonotonicTime, SubscriberId},
    gateway::{
        relay::machine::{OutOfStepReason, RelayEffect, RelayEffects, RelaySocketId, SeatId},
        trace::{ResumePosition, TracedJoin},
    },
    journal::JournalRecord,
    vault::{Attach, VaultError},
};

use crate::names::vault_index;

use super::RelayedEvent;
/// An effect of the relay machine without references.
pub(super) enum Performed {
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
#[derive(Default)]
pub(super) struct Collector<'e> {
    pub(super) effects: Vec<Performed>,
    event: PhantomData<&'e JournalRecord>,
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
