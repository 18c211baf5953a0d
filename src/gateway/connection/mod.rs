//! One connected user: reads the events of the client and executes them in the order sent.
//!
//! No event waits for a commit. A mutation has its position in the order of its vault as soon as it is submitted, and its
//! answer is awaited in a task of its own. Only a mutation that names a source without its vault, or whose author is not
//! known as a member, needs a lookup first. Later events of the socket wait for the lookup.
//!
//! Reading order: `state.rs` (what a connection has), `lifecycle.rs` (connect, suspend, end), `handler.rs` (events of the
//! client), `requests.rs` (executes them), `responses.rs` (acknowledgements and errors).

mod handler;
mod joined_vaults;
mod lifecycle;
mod requests;
mod responses;
mod state;

#[cfg(test)]
mod tests;

pub(super) use lifecycle::{ConnectionEnd, ConnectionParams};
pub(super) use state::{ConnectionContext, UserConnection};
