//! Decides when a node connects its bus, sends heartbeats, hints and claims, and compares heads. It does no I/O and reads no clock.
//!
//! The machine is one for all vaults of a node. It does not hold their heads: hints wait in the queue until
//! [`ClusterEffect::SendHints`], and a sweep reads the heads of the vaults when it begins.
//!
//! Reading order: `input.rs` and `effect.rs` (the interface), `state.rs`, `handle.rs`, `link.rs` (the bus), `hints.rs`,
//! `sweeps.rs`, `claim_exchange.rs` and `claims.rs` (connections of clients that come back to another node).

mod claim_exchange;
mod claims;
mod effect;
mod handle;
mod hints;
mod input;
mod link;
#[cfg(test)]
mod properties;
mod state;
mod sweeps;
#[cfg(test)]
mod tests;

pub use claim_exchange::{CLAIM_TIMEOUT, ClaimOutcome, MAX_ANSWERING, MAX_PENDING};
pub use effect::ClusterEffect;
pub use input::ClusterInput;
pub use state::{BusUse, ClusterMachine, MAX_JITTER};
