//! The transports. A transport only moves bytes: packets of the client go to the session's address one at a time, and
//! frames of the outbox go to the client.

pub(super) mod payload;
pub(super) mod polling;
pub(super) mod unread_body;
pub(super) mod websocket;
