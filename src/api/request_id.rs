//! A name for each request: the one that it came with, or else a new one. It comes back as `X-Request-Id` and stands in
//! every log line of the request, beside who asked, so that one who was told `INTERNAL` can say which one it was.

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

use super::Api;

/// Where Socket.IO is served, beside the API.
pub const SOCKETIO_PATH: &str = "/socket.io/";

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A proxy's name for a request is not longer.
const LONGEST: usize = 128;

/// The middleware, for [`from_fn`](actix_web::middleware::from_fn).
///
/// # Errors
/// Those of what it is around, under the request's name.
pub async fn with_request_id(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let id = brought(request.headers()).unwrap_or_else(cuid::cuid1);
    let span = span(&request, &id);
    let id = HeaderValue::try_from(id).expect("a name is visible ASCII");
    async move {
        let answered = next.call(request).await;
        let status = match &answered {
            Ok(response) => response.status(),
            Err(error) => error.as_response_error().status_code(),
        };
        debug!(status = status.as_u16(), "answered");
        match answered {
            Ok(mut response) => {
                response.headers_mut().insert(REQUEST_ID, id);
                Ok(response)
            }
            Err(error) => Err(Named { error, id }.into()),
        }
    }
    .instrument(span)
    .await
}

/// The name that a request came with, where it is one that can stand in a header and in any kind of log.
fn brought(headers: &HeaderMap) -> Option<String> {
    let name = headers.get(REQUEST_ID)?.as_bytes();
    let is_plain = |byte: &u8| byte.is_ascii_graphic() && !br#""'`\<>"#.contains(byte);
    let is_sane = (1..=LONGEST).contains(&name.len()) && name.iter().all(is_plain);
    is_sane.then(|| String::from_utf8_lossy(name).into_owned())
}

/// The span of a request. It is there at every level, so that a fault tells whose it was; but for the requests of sockets,
/// of which one is parked for as long as its client polls: see `docs/decisions/0004`.
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
        let proxies = &Api::of(request.request()).proxies;
        let client = proxies.client(peer.ip(), request.headers());
        span.record("client", field::display(client));
    }
    span
}

/// An error under its request's name.
#[derive(Debug, Error)]
#[error("{error}")]
struct Named {
    error: actix_web::Error,
    id: HeaderValue,
}

impl ResponseError for Named {
    fn status_code(&self) -> StatusCode {
        self.error.as_response_error().status_code()
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = self.error.error_response();
        response.headers_mut().insert(REQUEST_ID, self.id.clone());
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brought_by(name: &'static [u8]) -> Option<String> {
        let value = HeaderValue::from_bytes(name).unwrap();
        brought(&HeaderMap::from_iter([(REQUEST_ID, value)]))
    }

    #[test]
    fn a_name_is_taken_where_it_can_stand_anywhere() {
        for name in [
            "a",
            "7b0c-4a:1/x=",
            "Root=1-67891233-abcdef012345678912345678",
        ] {
            assert_eq!(brought_by(name.as_bytes()), Some(name.to_owned()));
        }
        const LONG: [u8; 129] = [b'a'; 129];
        assert_eq!(brought_by(&LONG[..128]), Some("a".repeat(128)));
        for name in [
            &LONG[..],
            b"",
            b"a b",
            b"a\"b",
            b"a\tb",
            b"<a>",
            b"a\\",
            "\u{e9}".as_bytes(),
        ] {
            assert_eq!(brought_by(name), None, "{name:?}");
        }
    }
}
