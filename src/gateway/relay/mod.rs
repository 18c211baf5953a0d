//! The relay: one actor per worker thread. A vault sends each event once to every relay. The relay puts it into the
//! outboxes of its sockets, in thread-local memory and without a lock.
//!
//! All packets that a socket receives of a vault pass through the relay in one order. The relay keeps the last sent seq of
//! each subscription, drops events at or below it, and closes the transport on a gap.
//!
//! Reading order: `socket_subscription.rs` and `vault_subscriptions.rs` (the state), `state.rs` (the relay), `requests.rs`
//! (join, resume, leave), `delivery.rs` (notices from vaults), `delivery_budget.rs` (how many at a time), `sink.rs`, `handle.rs` and
//! `actor.rs` (messages between threads), `attached_sockets.rs` and `worker_relay.rs` (after a panic).

mod actor;
mod attached_sockets;
mod delivery;
mod delivery_budget;
mod delivery_socket;
mod handle;
pub mod machine;
mod replay_permits;
mod requests;
mod sink;
mod socket_subscription;
mod state;
mod vault_subscriptions;
mod worker_relay;

#[cfg(test)]
mod properties;

pub(super) use attached_sockets::SocketAttachment;
pub(super) use delivery_socket::DeliverySocket;
pub(super) use handle::RelayHandle;
pub(super) use requests::JoinRequest;
pub(super) use state::{Relay, RelayOptions};
pub(super) use worker_relay::WorkerRelay;
