//! A name for each request: it comes back as `X-Request-Id` and stands in every log line of the request, so that
//! one who was told `INTERNAL` can say which one it was.

use actix_web::{
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::header::{HeaderName, HeaderValue},
    middleware::Next,
};
use tracing::{Instrument, debug, error_span};

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
    let (method, path) = (request.method().clone(), request.path().to_owned());
    let span = error_span!("http", request.id = %id, %method, path);
    async move {
        let mut response = next.call(request).await?;
        debug!(status = response.status().as_u16(), "answered");
        if let Ok(value) = HeaderValue::from_str(&id) {
            response.headers_mut().insert(REQUEST_ID, value);
        }
        Ok(response)
    }
    .instrument(span)
    .await
}
