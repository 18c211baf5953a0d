//! Refusals of HTTP requests: the entries of the protocol's error table.

use actix_web::{
    HttpResponse, ResponseError,
    http::{StatusCode, header},
};

/// The version of the websocket protocol that the server speaks (RFC 6455).
pub(super) const WEBSOCKET_VERSION: &str = "13";

/// Why a request does not open a session, or is refused by the session that it names.
///
/// The response has status 400 (403 for [`Forbidden`](HandshakeError::Forbidden), 426 with the right version for
/// [`WebSocketVersion`](HandshakeError::WebSocketVersion), 431 for
/// [`HeadersTooLarge`](HandshakeError::HeadersTooLarge)) and the code and message of the
/// protocol's reference implementation as JSON, because clients check them: `{"code":1,"message":"Session ID unknown"}`.
///
/// | code | when |
/// | --- | --- |
/// | 0 | the transport does not exist |
/// | 1 | the session does not exist, or has ended |
/// | 2 | a request to open a session uses another method than GET |
/// | 3 | the request contradicts itself or its session: a websocket without an upgrade, an upgrade for long polling, another protocol version than the session has, a second poll, an invalid POST; the version of the websocket protocol is not 13 (426); or what the session would keep of its headers is too large (431) |
/// | 4 | the application refuses the request without an answer of its own (403) |
/// | 5 | the protocol version is neither 4 nor, if [`allow_eio3`](super::EngineConfig::allow_eio3) is set, 3; the message about version 3 names the setting |
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// The requested transport does not exist.
    #[error("Transport unknown")]
    TransportUnknown,
    /// No session has this `sid`, or the session has ended.
    #[error("Session ID unknown")]
    SessionUnknown,
    /// A session is opened with GET only.
    #[error("Bad handshake method")]
    BadMethod,
    /// The request contradicts itself or the session that it names, such as a websocket without an upgrade, or a second
    /// poll.
    #[error("Bad request")]
    BadRequest,
    /// The version of the websocket protocol is not 13.
    #[error("Unsupported WebSocket version")]
    WebSocketVersion,
    /// The application does not admit this request.
    #[error("Forbidden")]
    Forbidden,
    /// The headers that the session would keep have more than 16 KiB.
    #[error("Request headers too large")]
    HeadersTooLarge,
    /// The client uses a protocol version that does not exist, or one that the server never speaks.
    #[error("Unsupported protocol version")]
    UnsupportedVersion,
    /// The client uses version 3, and [`allow_eio3`](super::EngineConfig::allow_eio3) is not set.
    #[error("Unsupported protocol version (Engine.IO 3 needs allow_eio3 = true)")]
    Version3NotAllowed,
}

impl HandshakeError {
    /// Returns the number in the protocol's error table.
    pub fn code(self) -> u8 {
        match self {
            Self::TransportUnknown => 0,
            Self::SessionUnknown => 1,
            Self::BadMethod => 2,
            Self::BadRequest | Self::WebSocketVersion | Self::HeadersTooLarge => 3,
            Self::Forbidden => 4,
            Self::UnsupportedVersion | Self::Version3NotAllowed => 5,
        }
    }
}

impl ResponseError for HandshakeError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::WebSocketVersion => StatusCode::UPGRADE_REQUIRED,
            Self::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::TransportUnknown
            | Self::SessionUnknown
            | Self::BadMethod
            | Self::BadRequest
            | Self::UnsupportedVersion
            | Self::Version3NotAllowed => StatusCode::BAD_REQUEST,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let (code, message) = (self.code(), self.to_string());
        let mut response = HttpResponse::build(self.status_code());
        if let Self::WebSocketVersion = self {
            response.insert_header((header::UPGRADE, "websocket"));
            response.insert_header((header::SEC_WEBSOCKET_VERSION, WEBSOCKET_VERSION));
        }
        response.json(serde_json::json!({ "code": code, "message": message }))
    }
}
