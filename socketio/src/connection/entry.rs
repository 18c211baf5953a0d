//! One namespace of a connection: the client is connected to it, or its CONNECT is being handled.

use std::time::Instant;

use socketioxide_core::{Str, Value};

use super::{connect_task::ConnectTask, packet_counter::PacketAdmission};
use crate::{
    ack::Ack,
    decode::{DecodedEvent, decode_event, decode_payload, decode_refused_event, is_array},
    error::DisconnectReason,
    event::IncomingEvent,
    handler::SocketHandler,
    socket::Socket,
};

/// A namespace that a client has sent a CONNECT for and has not left.
pub(super) struct NamespaceEntry {
    pub(super) namespace: Str,
    pub(super) socket: Socket,
    pub(super) state: EntryState,
}

pub(super) enum EntryState {
    Connecting(ConnectTask),
    Connected(Box<dyn SocketHandler>),
}

impl NamespaceEntry {
    /// Passes an event to the handler. Returns `None` if the event is malformed or if the CONNECT has not been answered.
    pub(super) fn handle_event(
        &mut self,
        payload: Value,
        ack_id: Option<i64>,
        admission: PacketAdmission,
    ) -> Option<()> {
        let DecodedEvent {
            name,
            args,
            attachments,
        } = match admission {
            PacketAdmission::Accepted => decode_event(payload)?,
            PacketAdmission::Refused => decode_refused_event(payload)?,
        };
        let EntryState::Connected(handler) = &mut self.state else {
            return None;
        };
        // The server may have disconnected the socket, and the connection has not woken since.
        if !self.socket.is_disconnected() {
            let ack = ack_id.map(|id| Ack::new(self.socket.clone(), id));
            let event = IncomingEvent {
                name,
                args,
                attachments,
                ack,
            };
            match admission {
                PacketAdmission::Accepted => handler.on_event(event),
                PacketAdmission::Refused => handler.on_refused_event(event),
            }
        }
        Some(())
    }

    /// Completes an acknowledgement that the server requested. Any other is ignored unread. Returns `None` if it is
    /// malformed.
    pub(super) fn handle_ack(&mut self, payload: Value, ack_id: i64) -> Option<()> {
        if !self.socket.awaits_ack(ack_id) {
            return is_array(&payload).then_some(());
        }
        self.socket
            .resolve_ack(ack_id, decode_payload(payload)?.into());
        Some(())
    }

    /// Returns when the handler must be woken.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.state {
            EntryState::Connected(handler) => handler.deadline(),
            EntryState::Connecting(_) => None,
        }
    }

    /// Wakes the handler.
    pub(super) fn wake(&mut self, now: Instant) {
        match &mut self.state {
            EntryState::Connected(handler) => handler.on_wake(now),
            EntryState::Connecting(_) => {}
        }
    }

    /// Ends the entry and calls `on_disconnect` of its handler, even if the handler is the result of a CONNECT that
    /// has not been answered.
    pub(super) fn end(self, reason: DisconnectReason) {
        self.socket.mark_disconnected();
        match self.state {
            EntryState::Connected(mut handler) => handler.on_disconnect(reason),
            EntryState::Connecting(mut task) => {
                if let Some(Ok(mut handler)) = task.result() {
                    handler.on_disconnect(reason);
                }
            }
        }
    }
}
