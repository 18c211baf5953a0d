//! Notices of vaults without a query: live events, ends of subscriptions, and the report that the relay fell behind.

use crate::domain::{SubscriberId, VaultId};

use super::{
    effect::{EventDelivery, OutOfStepReason, RelayEffect, RelayEffects},
    ids::SeatId,
    input::SequencedEvent,
    seat::{EventOrder, Seat, SeatQuery, SeatState},
    state::RelayMachine,
    step::RelayStep,
    vault_seats::FanoutState,
};

impl RelayMachine {
    /// Sends an event to all live seats. This is the hot path: it allocates nothing unless there is a gap.
    pub(super) fn deliver_live<F: RelayEffects>(
        &mut self,
        vault: &VaultId,
        event: &F::Event,
        step: &mut RelayStep<'_, F>,
    ) {
        let Some(entry) = self.vaults.get_mut(vault) else {
            return; // all sockets have left meanwhile
        };
        let seq = event.seq();
        let mut gaps = Vec::new();
        for (id, seat) in &mut entry.seats {
            let SeatState::Live(position) = &mut seat.state else {
                continue; // it receives the event in an answer
            };
            match position.pass(seq) {
                EventOrder::Next => step.perform(RelayEffect::SendEvent {
                    vault,
                    seat: SeatId {
                        socket: seat.socket,
                        subscriber: *id,
                    },
                    event,
                    delivery: EventDelivery::Live,
                }),
                EventOrder::Known => {}
                EventOrder::Gap { last_sent } => gaps.push((*id, last_sent)),
            }
        }
        for (id, last_sent) in gaps {
            let event = seq;
            let reason = OutOfStepReason::Gap { last_sent, event };
            self.close_seat(vault, id, reason, step);
        }
    }

    /// Ends the live seats of removed members. A seat that is not live receives its end in an answer.
    pub(super) fn end_removed<F: RelayEffects>(
        &mut self,
        vault: &VaultId,
        subscribers: &[SubscriberId],
        step: &mut RelayStep<'_, F>,
    ) {
        for id in subscribers {
            if let Some(seat) = self.seat(vault, *id)
                && matches!(seat.state, SeatState::Live(_))
            {
                let socket = seat.socket;
                step.perform(RelayEffect::SendRemoved { vault, socket });
                self.end_seat(vault, *id, step);
            }
        }
        self.release_if_unused(vault, step);
    }

    /// Ends the live seats of a deleted vault. A seat that is not live receives its missed events up to the end first, and a
    /// pending join is refused by its own answer.
    pub(super) fn close_vault<F: RelayEffects>(
        &mut self,
        vault: &VaultId,
        step: &mut RelayStep<'_, F>,
    ) {
        let Some(entry) = self.vaults.get(vault) else {
            return;
        };
        let live = entry.seats.iter();
        let live = live.filter(|(_, seat)| matches!(seat.state, SeatState::Live(_)));
        let live: Vec<_> = live.map(|(id, _)| *id).collect();
        for id in live {
            self.end_seat(vault, id, step);
        }
        self.release_if_unused(vault, step);
    }

    /// Closes the sockets whose seats have a position in the vault, because their clients have to list again. A pending join of a
    /// socket that has not joined is asked again, and its answer has the new epoch.
    pub(super) fn end_positions<F: RelayEffects>(
        &mut self,
        vault: &VaultId,
        step: &mut RelayStep<'_, F>,
    ) {
        let Some(entry) = self.vaults.get(vault) else {
            return;
        };
        let has_position = |seat: &Seat| match seat.state {
            SeatState::Behind(_) | SeatState::Live(_) => true,
            SeatState::Joining | SeatState::OutOfStep => false,
        };
        let ended = entry.seats.iter().filter(|(_, seat)| has_position(seat));
        let ended: Vec<_> = ended.map(|(id, _)| *id).collect();
        for id in ended {
            self.close_seat(vault, id, OutOfStepReason::Lost, step);
        }
    }

    /// Stops live events of a vault until the relay has caught up. The actor that the seats were live in has sent all that
    /// it will send. What arrives until the relay has caught up is from a successor, which may know of events that these
    /// seats have not received.
    pub(super) fn fall_behind<F: RelayEffects>(
        &mut self,
        vault: &VaultId,
        step: &mut RelayStep<'_, F>,
    ) {
        let entry = self.vaults.entry(vault.clone()).or_default();
        // Also on a second report: an answer of a successor that has ended as well may have made a seat live since the first.
        for seat in entry.seats.values_mut() {
            seat.fall_behind();
        }
        match entry.fanout {
            FanoutState::Current => {
                entry.fanout = FanoutState::FellBehind;
                step.perform(RelayEffect::AwaitMailboxDrained { vault });
            }
            FanoutState::FellBehind => {}
        }
    }

    /// Resumes all seats of a vault after their last sent events. Queries without an answer are sent again, and seats that
    /// wait for a turn keep their place.
    pub(super) fn catch_up<F: RelayEffects>(
        &mut self,
        vault: &VaultId,
        step: &mut RelayStep<'_, F>,
    ) {
        let Some(entry) = self.vaults.get_mut(vault) else {
            return;
        };
        match entry.fanout {
            FanoutState::Current => return,
            FanoutState::FellBehind => {}
        }
        let mut sent = Vec::new();
        for (id, seat) in &mut entry.seats {
            seat.fall_behind();
            if matches!(seat.query, SeatQuery::Sent(_)) {
                sent.push(*id);
            }
        }
        let ids: Vec<_> = entry.seats.keys().copied().collect();
        for id in sent {
            self.end_query(vault, id, step);
        }
        if let Some(entry) = self.vaults.get_mut(vault) {
            entry.fanout = FanoutState::Current;
        }
        step.perform(RelayEffect::CaughtUp { vault });
        self.grant_vault_turns(vault, step);
        for id in ids {
            self.advance(vault, id, step);
        }
        self.release_if_unused(vault, step);
    }
}
