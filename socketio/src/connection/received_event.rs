//! An event of a client between its decoding and its handler.

use socketioxide_core::Value;

use super::packet_counter::PacketAdmission;
use crate::{
    ack::Ack,
    decode::{DecodedEvent, decode_event, decode_refused_event},
    event::IncomingEvent,
    handler::SocketHandler,
    socket::Socket,
};

/// An event of the client that was decoded.
pub(super) struct ReceivedEvent {
    decoded: DecodedEvent,
    ack_id: Option<i64>,
    admission: PacketAdmission,
}

impl ReceivedEvent {
    /// Decodes an event. Returns `None` if it is malformed.
    pub(super) fn decode(
        payload: Value,
        ack_id: Option<i64>,
        admission: PacketAdmission,
    ) -> Option<Self> {
        let decoded = match admission {
            PacketAdmission::Accepted => decode_event(payload)?,
            PacketAdmission::Refused => decode_refused_event(payload)?,
        };
        Some(Self {
            decoded,
            ack_id,
            admission,
        })
    }

    /// Passes the event to the handler, unless the server has disconnected the socket and the connection has not woken since.
    pub(super) fn deliver(self, handler: &mut dyn SocketHandler, socket: &Socket) {
        if socket.is_disconnected() {
            return;
        }
        let DecodedEvent {
            name,
            args,
            attachments,
        } = self.decoded;
        let event = IncomingEvent {
            name,
            args,
            attachments,
            ack: self.ack_id.map(|id| Ack::new(socket.clone(), id)),
        };
        match self.admission {
            PacketAdmission::Accepted => handler.on_event(event),
            PacketAdmission::Refused => handler.on_refused_event(event),
        }
    }
}

/// Returns the size of a payload with its attachments.
pub(super) fn payload_bytes(payload: &Value) -> usize {
    match payload {
        Value::Str(text, attachments) => {
            let attachments = attachments.iter().flatten().map(|bytes| bytes.len());
            text.len() + attachments.sum::<usize>()
        }
        Value::Bytes(bytes) => bytes.len(),
    }
}
