//! Checks the headers of a websocket handshake (RFC 6455, section 4.2.1), and selects its subprotocol.

use std::collections::HashSet;

use actix_web::{
    HttpRequest,
    http::{
        Version,
        header::{self, HeaderMap, HeaderName, HeaderValue},
    },
};

use crate::engineio::error::{HandshakeError, WEBSOCKET_VERSION};

/// Checks what `actix_ws::handle` does not: the version of HTTP, and that each header has one value, compared whole. Returns the
/// subprotocol to select: the first one that the client requests, as the server of the reference implementation does. Clients
/// close a websocket that has none of those that they requested.
///
/// # Errors
/// [`HandshakeError::WebSocketVersion`], [`HandshakeError::BadRequest`].
pub(super) fn check(request: &HttpRequest) -> Result<Option<HeaderValue>, HandshakeError> {
    let headers = request.headers();
    let has_key = only_value(headers, header::SEC_WEBSOCKET_KEY).is_some();
    if request.version() < Version::HTTP_11 || !is_upgrade(request) || !has_key {
        return Err(HandshakeError::BadRequest);
    }
    if !headers.contains_key(header::SEC_WEBSOCKET_VERSION) {
        return Err(HandshakeError::BadRequest);
    }
    let version = only_value(headers, header::SEC_WEBSOCKET_VERSION);
    if version.is_none_or(|version| version != WEBSOCKET_VERSION) {
        return Err(HandshakeError::WebSocketVersion);
    }
    select_subprotocol(headers)
}

/// Returns whether a request asks for a websocket, rightly or not.
pub(in crate::engineio) fn is_upgrade(request: &HttpRequest) -> bool {
    let is_websocket = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"websocket");
    let upgrade = only_value(request.headers(), header::UPGRADE);
    request.head().upgrade() && upgrade.is_some_and(is_websocket)
}

/// Returns the value of a header that occurs once.
fn only_value(headers: &HeaderMap, name: HeaderName) -> Option<&HeaderValue> {
    let mut values = headers.get_all(name);
    values.next().filter(|_| values.next().is_none())
}

/// Returns the first requested subprotocol, or `None` if none is requested.
fn select_subprotocol(headers: &HeaderMap) -> Result<Option<HeaderValue>, HandshakeError> {
    let requested = || tokens(headers, header::SEC_WEBSOCKET_PROTOCOL);
    let mut distinct = HashSet::new();
    let is_valid =
        |subprotocol: &str| !subprotocol.is_empty() && subprotocol.bytes().all(is_token_byte);
    if !requested().all(|subprotocol| is_valid(subprotocol) && distinct.insert(subprotocol)) {
        return Err(HandshakeError::BadRequest);
    }
    let first = requested().next().map(HeaderValue::from_str);
    first.transpose().map_err(|_| HandshakeError::BadRequest)
}

/// Returns the items of a header that is a list. Text that is not ASCII is an empty item.
fn tokens(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    headers
        .get_all(name)
        .flat_map(|value| value.to_str().unwrap_or_default().split(','))
        .map(str::trim_ascii)
}

/// Returns whether a byte may be in a token (RFC 9110, section 5.6.2).
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
