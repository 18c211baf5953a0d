//! Connection state recovery: a client that reconnects within `socketio.recovery_window` continues its former connection.
//!
//! A connection is identified by its `pid`, which only its client knows. While it is connected, the store holds a handle of its relay.
//! When its transport is lost or closed, the store keeps its recovery state for the window. A graceful shutdown moves the states
//! to the database, where another process finds them. A state can be recovered once; a claim that a limit refuses
//! leaves it as it was. Of two clients with the same pid, the later one takes the connection over from the earlier. A connection
//! of another node is asked for over the bus between nodes; that node closes it and moves its state to the database.
//!
//! [`machine`] decides; `store.rs` keeps it behind a lock, because a client may reconnect on any worker thread. `claim.rs`
//! performs the steps of a claim, `peer_claim.rs` those of another node, and `drain.rs` the shutdown. The states of disconnected
//! sockets are bounded by bytes, in all and per user (`machine/disconnected.rs`).

pub mod machine;

mod claim;
mod drain;
mod peer_claim;
mod state;
mod store;

pub(super) use claim::{ClaimedSocket, RecoveredSocket, RecoveryRequest};
pub use state::{PendingJoinState, RecoveryState, StoredRecoveryState};
pub use store::{RecoveryBounds, RecoveryStore};
