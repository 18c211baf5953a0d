//! The relay machine: decides everything that a relay does, without sockets, clocks or actors.
//!
//! A [`Seat`] is one socket's subscription of one vault. Each seat queries its vault for what it needs next, one query at a
//! time: the events after `last_sent` if it missed some, and then its oldest pending join. The answer has the ticket of its
//! query, and answers with another ticket are ignored. A seat is live after an answer that leaves no event missing. It sends
//! each event whose number is the next one, drops known ones, and closes its socket on a gap.
//!
//! A query whose answer may be a page of events waits for its turn: one page per socket at a time, when the outbox has room,
//! and a bounded number of pages per vault. Seats that wait are served in order.
//!
//! Reading order: `input.rs` and `effect.rs` (what goes in and comes out), `seat.rs` and `vault_seats.rs` (the state),
//! `requests.rs` (join, resume, leave), `queries.rs` (what is asked of the vault, and turns), `answers.rs`, `notices.rs`,
//! `deadlines.rs`.

mod answers;
mod deadlines;
mod effect;
mod input;
mod invariants;
mod notices;
mod queries;
mod requests;
mod seat;
mod vault_seats;

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use crate::{
    domain::{SubscriberId, VaultId},
    vault::Attach,
};

pub use effect::{EventDelivery, JoinedReason, OutOfStepReason, RelayEffect, RelayEffects, SeatId};
pub use input::{JoinAckId, RelayBounds, RelayInput, RelaySocketId, SequencedEvent, VaultAnswer};
pub use seat::{
    PageTurn, PendingJoin, QueryPurpose, Seat, SeatPosition, SeatQuery, SeatState, SentQuery,
};
pub use vault_seats::{FanoutState, VaultPages, VaultSeats};

use deadlines::JoinDeadlines;

/// The decisions of one relay: the seats of the sockets of one worker thread.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RelayMachine {
    bounds: RelayBounds,
    next_ticket: u64,
    vaults: BTreeMap<VaultId, VaultSeats>,
    /// The sockets of which a seat has the turn for a page.
    page_turns: BTreeMap<RelaySocketId, SocketPageTurn>,
    deadlines: JoinDeadlines,
}

/// The seats of one socket that need a page. One has the turn.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct SocketPageTurn {
    holder: SeatKey,
    /// The next ones, in order.
    waiting: VecDeque<SeatKey>,
}

/// Finds a seat.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct SeatKey {
    vault: VaultId,
    subscriber: SubscriberId,
}

impl RelayMachine {
    /// Returns a relay without seats. Tickets are part of the offsets that clients send when they reconnect, perhaps to
    /// another process, so each relay needs a `first_ticket` of its own range.
    pub fn new(bounds: RelayBounds, first_ticket: u64) -> Self {
        Self {
            bounds,
            next_ticket: first_ticket,
            vaults: BTreeMap::new(),
            page_turns: BTreeMap::new(),
            deadlines: JoinDeadlines::default(),
        }
    }

    /// Handles an input at the time `now`, which is counted from any fixed moment. The effects are performed in order.
    pub fn handle<F: RelayEffects>(
        &mut self,
        input: RelayInput<'_, F::Event>,
        now: Duration,
        effects: &mut F,
    ) {
        let step = &mut RelayStep { now, effects };
        match input {
            RelayInput::Event { vault, event } => self.deliver_live(vault, event, step),
            RelayInput::Join {
                vault,
                seat,
                attach,
                ack,
            } => self.join(vault, seat, PendingJoin::new(attach, ack), step),
            RelayInput::Resume {
                vault,
                seat,
                resumed,
            } => self.resume(vault, seat, resumed, step),
            RelayInput::Leave { vault, subscriber } => self.leave(vault, subscriber, step),
            RelayInput::Answer {
                vault,
                subscriber,
                answer,
            } => self.handle_answer(vault, subscriber, answer, step),
            RelayInput::Removed { vault, subscribers } => {
                self.end_removed(vault, subscribers, step);
            }
            RelayInput::Closed { vault } => self.close_vault(vault, step),
            RelayInput::FellBehind { vault } => self.fall_behind(vault, step),
            RelayInput::MailboxDrained { vault } => self.catch_up(vault, step),
            RelayInput::OutboxDrained { socket } => self.continue_socket(socket, step),
            RelayInput::Tick => self.refuse_overdue_joins(step),
            RelayInput::Reconfigure(bounds) => self.reconfigure(bounds, step),
        }
        if let Some(at) = self.deadlines.take_wake_up() {
            step.perform(RelayEffect::WakeAt(at));
        }
    }

    /// Returns whether the seat exists.
    pub fn is_subscribed(&self, vault: &VaultId, id: SubscriberId) -> bool {
        self.seat(vault, id).is_some()
    }

    /// Returns the joins of a seat that the vault has not answered, oldest first.
    pub fn pending_joins(
        &self,
        vault: &VaultId,
        id: SubscriberId,
    ) -> impl Iterator<Item = &Attach> + use<'_> {
        let joins = self
            .seat(vault, id)
            .into_iter()
            .flat_map(|seat| &seat.joins);
        joins.map(|join| &join.attach)
    }

    /// Returns the vaults that have seats or have fallen behind.
    pub fn vaults(&self) -> &BTreeMap<VaultId, VaultSeats> {
        &self.vaults
    }

    /// Returns a seat.
    pub fn seat(&self, vault: &VaultId, id: SubscriberId) -> Option<&Seat> {
        self.vaults.get(vault)?.seats.get(&id)
    }

    fn seat_mut(&mut self, vault: &VaultId, id: SubscriberId) -> Option<&mut Seat> {
        self.vaults.get_mut(vault)?.seats.get_mut(&id)
    }

    /// Returns a ticket that no query had before.
    fn take_ticket(&mut self) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        ticket
    }
}

/// The time of one input, and where its effects go.
struct RelayStep<'a, F> {
    now: Duration,
    effects: &'a mut F,
}

impl<F: RelayEffects> RelayStep<'_, F> {
    fn perform(&mut self, effect: RelayEffect<'_, F::Event>) {
        self.effects.perform(effect);
    }
}
