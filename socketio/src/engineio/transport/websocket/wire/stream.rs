//! The messages of a websocket on a connection that was handed over.

use std::{future::poll_fn, io, rc::Rc};

use actix_codec::Decoder;
use actix_http::ws::{self, ProtocolError};
use bytes::BytesMut;
use bytestring::ByteString;

use crate::engineio::transport::websocket::frame_guard::{FrameHeaderChecker, FrameHeaderError};

use super::{
    taken::TakenConnection,
    wire_io::{WireIo, Written},
};

/// Receives and sends the messages of one websocket.
pub(in crate::engineio) struct WireStream {
    pub(super) io: Rc<WireIo>,
    received: BytesMut,
    codec: ws::Codec,
    headers: FrameHeaderChecker,
    /// How many of the last received bytes the headers were not checked of.
    unchecked: usize,
}

impl WireStream {
    /// Returns the stream of a connection. A message of the peer may have `max_message` bytes.
    pub(in crate::engineio) fn new(connection: TakenConnection, max_message: usize) -> Self {
        let (io, received) = WireIo::new(connection);
        Self {
            io: Rc::new(io),
            unchecked: received.len(),
            received,
            codec: ws::Codec::new().max_size(max_message),
            headers: FrameHeaderChecker::new(max_message),
        }
    }

    /// Returns the next message, or `None` at the end of the connection.
    pub(in crate::engineio) async fn recv(&mut self) -> Option<Result<ws::Message, ProtocolError>> {
        loop {
            match self.decode() {
                Ok(Some(message)) => return Some(Ok(message)),
                Ok(None) => {}
                Err(error) => return Some(Err(error)),
            }
            if self.received.is_empty() {
                // An idle socket has no buffer.
                self.received = BytesMut::new();
            }
            let io = &self.io;
            let received = &mut self.received;
            match poll_fn(|cx| io.poll_read(received, cx)).await {
                Ok(0) | Err(_) => return None,
                Ok(read) => self.unchecked = read,
            }
        }
    }

    /// Sends what was queued before. Waits until the peer has taken it.
    ///
    /// # Errors
    /// If the connection has failed.
    pub(in crate::engineio) async fn flush(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.io.poll_write_unsent(cx)).await
    }

    /// Sends a message. Waits until the peer has taken what was sent before.
    ///
    /// # Errors
    /// If the connection has failed.
    pub(in crate::engineio) async fn send(&mut self, message: ws::Message) -> io::Result<()> {
        self.flush().await?;
        self.io.queue(message);
        self.io.write_unsent().map(|_written| ())
    }

    /// Sends a close frame, if nothing waits for the peer to read.
    pub(in crate::engineio) fn try_close(&self, frame: Option<ws::CloseReason>) {
        close(&self.io, frame);
    }

    /// Returns the connection. The stream must be the only owner of it.
    pub(in crate::engineio) fn into_connection(self) -> Option<TakenConnection> {
        let io = Rc::into_inner(self.io)?;
        Some(io.into_connection(self.received))
    }

    fn decode(&mut self) -> Result<Option<ws::Message>, ProtocolError> {
        let new = &self.received[self.received.len() - self.unchecked..];
        self.headers.check(new).map_err(refused)?;
        self.unchecked = 0;
        let Some(frame) = self.codec.decode(&mut self.received)? else {
            return Ok(None);
        };
        Ok(Some(match frame {
            ws::Frame::Text(bytes) => {
                let text = ByteString::try_from(bytes);
                let text = text.map_err(|error| {
                    ProtocolError::Io(io::Error::new(io::ErrorKind::InvalidData, error))
                })?;
                ws::Message::Text(text)
            }
            ws::Frame::Binary(bytes) => ws::Message::Binary(bytes),
            ws::Frame::Continuation(item) => ws::Message::Continuation(item),
            ws::Frame::Ping(bytes) => ws::Message::Ping(bytes),
            ws::Frame::Pong(bytes) => ws::Message::Pong(bytes),
            ws::Frame::Close(reason) => ws::Message::Close(reason),
        }))
    }
}

/// Sends a close frame, if nothing waits for the peer to read.
pub(super) fn close(io: &WireIo, frame: Option<ws::CloseReason>) {
    if !io.is_closing() && matches!(io.write_unsent(), Ok(Written::All)) {
        io.queue(ws::Message::Close(frame));
        let _failed_or_blocked = io.write_unsent();
    }
}

fn refused(error: FrameHeaderError) -> ProtocolError {
    match error {
        FrameHeaderError::TooLarge => ProtocolError::Overflow,
        FrameHeaderError::InvalidControl => ProtocolError::InvalidLength(0),
    }
}
