//! Measurements of sessions, reported to the application.
//!
//! The crate keeps no metrics registry. An application that needs measurements implements [`SessionObserver`] and passes it to
//! [`EngineServer::with_observer`](super::EngineServer::with_observer). Without an observer the only cost is two clock
//! reads per message.

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use engineioxide_core::TransportType;

use super::close_reason::CloseReason;

/// Receives measurements of the sessions of one worker thread. Every method does nothing by default.
///
/// Methods are called on the worker thread, some of them for each frame: they must return at once.
pub trait SessionObserver {
    /// A session was opened on this transport.
    fn session_opened(&self, transport: TransportType) {
        let _ = transport;
    }

    /// A websocket has replaced polling as the transport of a session.
    fn session_upgraded(&self) {}

    /// A session was closed for this reason. Called once per session.
    fn session_closed(&self, reason: CloseReason) {
        let _ = reason;
    }

    /// The memory of a session is released; `transport` is the last one that it had.
    fn session_released(&self, transport: TransportType) {
        let _ = transport;
    }

    /// A frame was added to the outbox of a session, which now holds `frames` frames of `bytes` bytes in total.
    fn frame_queued(&self, frames: usize, bytes: usize) {
        let _ = (frames, bytes);
    }

    /// The transport has taken a frame that was queued in the outbox for `waited`. Only some frames are timed.
    fn frame_taken(&self, waited: Duration) {
        let _ = waited;
    }

    /// A message from the client waited in the session's mailbox for `waited` and was handled in `handling`.
    fn message_handled(&self, waited: Duration, handling: Duration) {
        let _ = (waited, handling);
    }
}

/// The observer of a server without one.
pub(super) struct NoopObserver;

impl SessionObserver for NoopObserver {}

/// Reports the release of a session when dropped.
pub(super) struct ObservedSession {
    observer: Rc<dyn SessionObserver>,
    transport: TransportType,
}

impl ObservedSession {
    /// Reports that a session was opened.
    pub(super) fn open(observer: Rc<dyn SessionObserver>, transport: TransportType) -> Self {
        observer.session_opened(transport);
        Self {
            observer,
            transport,
        }
    }

    /// Reports that a websocket has replaced polling.
    pub(super) fn upgrade(&mut self) {
        self.observer.session_upgraded();
        self.transport = TransportType::Websocket;
    }
}

impl Drop for ObservedSession {
    fn drop(&mut self) {
        self.observer.session_released(self.transport);
    }
}

/// Reports how long a message waited and was handled when dropped, also after a panic.
pub(super) struct MessageTimer {
    observer: Rc<dyn SessionObserver>,
    waited: Duration,
    started: Instant,
}

impl MessageTimer {
    /// Starts to time a message that was put into the mailbox at `sent`.
    pub(super) fn start(observer: Rc<dyn SessionObserver>, sent: Instant) -> Self {
        let started = Instant::now();
        Self {
            observer,
            waited: started.duration_since(sent),
            started,
        }
    }
}

impl Drop for MessageTimer {
    fn drop(&mut self) {
        self.observer
            .message_handled(self.waited, self.started.elapsed());
    }
}
