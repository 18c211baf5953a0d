//! Names refused requests in metrics and log. The name of a refusal is the error code of the API, or the error of the Engine.IO
//! protocol.

use actix_socketio::engineio::HandshakeError;
use actix_web::{dev::ServiceResponse, http::StatusCode};
use tracing::{field::display, info};
use url::form_urlencoded;

use crate::telemetry::{throttle::LogThrottle, untrusted::loggable};

use super::{context::Api, error::ApiError};

/// Returns the name of the refusal that a response carries; `None` if the request was not refused.
pub(super) fn refusal_name<B>(response: &ServiceResponse<B>) -> Option<&'static str> {
    let error = response.response().error();
    if let Some(ApiError(problem)) = error.and_then(|error| error.as_error()) {
        return Some(problem.code.metric_label());
    }
    if let Some(error) = error.and_then(|error| error.as_error()) {
        return Some(handshake_error_name(*error));
    }
    match response.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Some("payload_too_large"),
        status if status.is_client_error() || status.is_server_error() => Some("other"),
        _ => None,
    }
}

fn handshake_error_name(error: HandshakeError) -> &'static str {
    match error {
        HandshakeError::TransportUnknown => "transport_unknown",
        HandshakeError::SessionUnknown => "session_unknown",
        HandshakeError::BadMethod => "bad_handshake_method",
        HandshakeError::BadRequest => "bad_request",
        HandshakeError::WebSocketVersion => "unsupported_websocket_version",
        HandshakeError::Forbidden => "forbidden",
        HandshakeError::HeadersTooLarge => "headers_too_large",
        HandshakeError::UnsupportedVersion | HandshakeError::Version3NotAllowed => {
            "unsupported_protocol_version"
        }
    }
}

/// Logs a violation of the Engine.IO protocol: its client reports no more than `xhr poll error` or `websocket error`. Unknown
/// sessions are not logged, because every polling client has one after a restart.
pub(super) fn log_protocol_error<B>(response: &ServiceResponse<B>) {
    let error = response.response().error();
    let Some(error) = error.and_then(|error| error.as_error::<HandshakeError>()) else {
        return;
    };
    let request = response.request();
    let version = requested_version(request.query_string());
    let Some(suppressed) = throttle(*error).and_then(LogThrottle::allow) else {
        return;
    };
    let proxies = &Api::from_request(request).proxies;
    let client = request
        .peer_addr()
        .map(|peer| display(proxies.client_address(peer.ip(), request.headers())));
    match error {
        HandshakeError::Version3NotAllowed => info!(
            client,
            suppressed,
            "handshake refused: the client uses Engine.IO protocol 3 (Socket.IO 2), and socketio.allow_eio3 is false"
        ),
        HandshakeError::TransportUnknown
        | HandshakeError::SessionUnknown
        | HandshakeError::BadMethod
        | HandshakeError::BadRequest
        | HandshakeError::WebSocketVersion
        | HandshakeError::Forbidden
        | HandshakeError::HeadersTooLarge
        | HandshakeError::UnsupportedVersion => info!(
            reason = handshake_error_name(*error),
            version,
            method = loggable(request.method().as_str().as_bytes()),
            client,
            suppressed,
            "Engine.IO request refused"
        ),
    }
}

/// Returns the throttle of the log lines about this error; `None` if they are not logged.
fn throttle(error: HandshakeError) -> Option<&'static LogThrottle> {
    static TRANSPORT: LogThrottle = LogThrottle::new();
    static METHOD: LogThrottle = LogThrottle::new();
    static REQUEST: LogThrottle = LogThrottle::new();
    static WEBSOCKET_VERSION: LogThrottle = LogThrottle::new();
    static FORBIDDEN: LogThrottle = LogThrottle::new();
    static HEADERS: LogThrottle = LogThrottle::new();
    static VERSION: LogThrottle = LogThrottle::new();
    static VERSION_3: LogThrottle = LogThrottle::new();
    match error {
        HandshakeError::SessionUnknown => None,
        HandshakeError::TransportUnknown => Some(&TRANSPORT),
        HandshakeError::BadMethod => Some(&METHOD),
        HandshakeError::BadRequest => Some(&REQUEST),
        HandshakeError::WebSocketVersion => Some(&WEBSOCKET_VERSION),
        HandshakeError::Forbidden => Some(&FORBIDDEN),
        HandshakeError::HeadersTooLarge => Some(&HEADERS),
        HandshakeError::UnsupportedVersion => Some(&VERSION),
        HandshakeError::Version3NotAllowed => Some(&VERSION_3),
    }
}

/// Returns the protocol version that a request names, as it may be logged.
fn requested_version(query: &str) -> Option<String> {
    let parameters = form_urlencoded::parse(query.as_bytes());
    let (_, version) = parameters.filter(|(name, _)| name == "EIO").last()?;
    Some(loggable(version.as_bytes()))
}
