//! The two ways in which things end: a handshake is refused with an entry of the protocol's error table, and a
//! session is closed for a reason that has a name, in logs and metrics as in code.

use std::fmt;

use actix_web::{HttpResponse, ResponseError, http::StatusCode};

/// Why a request did not open a session, or has no part in the one it names. Answered with the code and message that the protocol's reference
/// implementation uses, for clients look at them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// The transport asked for does not exist here.
    #[error("Transport unknown")]
    TransportUnknown,
    /// No session has this `sid`, or none has it any more.
    #[error("Session ID unknown")]
    SessionUnknown,
    /// A session is opened with GET.
    #[error("Bad handshake method")]
    BadMethod,
    /// What the request asks for contradicts itself or the session that it names, such as a websocket without an
    /// upgrade, or a second poll.
    #[error("Bad request")]
    BadRequest,
    /// The application does not admit this request.
    #[error("Forbidden")]
    Forbidden,
    /// The client speaks another version of the protocol than 4.
    #[error("Unsupported protocol version")]
    UnsupportedVersion,
}

impl HandshakeError {
    /// The number in the protocol's error table.
    pub fn code(self) -> u8 {
        match self {
            Self::TransportUnknown => 0,
            Self::SessionUnknown => 1,
            Self::BadMethod => 2,
            Self::BadRequest => 3,
            Self::Forbidden => 4,
            Self::UnsupportedVersion => 5,
        }
    }
}

impl ResponseError for HandshakeError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::TransportUnknown
            | Self::SessionUnknown
            | Self::BadMethod
            | Self::BadRequest
            | Self::UnsupportedVersion => StatusCode::BAD_REQUEST,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let (code, message) = (self.code(), self.to_string());
        HttpResponse::build(self.status_code())
            .json(serde_json::json!({ "code": code, "message": message }))
    }
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// The client closed the connection, or the network lost it.
    TransportClose,
    /// The client broke the rules of the transport, such as a reserved bit in a websocket frame.
    TransportError,
    /// A text message was not UTF-8.
    InvalidText,
    /// A message was larger than [`Config::max_payload`](super::Config::max_payload), or came in too many fragments.
    TooLarge,
    /// A packet could not be understood, or came when it must not.
    ParseError,
    /// A ping was not answered in time.
    PingTimeout,
    /// The connection was in no namespace for too long.
    ConnectTimeout,
    /// The client reads more slowly than it is written to, and its outbox is full.
    Slow,
    /// The server is going away; the client may come back at once, elsewhere.
    Shutdown,
    /// The application closed the session and gave no better name.
    Forced,
    /// The application closed the session for a reason of its own.
    Application(&'static str),
    /// A fault of the server's own.
    Fault,
}

impl CloseReason {
    /// The name of this end, as it appears in logs, metrics and the websocket's close frame.
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

    /// Whether what was queued before the end may still leave. Not to a peer that is gone, does not read, or
    /// broke the rules of its transport.
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

    /// Whether it was the server that ended a session that was alive. A client that polls is told so by its next
    /// poll, for there is nothing else by which it could learn it.
    pub(super) fn is_the_servers(self) -> bool {
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
