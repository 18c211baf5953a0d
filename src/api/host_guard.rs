//! Protects the admin listener from pages of the web (DNS rebinding).
//!
//! A page of another site cannot read an answer of this listener, because no answer has CORS headers. But the owner of a
//! site can let its name resolve to 127.0.0.1, and then its page and the listener have one origin. Such a request names the
//! site in `Host`. On loopback, every legitimate client uses an address or `localhost`.

use actix_web::{
    body::{EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::header::{self, HeaderMap, HeaderName, HeaderValue},
    middleware::Next,
};
use tracing::{field::display, info};

use crate::{
    access::host::RequestHost,
    contract::problem::{ErrorCode, Problem},
    telemetry::{throttle::LogThrottle, untrusted::loggable},
};

use super::error::ApiError;

static REFUSAL_LOG: LogThrottle = LogThrottle::new();

/// Forbids pages of other origins to embed an answer.
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// The paths that show nothing of the service but its health. Load balancers may name any host.
const HEALTH_PATHS: [&str; 2] = ["/healthz", "/readyz"];

/// Middleware of an admin listener on loopback that refuses requests whose `Host` is neither an IP address nor `localhost`;
/// for [`from_fn`](actix_web::middleware::from_fn).
///
/// # Errors
/// Only those of the wrapped service.
pub async fn guard_host(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody>>, actix_web::Error> {
    if HEALTH_PATHS.contains(&request.path()) || names_loopback(request.headers()) {
        return Ok(next.call(request).await?.map_into_left_body());
    }
    if let Some(suppressed) = REFUSAL_LOG.allow() {
        let host = request.headers().get(header::HOST);
        let host = loggable(host.map(HeaderValue::as_bytes).unwrap_or_default());
        let peer = request.peer_addr().map(display);
        info!(
            host,
            peer,
            suppressed,
            "host refused: the admin listener is on loopback and accepts only IP addresses and localhost"
        );
    }
    let message = "Host not allowed: use an IP address or localhost for the admin listener";
    let problem = Problem::new(ErrorCode::OriginNotAllowed, message);
    let refused = request.error_response(ApiError::from(problem));
    Ok(refused.map_into_right_body())
}

/// Middleware that forbids pages of other origins to embed an answer, for
/// [`from_fn`](actix_web::middleware::from_fn).
///
/// # Errors
/// Only those of the wrapped service.
pub async fn forbid_embedding(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let mut response = next.call(request).await?;
    let headers = response.headers_mut();
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    let nosniff = HeaderValue::from_static("nosniff");
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    Ok(response)
}

/// Returns whether `Host` is an IP address or `localhost`, with any port.
fn names_loopback(headers: &HeaderMap) -> bool {
    match RequestHost::of(headers) {
        RequestHost::Missing | RequestHost::Address(_) | RequestHost::Localhost => true,
        RequestHost::Other(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_localhost_are_accepted_and_other_hosts_are_refused() {
        let accepts = |hosts: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for host in hosts {
                headers.append(header::HOST, HeaderValue::from_static(host));
            }
            names_loopback(&headers)
        };
        assert!(accepts(&[]));
        for host in ["127.0.0.1:9300", "10.1.2.3", "[::1]:9300", "localhost"] {
            assert!(accepts(&[host]), "{host}");
        }
        for host in ["", "evil.example", "evil.localhost:9300"] {
            assert!(!accepts(&[host]), "{host}");
        }
        assert!(!accepts(&["localhost", "evil.example"]));
    }
}
