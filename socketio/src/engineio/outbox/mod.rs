//! The bounded queue of frames between a session and its transport.

mod queue;
mod waiters;

pub use queue::OutboxUsage;
pub(super) use queue::{Outbox, OutboxEnd, OutboxTransport, PollContent, PushOutcome, WriterStep};

#[cfg(test)]
mod tests;
