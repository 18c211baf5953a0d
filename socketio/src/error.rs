//! Errors and end reasons of the Socket.IO layer: why a socket left its namespace, how a CONNECT is refused, why an event
//! was not acknowledged, and why a value could not be encoded.

use std::fmt;

use crate::engineio::CloseReason;

/// The reason why a socket is no longer connected to its namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DisconnectReason {
    /// The client sent a DISCONNECT packet for the namespace.
    ClientNamespace,
    /// The server called [`Socket::disconnect`](crate::Socket::disconnect).
    ServerNamespace,
    /// The Engine.IO session ended, and with it every namespace of the client.
    Closed(CloseReason),
}

impl DisconnectReason {
    /// Returns the name that the official server uses for this reason.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClientNamespace => "client namespace disconnect",
            Self::ServerNamespace => "server namespace disconnect",
            Self::Closed(reason) => reason.as_str(),
        }
    }
}

impl fmt::Display for DisconnectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The way in which a namespace refuses a CONNECT.
#[derive(Clone, Debug, PartialEq)]
pub enum ConnectRefusal {
    /// Answers with a CONNECT_ERROR packet. The official client emits `connect_error` and does not retry on its own. A client of
    /// Engine.IO 3 emits `error` with the data, or with the message if there is none.
    ConnectError {
        /// The `message` of the error on the client.
        message: String,
        /// The `data` of the error on the client.
        data: Option<serde_json::Value>,
    },
    /// Closes the session without an answer. The official client reconnects on its own.
    Close(CloseReason),
}

impl ConnectRefusal {
    /// Returns a CONNECT_ERROR with a message and no data.
    pub fn message(message: impl Into<String>) -> Self {
        Self::ConnectError {
            message: message.into(),
            data: None,
        }
    }
}

/// The reason why an event was not acknowledged.
#[derive(Debug, thiserror::Error)]
pub enum AckError {
    /// The acknowledgement did not arrive before the timeout.
    #[error("the client did not acknowledge in time")]
    TimedOut,
    /// The client left the namespace or its session ended. It is unknown whether the event arrived.
    #[error("the client is not connected any more")]
    Disconnected,
    /// The socket already has as many pending acknowledgements as its outbox may hold frames. The event was not sent.
    #[error("too many acknowledgements are pending")]
    TooMany,
    /// The event could not be encoded and was not sent.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

/// The error for a value that cannot be encoded as JSON.
#[derive(Debug, thiserror::Error)]
#[error("cannot be encoded as JSON: {0}")]
pub struct EncodeError(#[from] socketioxide_core::parser::ParserError);
