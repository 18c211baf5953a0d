//! The websocket transport: one websocket message is one packet. The reader forwards messages to the session; the writer
//! sends the frames of the outbox.
//!
//! The connection stays with the HTTP server, through actix-ws (`accept.rs`, `writer.rs`), or leaves it (`takeover.rs`, `wire/`). The
//! reader is the same.

pub(in crate::engineio) mod accept;
mod fragments;
mod frame_guard;
mod reader;
pub(in crate::engineio) mod sink;
mod stream;
pub(in crate::engineio) mod takeover;
pub(in crate::engineio) mod upgrade_request;
pub(in crate::engineio) mod wire;
pub(in crate::engineio) mod writer;

use super::super::frame::BinaryEncoding;

/// The parameters of a websocket.
#[derive(Clone, Copy, Debug)]
pub(in crate::engineio) struct WebSocketOptions {
    /// The largest message of the client, in bytes.
    pub(in crate::engineio) max_message: usize,
    pub(in crate::engineio) binary: BinaryEncoding,
}
