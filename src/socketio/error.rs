//! Ends and refusals of Socket.IO: why a socket left its namespace, and how a CONNECT is turned down.

use std::fmt;

use crate::engineio::CloseReason;

/// Why a socket is no longer connected to its namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DisconnectReason {
    /// The client left the namespace.
    ClientNamespace,
    /// The server made it leave.
    ServerNamespace,
    /// The session under it ended, and every namespace with it.
    Closed(CloseReason),
}

impl DisconnectReason {
    /// The name that Socket.IO has for it on the server.
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

/// How a namespace turns a CONNECT down.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// With CONNECT_ERROR. The official client shows it as `connect_error` and does not try again by itself.
    ConnectError {
        /// The `message` of the client's error.
        message: String,
        /// Its `data`, if there is more to tell.
        data: Option<serde_json::Value>,
    },
    /// By closing the transport without a word. The official client comes back by itself.
    Close(CloseReason),
}

impl Refusal {
    /// A CONNECT_ERROR that says no more than `message`.
    pub fn message(message: impl Into<String>) -> Self {
        Self::ConnectError {
            message: message.into(),
            data: None,
        }
    }
}

/// Why an event was not acknowledged.
#[derive(Debug, thiserror::Error)]
pub enum AckError {
    /// The client did not acknowledge in time.
    #[error("the client did not acknowledge in time")]
    TimedOut,
    /// The client has left the namespace, or its session has ended. Whether the event arrived is not known.
    #[error("the client is not connected any more")]
    Disconnected,
    /// As many acknowledgements are waited for already as events may wait in an outbox; this one was not sent.
    #[error("too many acknowledgements are waited for")]
    TooMany,
    /// The event was not sent, for it could not be encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

/// What an application hands over to be sent could not be encoded as JSON.
#[derive(Debug, thiserror::Error)]
#[error("cannot be encoded as JSON: {0}")]
pub struct EncodeError(#[from] pub(super) socketioxide_core::parser::ParserError);
