//! The recovery machine: decides which former connection a client continues, without a clock, a lock or a database.
//!
//! A socket with a pid is connected on a relay, or disconnected with a state that expires. A claim takes the state: of a
//! connection that is still open after its relay has suspended it, of a disconnected socket, or from the database. Then the
//! journal must have every event that the client missed. Claims of one pid are handled one after the other, so the later
//! CONNECT takes the connection over from the earlier one. A claim that is not confirmed leaves the state as it was.
//!
//! Reading order: `input.rs` and `effect.rs`, `claim.rs` and `state.rs`, `handle.rs`, `entries.rs` and `disconnected.rs` (bounds by
//! bytes).

mod claim;
mod disconnected;
mod effect;
mod entries;
mod handle;
mod input;
mod state;

#[cfg(test)]
mod tests;

pub use claim::{ClaimId, ClaimRefusal, PidClaim};
pub use disconnected::{DisconnectedSocket, Eviction, StateBounds};
pub use effect::{ClaimStep, MissedPosition, RecoveryEffect};
pub use input::{MissedEvents, RecoveryInput, TakeOverOutcome};
pub use state::{RecoveryMachine, RecoveryOptions};
