//! The websocket transport: one websocket message is one packet. The reader forwards messages to the session; the writer
//! sends the frames of the outbox.

pub(in crate::engineio) mod accept;
mod fragments;
mod frame_guard;
mod reader;
pub(in crate::engineio) mod sink;
pub(in crate::engineio) mod upgrade_request;
pub(in crate::engineio) mod writer;
