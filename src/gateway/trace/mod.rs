//! The delivery trace of a socket: the events and joins that were sent to it and may not have arrived. The trace is what
//! connection state recovery resumes from.
//!
//! Every packet of a vault is recorded in the order sent, under the offset that the client sends when it reconnects. An
//! answered heartbeat confirms the packets that were sent before the ping. The trace then drops them and keeps only the
//! last seen seq of each vault. A client that sends a recorded offset has received everything up to it. A client that
//! sends an unknown offset has received what heartbeats confirmed, because its offset comes from an earlier connection.
//!
//! The module contains data and rules only. It does not know sockets.

mod delivery_trace;
mod packet_log;
mod resumed;
mod slot_index;
mod subscriptions;
mod traced_join;

#[cfg(test)]
mod tests;

pub use delivery_trace::DeliveryTrace;
pub use resumed::{ResumePosition, ResumedSubscription};
pub use traced_join::TracedJoin;

pub(super) use traced_join::attach_bytes;
