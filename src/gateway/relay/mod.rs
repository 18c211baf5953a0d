//! The relay: one actor per worker thread. A vault sends each event once to every relay. The relay puts it into the
//! outboxes of its sockets, in thread-local memory and without a lock.
//!
//! All packets that a socket receives of a vault pass through the relay in one order. The relay keeps the last sent seq of
//! each subscription, drops events at or below it, and closes the transport on a gap.
//!
//! [`machine`] decides; the other files move data. Reading order: `machine/`, `state.rs` (the machine with its sockets and
//! vaults), `effects.rs` (performs what the machine requests), `requests.rs` (join, resume, leave), `delivery.rs` (notices from
//! vaults), `delivery_budget.rs` (how many at a time), `sink.rs`, `handle.rs` and `actor.rs` (messages between threads),
//! `socket_table.rs` and `worker_relay.rs` (after a panic).

pub mod machine;

mod actor;
mod delivery;
mod delivery_budget;
mod delivery_socket;
mod effects;
mod handle;
mod options;
mod requests;
mod sink;
mod socket_table;
mod state;
mod worker_relay;

#[cfg(test)]
mod properties;

pub(super) use delivery_socket::DeliverySocket;
pub(super) use handle::RelayHandle;
pub(super) use options::RelayOptions;
pub(super) use requests::JoinRequest;
pub(super) use socket_table::SocketAttachment;
pub(super) use state::Relay;
pub(super) use worker_relay::WorkerRelay;
