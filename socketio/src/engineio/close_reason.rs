//! Reasons for the end of a session. A reason has the same name in code, logs, metrics and websocket close frames.

use std::fmt;

/// Why a session ended.
///
/// The text of the websocket's close frame is [`as_str`](CloseReason::as_str). Its code is 1002 for a violation of the
/// websocket protocol, 1007 for invalid UTF-8, 1009 for a message that is too large or has too many fragments, 1008 for a
/// slow reader, 1001 when the server shuts down, 1011 for an internal fault, and 1000 otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// The client closed the connection, or the network lost it.
    TransportClose,
    /// The client violated the transport's protocol, such as by a reserved bit in a websocket frame.
    TransportError,
    /// A text message was not UTF-8.
    InvalidText,
    /// A message was larger than [`EngineConfig::max_payload`](super::EngineConfig::max_payload), or had too many
    /// fragments.
    TooLarge,
    /// A packet was malformed, or was not allowed in the current state.
    ParseError,
    /// A ping was not answered in time.
    PingTimeout,
    /// The connection was in no namespace for too long.
    ConnectTimeout,
    /// The client reads more slowly than frames are pushed, and its outbox is full.
    Slow,
    /// The server shuts down; the client may reconnect to another server at once.
    Shutdown,
    /// The application closed the session and gave no more specific reason.
    Forced,
    /// The application closed the session for a reason of its own.
    Application(&'static str),
    /// An internal fault of the server.
    Fault,
}

impl CloseReason {
    /// Returns the name of the reason, as used in logs, metrics and the websocket's close frame.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TransportClose => "transport close",
            Self::TransportError => "transport error",
            Self::InvalidText => "invalid text",
            Self::TooLarge => "payload too large",
            Self::ParseError => "parse error",
            Self::PingTimeout => "ping timeout",
            Self::ConnectTimeout => "connect timeout",
            Self::Slow => "slow",
            Self::Shutdown => "server shutting down",
            Self::Forced => "forced close",
            Self::Application(name) => name,
            Self::Fault => "internal fault",
        }
    }

    /// Returns whether queued frames may still be sent. They are not sent to a peer that has disconnected, does not read,
    /// or violated the transport's protocol.
    pub(super) fn is_orderly(self) -> bool {
        match self {
            Self::ParseError
            | Self::ConnectTimeout
            | Self::Shutdown
            | Self::Forced
            | Self::Application(_) => true,
            Self::TransportClose
            | Self::TransportError
            | Self::InvalidText
            | Self::TooLarge
            | Self::PingTimeout
            | Self::Slow
            | Self::Fault => false,
        }
    }

    /// Returns whether the server ended a session whose client was active. A polling client still receives the queued
    /// frames, by its next poll.
    pub(super) fn is_server_initiated(self) -> bool {
        match self {
            Self::ConnectTimeout
            | Self::Slow
            | Self::Shutdown
            | Self::Forced
            | Self::Application(_) => true,
            Self::TransportClose
            | Self::TransportError
            | Self::InvalidText
            | Self::TooLarge
            | Self::ParseError
            | Self::PingTimeout
            | Self::Fault => false,
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
