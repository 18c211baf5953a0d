//! Settings of an Engine.IO server: intervals, the largest message, and the bounds of an outbox.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// The settings of an [`EngineServer`](super::EngineServer), the same for all of its sessions.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Time between two pings of the server. The handshake announces it to the client.
    pub ping_interval: Duration,
    /// Time in which the client must answer a ping; after it the session is closed. The handshake announces it.
    pub ping_timeout: Duration,
    /// The largest message, and the largest payload of several packets, that a client may send, in bytes. A larger
    /// message closes its session unread; a larger payload is refused (413). The handshake announces the limit, and the
    /// official clients respect it.
    pub max_payload: usize,
    /// Time that a websocket has to complete an upgrade from polling. After it the websocket is closed, and polling
    /// continues.
    pub upgrade_timeout: Duration,
    /// Time that a connection may be in no Socket.IO namespace before it is closed; a CONNECT counts when it is accepted.
    /// Engine.IO itself ignores it.
    pub connect_timeout: Duration,
    /// Time in which the binary attachments of a Socket.IO packet must arrive before the connection is closed. Engine.IO
    /// itself ignores it.
    pub attachments_timeout: Duration,
    /// Whether clients of Engine.IO 3 may open sessions. They are those of Socket.IO 2. The reference
    /// implementation calls this setting `allowEIO3`.
    pub allow_eio3: bool,
    /// The bounds of one socket's outbox. Exceeding them closes the session as [slow](super::CloseReason::Slow).
    pub outbox: OutboxBounds,
}

/// How many frames and bytes may be queued for one socket.
///
/// The bounds can be changed at any time, for all sockets at once. A socket whose queue exceeds new bounds is closed
/// only when another frame is pushed. A clone shares the bounds.
#[derive(Clone, Debug)]
pub struct OutboxBounds(Arc<OutboxBoundsState>);

#[derive(Debug)]
struct OutboxBoundsState {
    max_frames: AtomicUsize,
    max_bytes: AtomicUsize,
}

impl OutboxBounds {
    /// Creates bounds of `max_frames` frames and `max_bytes` bytes.
    pub fn new(max_frames: usize, max_bytes: usize) -> Self {
        Self(Arc::new(OutboxBoundsState {
            max_frames: max_frames.into(),
            max_bytes: max_bytes.into(),
        }))
    }

    /// Replaces the bounds.
    pub fn reconfigure(&self, max_frames: usize, max_bytes: usize) {
        self.0.max_frames.store(max_frames, Ordering::Relaxed);
        self.0.max_bytes.store(max_bytes, Ordering::Relaxed);
    }

    /// Returns how many frames may be queued.
    pub fn max_frames(&self) -> usize {
        self.0.max_frames.load(Ordering::Relaxed)
    }

    /// Returns how many bytes may be queued.
    pub fn max_bytes(&self) -> usize {
        self.0.max_bytes.load(Ordering::Relaxed)
    }
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            max_payload: 1_000_000,
            upgrade_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(45),
            attachments_timeout: Duration::from_secs(10),
            allow_eio3: false,
            outbox: OutboxBounds::new(1024, 4 * 1024 * 1024),
        }
    }
}
