//! Connection state recovery: a client that reconnects within `socketio.recovery_window` continues its former connection.
//!
//! A connection is identified by its `pid`, which only its client knows. While it is connected, the store holds a handle of its relay.
//! When its transport is lost or closed, the store keeps its recovery state for the window. A graceful shutdown moves the states
//! to the database, where another process finds them. A state can be recovered once; a claim that a limit refuses
//! leaves it as it was. Of two clients with the same pid, the later one takes the connection over from the earlier.
//!
//! The states of disconnected sockets are bounded by bytes, in all and per user (`disconnected.rs`).
//!
//! The entries are behind a lock that is held for one lookup and never across an await, because a client may reconnect on
//! any worker thread.

mod claim;
mod disconnected;
mod drain;
mod entries;
mod state;
mod store;

pub(super) use claim::{ClaimedSocket, RecoveredSocket, RecoveryRequest};
pub(super) use state::{PendingJoinState, RecoveryState};
pub use store::{RecoveryBounds, RecoveryStore};
