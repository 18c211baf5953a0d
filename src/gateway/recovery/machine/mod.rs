//! The recovery machine: decides which former connection a client continues, without a clock, a lock or a database.
//!
//! A socket with a pid is connected on a relay, or disconnected with a state that expires. A claim takes the state: of a
//! connection that is still open after its relay has suspended it, of a disconnected socket, or from the database. Then the
//! journal must have every event that the client missed. Claims of one pid are handled one after the other, so the later
//! CONNECT takes the connection over from the earlier one. A claim that is not confirmed leaves the state as it was.
//!
//! Other nodes on the database are asked for what neither this node nor the database has. A node that is asked treats this as a claim
//! of its own, but moves the state to the database instead of granting it.
//!
//! Reading order: `input.rs` and `effect.rs`, `claim.rs` and `state.rs`, `handle.rs`, `peers.rs` (other nodes), `entries.rs`, `disconnected.rs`
//! (bounds by bytes) and `pid_index.rs`.

mod claim;
mod disconnected;
mod effect;
mod entries;
mod handle;
mod input;
mod peers;
mod pid_index;
mod state;

#[cfg(test)]
mod tests;

pub use claim::{ClaimId, ClaimRefusal, PidClaim};
pub use disconnected::{DisconnectedSocket, Eviction, StateBounds};
pub use effect::{ClaimStep, MissedPosition, PeerClaimStep, RecoveryEffect};
pub use input::{MissedEvents, RecoveryInput, StoreOutcome, TakeOverOutcome};
pub use pid_index::ClaimScope;
pub use state::{RecoveryMachine, RecoveryOptions, TakenStates};
