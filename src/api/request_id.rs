//! Request ids: each request keeps the id it was sent with, or gets a new one.
//!
//! The id is returned as `X-Request-Id` and is part of every log line of the request. A caller who received
//! `INTERNAL` can therefore report which request it was.

use actix_web::{
    HttpResponse, ResponseError,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{
        StatusCode,
        header::{HeaderMap, HeaderName, HeaderValue},
    },
    middleware::Next,
};
use thiserror::Error;
use tracing::{Instrument, Span, debug, debug_span, error_span, field};

use super::{
    cache_control::set_no_store,
    context::Api,
    refusals::{log_protocol_error, refusal_name},
};

/// The path of Socket.IO.
pub const SOCKETIO_PATH: &str = "/socket.io/";

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The maximum length of an id that a client or proxy sends, in bytes.
const MAX_ID_LENGTH: usize = 128;

/// Middleware that assigns request ids, for [`from_fn`](actix_web::middleware::from_fn).
///
/// # Errors
/// Those of the wrapped service, with the request's id.
pub async fn with_request_id(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let id = received_id(request.headers()).unwrap_or_else(cuid::cuid1);
    let span = span(&request, &id);
    let id = HeaderValue::try_from(id).expect("request ids are visible ASCII");
    async move {
        let result = next.call(request).await;
        let (status, code) = match &result {
            Ok(response) => (response.status(), refusal_name(response)),
            Err(error) => (error.as_response_error().status_code(), None),
        };
        debug!(status = status.as_u16(), code, "answered");
        match result {
            Ok(mut response) => {
                log_protocol_error(&response);
                response.headers_mut().insert(REQUEST_ID, id);
                Ok(response)
            }
            Err(error) => Err(ErrorWithRequestId { error, id }.into()),
        }
    }
    .instrument(span)
    .await
}

/// Returns the id that the request was sent with, if it is safe in a header and in every log format.
fn received_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get(REQUEST_ID)?.as_bytes();
    let is_plain = |byte: &u8| byte.is_ascii_graphic() && !br#""'`\<>"#.contains(byte);
    let is_valid = (1..=MAX_ID_LENGTH).contains(&id.len()) && id.iter().all(is_plain);
    is_valid.then(|| String::from_utf8_lossy(id).into_owned())
}

/// Returns the span of a request. API requests have a span at every level, so that an error shows its request. Socket
/// requests have one at level `debug` only, because a poll stays open for a long time: see `docs/decisions/0004`.
fn span(request: &ServiceRequest, id: &str) -> Span {
    let (method, path) = (request.method(), request.path());
    macro_rules! http {
        ($span:ident) => {
            $span!(
                "http",
                request.id = id,
                %method,
                path,
                client = field::Empty,
                user.id = field::Empty,
                session.sid = field::Empty,
            )
        };
    }
    let span = match path.starts_with(SOCKETIO_PATH.trim_end_matches('/')) {
        true => http!(debug_span),
        false => http!(error_span),
    };
    if !span.is_disabled()
        && let Some(peer) = request.peer_addr()
    {
        let proxies = &Api::from_request(request.request()).proxies;
        let client = proxies.client_address(peer.ip(), request.headers());
        span.record("client", field::display(client));
    }
    span
}

/// An error whose response has the id of its request. It sets `Cache-Control` itself, because no other middleware processes
/// it.
#[derive(Debug, Error)]
#[error("{error}")]
struct ErrorWithRequestId {
    error: actix_web::Error,
    id: HeaderValue,
}

impl ResponseError for ErrorWithRequestId {
    fn status_code(&self) -> StatusCode {
        self.error.as_response_error().status_code()
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = self.error.error_response();
        response.headers_mut().insert(REQUEST_ID, self.id.clone());
        set_no_store(response.headers_mut());
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(id: &'static [u8]) -> Option<String> {
        let value = HeaderValue::from_bytes(id).unwrap();
        received_id(&HeaderMap::from_iter([(REQUEST_ID, value)]))
    }

    #[test]
    fn request_id_is_kept_if_it_is_safe_in_headers_and_logs() {
        for id in [
            "a",
            "7b0c-4a:1/x=",
            "Root=1-67891233-abcdef012345678912345678",
        ] {
            assert_eq!(received(id.as_bytes()), Some(id.to_owned()));
        }
        const LONG: [u8; 129] = [b'a'; 129];
        assert_eq!(received(&LONG[..128]), Some("a".repeat(128)));
        for id in [
            &LONG[..],
            b"",
            b"a b",
            b"a\"b",
            b"a\tb",
            b"<a>",
            b"a\\",
            "\u{e9}".as_bytes(),
        ] {
            assert_eq!(received(id), None, "{id:?}");
        }
    }
}
