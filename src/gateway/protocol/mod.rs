//! The contract of the gateway: names and payloads of its Socket.IO events.
//!
//! `client_event.rs` is the table of the events that a client may send, `client_request.rs` parses their arguments.
//! `payload.rs` and `event_frame.rs` encode what the server sends.

mod client_event;
mod client_request;
mod event_frame;
mod names;
mod payload;

#[cfg(test)]
mod tests;

pub(super) use client_event::{ClientEvent, UNKNOWN_EVENT};
pub(super) use client_request::{
    ClientRequest, MutationContent, MutationSubject, NamedTarget, named_vault,
};
pub(super) use event_frame::EventFrames;
pub use names::NAMESPACE;
pub(super) use names::{ERROR, JOINED};
pub(super) use payload::{
    ErrorPayload, JoinedPayload, LeaveAck, MutationAck, NegativeAck, SourceAck, SourceDeletedAck,
};
