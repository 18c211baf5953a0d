//! One namespace of a connection: the client is connected to it, or its CONNECT is being handled.

use std::time::Instant;

use socketioxide_core::{Str, Value};

use super::{
    connect_task::ConnectTask,
    early_events::EarlyEvents,
    packet_counter::PacketAdmission,
    received_event::{ReceivedEvent, payload_bytes},
};
use crate::{
    decode::{decode_payload, is_array},
    error::DisconnectReason,
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
    /// A task decides about the CONNECT. Events are kept meanwhile.
    Connecting {
        task: ConnectTask,
        early: EarlyEvents,
    },
    Connected(Box<dyn SocketHandler>),
}

impl NamespaceEntry {
    /// Passes an event to the handler, or keeps it until the CONNECT is answered. Returns `None` if the event is malformed, or if too
    /// much is kept already.
    pub(super) fn handle_event(
        &mut self,
        payload: Value,
        ack_id: Option<i64>,
        admission: PacketAdmission,
    ) -> Option<()> {
        let bytes = payload_bytes(&payload);
        let event = ReceivedEvent::decode(payload, ack_id, admission)?;
        match &mut self.state {
            EntryState::Connecting { early, .. } => early.push(event, bytes)?,
            EntryState::Connected(handler) => event.deliver(handler.as_mut(), &self.socket),
        }
        Some(())
    }

    /// Stores the handler of an accepted CONNECT, answers the CONNECT, and passes the events that were kept to the handler.
    pub(super) fn accept(&mut self, handler: Box<dyn SocketHandler>) {
        let early = match &mut self.state {
            EntryState::Connecting { early, .. } => early.take(),
            EntryState::Connected(_) => Vec::new(),
        };
        self.state = EntryState::Connected(handler);
        self.socket.accept();
        for event in early {
            if let EntryState::Connected(handler) = &mut self.state {
                event.deliver(handler.as_mut(), &self.socket);
            }
        }
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
            EntryState::Connecting { .. } => None,
        }
    }

    /// Wakes the handler.
    pub(super) fn wake(&mut self, now: Instant) {
        match &mut self.state {
            EntryState::Connected(handler) => handler.on_wake(now),
            EntryState::Connecting { .. } => {}
        }
    }

    /// Ends the entry and calls `on_disconnect` of its handler, even if the handler is the result of a CONNECT that
    /// has not been answered.
    pub(super) fn end(self, reason: DisconnectReason) {
        self.socket.mark_disconnected();
        match self.state {
            EntryState::Connected(mut handler) => handler.on_disconnect(reason),
            EntryState::Connecting { mut task, .. } => {
                if let Some(Ok(mut handler)) = task.result() {
                    handler.on_disconnect(reason);
                }
            }
        }
    }
}
