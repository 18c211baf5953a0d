//! The messages of a websocket, on whatever connection it is.

use actix_http::ws;
use actix_ws::{Message, MessageStream, ProtocolError};
use bytes::Bytes;

use super::{
    sink::{WebSocketSink, try_close},
    wire::stream::WireStream,
};
use crate::engineio::{frame::BinaryEncoding, message::OfferedWriter};

/// Receives the messages of one websocket, and sends those that its session does not see.
pub(super) enum WebSocketStream {
    /// On a connection that the HTTP server serves. Boxed, because the other kind is smaller.
    Served(Box<ServedStream>),
    /// On a connection that the HTTP server has handed over.
    Wire {
        stream: WireStream,
        binary: BinaryEncoding,
    },
}

/// A websocket on a connection that the HTTP server serves.
pub(super) struct ServedStream {
    pub(super) messages: MessageStream,
    pub(super) sink: WebSocketSink,
}

/// The connection can take no message any more.
pub(super) struct WebSocketClosed;

impl WebSocketStream {
    /// Returns the next message, or `None` at the end of the connection.
    pub(super) async fn recv(&mut self) -> Option<Result<Message, ProtocolError>> {
        match self {
            Self::Served(served) => Box::pin(served.messages.recv()).await,
            Self::Wire { stream, .. } => stream.recv().await,
        }
    }

    /// Sends a text message.
    ///
    /// # Errors
    /// If the connection is closed.
    pub(super) async fn send_text(&mut self, text: String) -> Result<(), WebSocketClosed> {
        match self {
            Self::Served(served) => {
                let sent = served.sink.session.text(text).await;
                sent.map_err(|_| WebSocketClosed)
            }
            Self::Wire { stream, .. } => {
                let sent = stream.send(ws::Message::Text(text.into())).await;
                sent.map_err(|_| WebSocketClosed)
            }
        }
    }

    /// Answers a ping.
    ///
    /// # Errors
    /// If the connection is closed.
    pub(super) async fn send_pong(&mut self, ping: Bytes) -> Result<(), WebSocketClosed> {
        match self {
            Self::Served(served) => {
                let sent = served.sink.session.pong(&ping).await;
                sent.map_err(|_| WebSocketClosed)
            }
            Self::Wire { stream, .. } => {
                let sent = stream.send(ws::Message::Pong(ping)).await;
                sent.map_err(|_| WebSocketClosed)
            }
        }
    }

    /// Sends a close frame, unless the peer does not read.
    pub(super) fn try_close(&self, frame: Option<actix_ws::CloseReason>) {
        match self {
            Self::Served(served) => try_close(served.sink.session.clone(), frame),
            Self::Wire { stream, .. } => stream.try_close(frame),
        }
    }

    /// Returns where a session writes its frames if it takes this websocket as its transport.
    pub(super) fn offered_writer(&self) -> OfferedWriter {
        match self {
            Self::Served(served) => OfferedWriter::Sink(served.sink.clone()),
            Self::Wire { .. } => OfferedWriter::Connection,
        }
    }
}
