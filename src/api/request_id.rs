//! A name for each request: it comes back as `X-Request-Id` and stands in every log line of the request, beside who
//! asked, so that one who was told `INTERNAL` can say which one it was.

use actix_web::{
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::header::{HeaderName, HeaderValue},
    middleware::Next,
};
use tracing::{Instrument, Span, debug, error_span, field};

use super::Api;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The middleware, for [`from_fn`](actix_web::middleware::from_fn).
///
/// # Errors
/// None of its own.
pub async fn with_request_id(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let id = cuid::cuid1();
    let span = span(&request, &id);
    async move {
        let mut response = next.call(request).await?;
        debug!(status = response.status().as_u16(), "answered");
        let value = HeaderValue::try_from(id).expect("a cuid is visible ASCII");
        response.headers_mut().insert(REQUEST_ID, value);
        Ok(response)
    }
    .instrument(span)
    .await
}

fn span(request: &ServiceRequest, id: &str) -> Span {
    let (method, path) = (request.method(), request.path());
    let span = error_span!("http", request.id = id, %method, path, client = field::Empty);
    if let Some(peer) = request.peer_addr() {
        let proxies = &Api::of(request.request()).proxies;
        let client = proxies.client(peer.ip(), request.headers());
        span.record("client", field::display(client));
    }
    span
}
