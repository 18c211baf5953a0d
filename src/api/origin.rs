//! Cross-origin requests: refused and logged, or answered with CORS headers.

use std::net::IpAddr;

use actix_web::{
    body::{EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::header::{self, HeaderMap, HeaderValue},
    middleware::Next,
};

use tracing::{debug, field::display, info};

use crate::{
    access::origins::{OriginDecision, OriginPolicy},
    contract::problem::{ErrorCode, Problem},
    telemetry::{throttle::LogThrottle, untrusted::loggable},
};

use super::{context::Api, cors, error::ApiError};

/// Limits the log lines about refused origins, because a refused page usually retries.
static REFUSAL_LOG: LogThrottle = LogThrottle::new();
/// Limits the lines about requests through a proxy that is not trusted. They have a throttle of their own, so that other refusals do
/// not suppress them: they name a key that is probably missing.
static UNTRUSTED_PROXY_LOG: LogThrottle = LogThrottle::new();

/// Middleware that checks the origin of every request to the main listener, including sockets; for
/// [`from_fn`](actix_web::middleware::from_fn).
///
/// # Errors
/// Only those of the wrapped service.
pub async fn guard_origin(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody>>, actix_web::Error> {
    let peer = request.peer_addr().map(|peer| peer.ip());
    let origins = &Api::from_request(request.request()).origins;
    let decision = origins.decide(peer, request.headers());
    let mut response = match &decision {
        OriginDecision::Refused => {
            log_refusal(origins, peer, request.headers());
            let problem = Problem::new(ErrorCode::OriginNotAllowed, "Origin not allowed");
            let refused = request.error_response(ApiError::from(problem));
            refused.map_into_right_body()
        }
        OriginDecision::Allowed(_) if cors::is_preflight(request.method(), request.headers()) => {
            let answer = cors::preflight(request.headers());
            request.into_response(answer).map_into_right_body()
        }
        OriginDecision::Allowed(_) | OriginDecision::SameOrigin => {
            next.call(request).await?.map_into_left_body()
        }
    };
    if let OriginDecision::Allowed(origin) = decision {
        cors::allow_origin(response.headers_mut(), origin);
    }
    // The response depends on the origin, so caches must keep one response per origin.
    let vary = HeaderValue::from_static("Origin");
    response.headers_mut().append(header::VARY, vary);
    Ok(response)
}

/// Logs a refused origin, what it was compared with, and whether a setting is probably missing.
fn log_refusal(origins: &OriginPolicy, peer: Option<IpAddr>, headers: &HeaderMap) {
    let refusal = origins.explain_refusal(peer, headers);
    let is_direct = refusal.ignored_headers.is_empty();
    let throttle = if is_direct {
        &REFUSAL_LOG
    } else {
        &UNTRUSTED_PROXY_LOG
    };
    let lines = headers.get_all(header::ORIGIN).map(HeaderValue::as_bytes);
    let origin = loggable(&lines.collect::<Vec<_>>().join(&b", "[..]));
    let own = refusal.own.map(|own| loggable(own.as_str().as_bytes()));
    let (peer, ignored) = (peer.map(display), refusal.ignored_headers.join(", "));
    match throttle.allow() {
        Some(suppressed) if is_direct => info!(
            origin,
            own,
            peer,
            suppressed,
            "origin refused: not in server.allowed_origins and not the origin of the service"
        ),
        Some(suppressed) => info!(
            origin,
            own,
            peer,
            ignored,
            suppressed,
            "origin refused: forwarding headers are ignored, because the peer is not in server.trusted_proxies"
        ),
        None => debug!(origin, own, peer, ignored, "origin refused"),
    }
}
