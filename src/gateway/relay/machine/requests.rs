//! Requests of connections: join, resume and leave. Ends of seats.

use crate::{
    domain::{SubscriberId, VaultId},
    gateway::trace::{ResumedSubscription, TracedJoin},
    vault::{Attach, VaultError},
};

use super::{
    deadlines::JoinDeadline,
    effect::{JoinedReason, RelayEffect, RelayEffects},
    ids::SeatId,
    seat::{PendingJoin, QueryPurpose, Seat, SeatPosition, SeatQuery, SeatState},
    state::RelayMachine,
    step::RelayStep,
};

impl RelayMachine {
    /// Adds a join to the seat. Its answer reaches the socket in order with all other packets of the vault.
    pub(super) fn join<F: RelayEffects>(
        &mut self,
        vault: &VaultId,
        id: SeatId,
        join: PendingJoin,
        step: &mut RelayStep<'_, F>,
    ) {
        let entry = self.vaults.entry(vault.clone()).or_default();
        let new = || Seat::new(id.socket);
        let seat = entry.seats.entry(id.subscriber).or_insert_with(new);
        seat.joins.push_back(join);
        self.advance(vault, id.subscriber, step);
    }

    /// Adds the seat of a recovered connection. A `vault:joined` that the client has not received is sent again first.
    pub(super) fn resume<F: RelayEffects>(
        &mut self,
        vault: &VaultId,
        id: SeatId,
        resumed: ResumedSubscription,
        step: &mut RelayStep<'_, F>,
    ) {
        let mut seat = Seat::new(id.socket);
        if let Some(position) = &resumed.position {
            seat.state = SeatState::Behind(SeatPosition {
                last_sent: position.last_seen,
                joined_at: position.joined_at,
                epoch: position.epoch.clone(),
            });
        }
        let joins = resumed.joins.into_iter();
        seat.joins
            .extend(joins.map(|attach| PendingJoin::new(attach, None)));
        if let Some(joined) = resumed.joined {
            seat.state = SeatState::Behind(SeatPosition::after_join(&joined));
            let join = TracedJoin {
                ticket: self.take_ticket(),
                attach: Attach::Join,
                joined,
            };
            step.perform(RelayEffect::SendJoined {
                vault,
                seat: id,
                join,
                ack: None,
                reason: JoinedReason::SentAgain,
            });
        } else if let Some(position) = resumed.position {
            step.perform(RelayEffect::RecordResume {
                vault,
                seat: id,
                position,
            });
        }
        let entry = self.vaults.entry(vault.clone()).or_default();
        entry.seats.insert(id.subscriber, seat);
        self.advance(vault, id.subscriber, step);
    }

    /// Removes the seat: the socket receives no further packet of the vault.
    pub(super) fn leave<F: RelayEffects>(
        &mut self,
        vault: &VaultId,
        id: SubscriberId,
        step: &mut RelayStep<'_, F>,
    ) {
        let Some(seat) = self.remove_seat(vault, id, step) else {
            return;
        };
        step.perform(RelayEffect::LeaveVault {
            vault,
            subscriber: id,
        });
        let seat_id = SeatId {
            socket: seat.socket,
            subscriber: id,
        };
        step.perform(RelayEffect::RecordLeave { seat: seat_id });
        for ack in seat.joins.into_iter().filter_map(|join| join.ack) {
            step.perform(RelayEffect::CancelJoin { ack });
        }
        self.release_if_unused(vault, step);
    }

    /// Refuses the joins whose deadlines have passed. The vault may have accepted such a join nevertheless, so a seat that
    /// had joined before resumes.
    pub(super) fn refuse_overdue_joins<F: RelayEffects>(&mut self, step: &mut RelayStep<'_, F>) {
        while let Some(JoinDeadline {
            vault, subscriber, ..
        }) = self.deadlines.take_due(step.now)
        {
            if let Some(seat) = self.seat_mut(&vault, subscriber)
                && seat.is_join_sent()
            {
                seat.fall_behind();
                self.end_query(&vault, subscriber, step);
            }
            self.refuse_join(&vault, subscriber, VaultError::Busy, step);
            self.advance(&vault, subscriber, step);
            self.release_if_unused(&vault, step);
        }
    }

    /// Refuses the oldest pending join, and removes the seat if it has not joined and no other join is pending.
    pub(super) fn refuse_join<F: RelayEffects>(
        &mut self,
        vault: &VaultId,
        id: SubscriberId,
        error: VaultError,
        step: &mut RelayStep<'_, F>,
    ) {
        let Some(join) = self.take_join(vault, id) else {
            return;
        };
        let Some(seat) = self.seat(vault, id) else {
            return;
        };
        step.perform(RelayEffect::RefuseJoin {
            vault,
            socket: seat.socket,
            ack: join.ack,
            error,
        });
        if seat.state == SeatState::Joining && seat.joins.is_empty() {
            step.perform(RelayEffect::LeaveVault {
                vault,
                subscriber: id,
            });
            self.remove_seat(vault, id, step);
        }
    }

    /// Removes the oldest pending join and its deadline.
    pub(super) fn take_join(&mut self, vault: &VaultId, id: SubscriberId) -> Option<PendingJoin> {
        let join = self.seat_mut(vault, id)?.take_join()?;
        self.remove_deadline(vault, id, &join);
        Some(join)
    }

    fn remove_deadline(&mut self, vault: &VaultId, subscriber: SubscriberId, join: &PendingJoin) {
        if let Some(at) = join.deadline {
            self.deadlines.remove(&JoinDeadline {
                at,
                subscriber,
                vault: vault.clone(),
            });
        }
    }

    /// Ends the subscription, because the vault has ended it. A seat with pending joins stays until the vault has answered
    /// them.
    pub(super) fn end_seat<F: RelayEffects>(
        &mut self,
        vault: &VaultId,
        id: SubscriberId,
        step: &mut RelayStep<'_, F>,
    ) {
        let Some(seat) = self.seat_mut(vault, id) else {
            return;
        };
        seat.state = SeatState::Joining;
        let seat_id = SeatId {
            socket: seat.socket,
            subscriber: id,
        };
        let has_joins = !seat.joins.is_empty();
        step.perform(RelayEffect::RecordEnd { seat: seat_id });
        if !has_joins {
            self.remove_seat(vault, id, step);
        }
    }

    /// Removes a seat with its query and its deadline.
    pub(super) fn remove_seat<F: RelayEffects>(
        &mut self,
        vault: &VaultId,
        id: SubscriberId,
        step: &mut RelayStep<'_, F>,
    ) -> Option<Seat> {
        self.end_query(vault, id, step);
        let seat = self.vaults.get_mut(vault)?.seats.remove(&id)?;
        if let Some(join) = seat.joins.front() {
            self.remove_deadline(vault, id, join);
        }
        Some(seat)
    }

    /// Releases a vault without seats.
    pub(super) fn release_if_unused<F: RelayEffects>(
        &mut self,
        vault: &VaultId,
        step: &mut RelayStep<'_, F>,
    ) {
        if self
            .vaults
            .get(vault)
            .is_some_and(|entry| entry.is_unused())
        {
            self.vaults.remove(vault);
            step.perform(RelayEffect::ReleaseVault { vault });
        }
    }
}

impl Seat {
    fn is_join_sent(&self) -> bool {
        match self.query {
            SeatQuery::Sent(sent) => sent.purpose == QueryPurpose::Join,
            SeatQuery::Idle
            | SeatQuery::AwaitingSocket
            | SeatQuery::AwaitingRoom
            | SeatQuery::AwaitingVault => false,
        }
    }
}
