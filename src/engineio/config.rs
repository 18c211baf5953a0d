//! How patient and how generous a server is: intervals, the largest message, and what may wait for one socket.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// The settings of a [`Server`](super::Server), the same for all of its sessions.
#[derive(Clone, Debug)]
pub struct Config {
    /// How long the connection may be quiet before the server sends a ping; told to the client in the handshake.
    pub ping_interval: Duration,
    /// How long the client may take to answer a ping before its session is closed; told to the client as well.
    pub ping_timeout: Duration,
    /// The largest message, and the largest payload of several, in bytes that a client may send; a larger message
    /// closes its session unread, a larger payload is refused (413). Told to the client, which keeps to it.
    pub max_payload: usize,
    /// How long a websocket may take to take over from polling; one that does not is closed, and polling goes on.
    pub upgrade_timeout: Duration,
    /// How long a connection may be in no Socket.IO namespace before it is closed. Engine.IO alone ignores it.
    pub connect_timeout: Duration,
    /// How long the binary attachments of a Socket.IO packet may take to come before the connection is closed.
    /// Engine.IO alone ignores it.
    pub attachments_timeout: Duration,
    /// How much may wait for one socket; more closes it as [slow](super::CloseReason::Slow).
    pub outbox: OutboxBounds,
}

/// How many frames and bytes may wait for one socket. It may be changed at any time, for all sockets at once; who has
/// more waiting than he may have now is closed only when still more is to be sent to him. A clone is the same bounds.
#[derive(Clone, Debug)]
pub struct OutboxBounds(Arc<Bounds>);

#[derive(Debug)]
struct Bounds {
    events: AtomicUsize,
    bytes: AtomicUsize,
}

impl OutboxBounds {
    /// So many frames, and so many bytes.
    pub fn new(events: usize, bytes: usize) -> Self {
        Self(Arc::new(Bounds {
            events: events.into(),
            bytes: bytes.into(),
        }))
    }

    /// Sets others.
    pub fn retune(&self, events: usize, bytes: usize) {
        self.0.events.store(events, Ordering::Relaxed);
        self.0.bytes.store(bytes, Ordering::Relaxed);
    }

    /// How many frames may wait.
    pub fn events(&self) -> usize {
        self.0.events.load(Ordering::Relaxed)
    }

    /// How many bytes may wait.
    pub fn bytes(&self) -> usize {
        self.0.bytes.load(Ordering::Relaxed)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            max_payload: 1_000_000,
            upgrade_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(45),
            attachments_timeout: Duration::from_secs(10),
            outbox: OutboxBounds::new(1024, 4 * 1024 * 1024),
        }
    }
}
