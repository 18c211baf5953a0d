//! The gateway: the contract's events on the generic Socket.IO layer.
//!
//! `namespace.rs` decides which client connects, and `socket_meter.rs` how much it may send. `protocol/` contains the names
//! and payloads of the contract. `connection/` is one connected user. `relay/` forwards the events of vaults to the sockets
//! of a worker thread, within `bounds.rs`. `trace/` and `recovery/` continue the former connection of a client that reconnects.
//! Relays and recovery decide in pure state machines, [`relay::machine`] and [`recovery::machine`]. A [`Gateway`] is built once
//! per worker thread. `asyncapi/` describes the events for other programs.

mod asyncapi;
mod bounds;
mod connection;
mod connections;
mod emit;
mod expiry_watch;
mod issued_id;
mod metrics;
mod namespace;
mod offset;
mod panic_guard;
mod protocol;
pub mod recovery;
pub mod relay;
mod scoped_task;
mod socket_meter;
pub mod trace;

#[cfg(test)]
mod test_vaults;

pub use asyncapi::asyncapi;
pub use bounds::GatewayBounds;
pub use metrics::GatewayMetrics;
pub use namespace::{Gateway, GatewayOptions};
pub use offset::Offset;
pub use protocol::NAMESPACE;
pub use recovery::{RecoveryBounds, RecoveryStore};
pub use socket_meter::SocketMeter;
