//! `Cache-Control` of every response. Responses belong to one user and change with every mutation, so no cache may
//! store them.

use actix_web::{
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::header::{self, HeaderMap, HeaderValue},
    middleware::Next,
};

/// Forbids all caches, including the browser's, to store a response.
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// Middleware that forbids caches to store a response, unless its handler has set `Cache-Control` itself; for
/// [`from_fn`](actix_web::middleware::from_fn).
///
/// # Errors
/// Only those of the wrapped service.
pub async fn forbid_caching(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let mut response = next.call(request).await?;
    if !response.headers().contains_key(header::CACHE_CONTROL) {
        set_no_store(response.headers_mut());
    }
    Ok(response)
}

/// Forbids caches to store the response with these headers.
pub(super) fn set_no_store(headers: &mut HeaderMap) {
    headers.insert(header::CACHE_CONTROL, NO_STORE);
}
