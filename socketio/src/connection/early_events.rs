//! Events that a client sends before its CONNECT is answered.
//!
//! Whether a namespace decides at once or has to wait does not depend on the client, so an event right behind the CONNECT is kept until
//! then. Its sender may have no valid credentials yet, so the number and size of these events are bounded.

use super::received_event::ReceivedEvent;

/// The maximum number of events.
const MAX_EVENTS: usize = 16;
/// The maximum size of all payloads with their attachments, in bytes.
const MAX_BYTES: usize = 64 * 1024;

/// The events of one namespace in the order in which they were received.
#[derive(Default)]
pub(super) struct EarlyEvents {
    events: Vec<ReceivedEvent>,
    bytes: usize,
}

impl EarlyEvents {
    /// Adds an event whose payload has this size. Returns `None` if there are too many, or if they are too large.
    pub(super) fn push(&mut self, event: ReceivedEvent, bytes: usize) -> Option<()> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.events.len() >= MAX_EVENTS || self.bytes > MAX_BYTES {
            return None;
        }
        self.events.push(event);
        Some(())
    }

    /// Returns the events, oldest first.
    pub(super) fn take(&mut self) -> Vec<ReceivedEvent> {
        std::mem::take(self).events
    }
}
