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
//! Reading order: `input.rs` and `effect.rs` (what goes in and comes out), `seat.rs`, `vault_seats.rs` and `state.rs` (the state),
//! `handle.rs`, `requests.rs` (join, resume, leave), `queries.rs` (what is asked of the vault, and turns), `answers.rs`, `notices.rs`,
//! `deadlines.rs`.

mod answers;
mod deadlines;
mod effect;
mod handle;
mod ids;
mod input;
mod invariants;
mod notices;
mod queries;
mod requests;
mod seat;
mod state;
mod step;
mod vault_seats;

#[cfg(test)]
mod tests;

pub use effect::{EventDelivery, JoinedReason, OutOfStepReason, RelayEffect, RelayEffects};
pub use ids::{JoinAckId, RelayId, RelaySocketId, SeatId};
pub use input::{RelayBounds, RelayInput, SequencedEvent, VaultAnswer};
pub use seat::{
    PageTurn, PendingJoin, QueryPurpose, Seat, SeatPosition, SeatQuery, SeatState, SentQuery,
};
pub use state::RelayMachine;
pub use vault_seats::{FanoutState, VaultPages, VaultSeats};
