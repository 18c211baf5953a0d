//! The vault as a pure state machine: it decides everything that happens to one vault.
//!
//! [`VaultMachine::handle`] takes an input and the time, changes the state and appends effects. It awaits nothing and reads no
//! clock, so that a simulator can run the type that ships. The shell (`vault/actor.rs`) turns messages and results into inputs
//! and performs the effects in order.
//!
//! A mutation passes these steps in order: decide and commit ([`VaultEffect::Append`]), apply, publish
//! ([`VaultEffect::Deliver`]), answer ([`VaultEffect::Answer`]). One transaction is in flight; mutations that arrive meanwhile
//! wait and go into the next one together.
//!
//! Reading order: `input.rs` and `effect.rs` (what comes in and goes out), `state.rs` and `handle.rs` (the machine), `queue.rs` and
//! `commits.rs` (mutations), `apply.rs` (events), `joins.rs`, `waiting_joins.rs`, `head_check.rs` and `replay.rs` (subscriptions),
//! `fanout.rs` (subscribers and their sinks), `remote_head.rs` (other nodes), `retirement.rs` (time).

mod apply;
mod commits;
mod effect;
mod fanout;
mod handle;
mod head_check;
mod hint_read;
mod ids;
mod input;
mod joins;
mod lifetime;
mod options;
mod pending_reads;
mod queue;
mod remote_head;
mod replay;
mod retirement;
mod rewind;
mod ring;
mod state;
mod step;
mod waiting_joins;

#[cfg(test)]
mod tests;

pub use effect::{
    Batch, PositionLoss, QueuedMutation, RetireCause, VaultEffect, VaultEffects, VaultFact,
};
pub use ids::{CallerId, MissedPurpose, SubscribeId};
pub use input::{BatchOutcome, SubscribeRequest, VaultInput, WrittenBatch};
pub use options::MachineOptions;
pub use state::VaultMachine;
