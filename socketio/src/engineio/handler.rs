//! The application's side of an Engine.IO server: one handler per worker thread, and one per session.

use std::{any::Any, time::Instant};

use bytes::Bytes;
use engineioxide_core::Str;

use super::{close_reason::CloseReason, open_request::OpenRequest, socket::SessionSocket};

/// The application of an Engine.IO server. Each worker thread has one.
pub trait EngineHandler {
    /// Decides whether a request may open a session.
    ///
    /// The session keeps the returned permit until it is released, so the permit can count sessions. Later requests of
    /// the session are not checked again; they need only its id.
    ///
    /// # Errors
    /// The response to a refused request: [`HandshakeError::Forbidden`](super::HandshakeError::Forbidden), or an error
    /// with a status and body of the application's own.
    fn admit(&self, request: &OpenRequest) -> Result<SessionPermit, actix_web::Error> {
        let _ = request;
        Ok(Box::new(()))
    }

    /// Removes what the application does not need later from an admitted request. The session keeps the rest until it ends,
    /// so the rest may have 16 KiB at most; a larger request is
    /// [refused](super::HandshakeError::HeadersTooLarge). By default, everything is kept.
    fn trim_request(&self, request: &mut OpenRequest) {
        let _ = request;
    }

    /// Returns the handler of a session that has opened. Frames that are pushed here are sent right after the handshake.
    fn open(&self, socket: SessionSocket, request: OpenRequest) -> Box<dyn SessionHandler>;
}

/// A value that a session keeps for its application until it is released. Dropping it may release a permit.
pub type SessionPermit = Box<dyn Any>;

/// The two events of a heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heartbeat {
    /// A ping was queued behind all frames that were pushed before.
    Sent,
    /// The client has answered the last ping: all frames that were pushed before it have arrived.
    Answered,
}

/// The application's side of one session. No method is called after [`on_close`](SessionHandler::on_close).
pub trait SessionHandler {
    /// The client sent a text message.
    fn on_text(&mut self, text: Str);

    /// The client sent a binary message.
    fn on_binary(&mut self, bytes: Bytes);

    /// The client sent a packet of `bytes` bytes that is not a message and that the protocol does not require. The session
    /// handles it.
    fn on_control(&mut self, bytes: usize) {
        let _ = bytes;
    }

    /// The session is closed.
    fn on_close(&mut self, reason: CloseReason);

    /// A ping was sent or answered.
    fn on_heartbeat(&mut self, beat: Heartbeat) {
        let _ = beat;
    }

    /// Returns when [`on_wake`](SessionHandler::on_wake) must be called. It is read after each call of another method.
    fn deadline(&self) -> Option<Instant> {
        None
    }

    /// [`SessionSocket::wake`] was called, or a deadline of the handler or of the session has passed.
    fn on_wake(&mut self, now: Instant) {
        let _ = now;
    }
}
