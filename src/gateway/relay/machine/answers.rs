//! Answers of vaults to queries.

use crate::{
    domain::{SubscriberId, VaultId},
    gateway::trace::TracedJoin,
    vault::{AttachOutcome, Joined},
};

use super::{
    effect::{EventDelivery, JoinedReason, OutOfStepReason, RelayEffect, RelayEffects},
    ids::SeatId,
    input::{SequencedEvent, VaultAnswer},
    seat::{EventOrder, PendingJoin, Seat, SeatPosition, SeatQuery, SeatState},
    state::RelayMachine,
    step::RelayStep,
};

impl SeatPosition {
    /// Returns the position after a join.
    pub(super) fn after_join(joined: &Joined) -> Self {
        Self {
            last_sent: joined.last_known_seq(),
            joined_at: joined.seq,
            epoch: joined.epoch.clone(),
        }
    }
}

impl RelayMachine {
    /// Handles the answer to a query of a seat. An answer to an earlier query is ignored.
    pub(super) fn handle_answer<F: RelayEffects>(
        &mut self,
        vault: &VaultId,
        id: SubscriberId,
        answer: VaultAnswer<'_, F::Event>,
        step: &mut RelayStep<'_, F>,
    ) {
        let Some(seat) = self.seat_mut(vault, id) else {
            return; // the socket has left meanwhile
        };
        if !seat.awaits_answer(answer.ticket) {
            return;
        }
        // A vault actor that was started again does not know what its predecessor owes to this seat. The seat resumes, and
        // then the join is asked again.
        let skips_events = answer
            .joined
            .is_some_and(|joined| seat.is_owed_events_before(joined));
        if skips_events {
            seat.fall_behind();
        }
        self.end_query(vault, id, step);
        if !skips_events {
            self.apply_answer(vault, id, answer, step);
        }
        self.advance(vault, id, step);
        self.release_if_unused(vault, step);
    }

    fn apply_answer<F: RelayEffects>(
        &mut self,
        vault: &VaultId,
        id: SubscriberId,
        answer: VaultAnswer<'_, F::Event>,
        step: &mut RelayStep<'_, F>,
    ) {
        if let Some(joined) = answer.joined {
            self.confirm_join(vault, id, answer.ticket, joined, step);
        }
        self.replay(vault, id, answer.events, step);
        let Some(seat) = self.seat_mut(vault, id) else {
            return;
        };
        let socket = seat.socket;
        match answer.outcome {
            AttachOutcome::Live => seat.go_live(),
            AttachOutcome::More => seat.fall_behind(),
            AttachOutcome::Removed => {
                step.perform(RelayEffect::SendRemoved { vault, socket });
                self.end_seat(vault, id, step);
            }
            AttachOutcome::Closed => self.end_seat(vault, id, step),
            // The trace does not record an end: the client joins again after it has reconnected.
            AttachOutcome::Lost => self.close_seat(vault, id, OutOfStepReason::Lost, step),
            AttachOutcome::Refused(error) => self.refuse_join(vault, id, error.clone(), step),
        }
    }

    /// Confirms the oldest pending join to the client.
    fn confirm_join<F: RelayEffects>(
        &mut self,
        vault: &VaultId,
        id: SubscriberId,
        ticket: u64,
        joined: &Joined,
        step: &mut RelayStep<'_, F>,
    ) {
        let Some(PendingJoin { attach, ack, .. }) = self.take_join(vault, id) else {
            return;
        };
        let Some(seat) = self.seat_mut(vault, id) else {
            return;
        };
        seat.state = SeatState::Behind(SeatPosition::after_join(joined));
        let seat = SeatId {
            socket: seat.socket,
            subscriber: id,
        };
        let join = TracedJoin {
            ticket,
            attach,
            joined: joined.clone(),
        };
        step.perform(RelayEffect::SendJoined {
            vault,
            seat,
            join,
            ack,
            reason: JoinedReason::Answered,
        });
    }

    /// Sends the missed events of an answer.
    fn replay<F: RelayEffects>(
        &mut self,
        vault: &VaultId,
        id: SubscriberId,
        events: &[F::Event],
        step: &mut RelayStep<'_, F>,
    ) {
        for event in events {
            let Some(seat) = self.seat_mut(vault, id) else {
                return;
            };
            let seat_id = SeatId {
                socket: seat.socket,
                subscriber: id,
            };
            let number = event.seq();
            match seat.pass_event(number) {
                EventOrder::Next => step.perform(RelayEffect::SendEvent {
                    vault,
                    seat: seat_id,
                    event,
                    delivery: EventDelivery::Replayed,
                }),
                EventOrder::Known => {}
                EventOrder::Gap { last_sent } => {
                    let event = number;
                    let reason = OutOfStepReason::Gap { last_sent, event };
                    return self.close_seat(vault, id, reason, step);
                }
            }
        }
    }

    /// Closes the socket of a seat that misses an event. The seat stays, with its pending joins, until the connection ends.
    pub(super) fn close_seat<F: RelayEffects>(
        &mut self,
        vault: &VaultId,
        id: SubscriberId,
        reason: OutOfStepReason,
        step: &mut RelayStep<'_, F>,
    ) {
        self.end_query(vault, id, step);
        if let Some(seat) = self.seat_mut(vault, id) {
            seat.state = SeatState::OutOfStep;
            let socket = seat.socket;
            step.perform(RelayEffect::CloseSocket {
                vault,
                socket,
                reason,
            });
        }
    }
}

impl Seat {
    fn awaits_answer(&self, ticket: u64) -> bool {
        match self.query {
            SeatQuery::Sent(sent) => sent.ticket == ticket,
            SeatQuery::Idle
            | SeatQuery::AwaitingSocket
            | SeatQuery::AwaitingRoom
            | SeatQuery::AwaitingVault => false,
        }
    }
}
