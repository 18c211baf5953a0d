//! Acknowledgements that a client has requested from the server.

use bytes::Bytes;
use serde::Serialize;

use super::{error::EncodeError, frame::EventFrame, socket::Socket};

/// The acknowledgement that a client requested with an event. If it is dropped, the event is not acknowledged.
pub struct Ack {
    socket: Socket,
    id: i64,
}

impl Ack {
    pub(crate) fn new(socket: Socket, id: i64) -> Self {
        Self { socket, id }
    }

    /// Acknowledges the event. A tuple becomes several arguments, any other value becomes one.
    pub fn send<T: Serialize + ?Sized>(self, data: &T) -> Result<(), EncodeError> {
        let frame = EventFrame::ack(self.socket.namespace(), self.id, data)?;
        self.socket.push(&frame);
        Ok(())
    }

    /// Acknowledges the event with JSON texts and binary attachments, as in [`EventFrame::with_attachments`].
    pub fn send_json(self, args: &[&str], attachments: Vec<Bytes>) {
        let frame = EventFrame::json_ack(self.socket.namespace(), self.id, args, attachments);
        self.socket.push(&frame);
    }
}
