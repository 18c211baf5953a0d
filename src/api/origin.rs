//! Pages of other origins: refused, or, where they are allowed, answered so that their browser lets them read it.

use actix_web::{
    HttpResponse, ResponseError,
    body::{EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method,
        header::{self, HeaderMap, HeaderName, HeaderValue},
    },
    middleware::Next,
};

use tracing::{debug, info};

use crate::{
    origin::Verdict,
    problem::{Code, Problem},
    seldom::Seldom,
};

use super::{Api, error::ApiError};

/// A page that is refused comes back, and whoever has made it knows no better.
static REFUSALS: Seldom = Seldom::new();

/// What a page may read of an answer, beside what browsers show anyhow.
const EXPOSED: &str = "X-Vault-Seq, ETag, Retry-After, X-Request-Id";
/// What a page may ask with.
const METHODS: &str = "GET, HEAD, POST, PATCH, DELETE";
const HEADERS: &str = "Authorization, Content-Type, Idempotency-Key, If-Match";
/// For how many seconds a browser need not ask again. Each request is judged all the same.
const MAX_AGE: &str = "600";

/// The middleware for everything that the main listener serves, sockets included; for
/// [`from_fn`](actix_web::middleware::from_fn).
///
/// # Errors
/// None of its own.
pub async fn guard_origin(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody>>, actix_web::Error> {
    let peer = request.peer_addr().map(|peer| peer.ip());
    let verdict = Api::of(request.request())
        .origins
        .judge(peer, request.headers());
    let mut response = match &verdict {
        Verdict::Refused => {
            let origin = request.headers().get(header::ORIGIN);
            if let Some(unsaid) = REFUSALS.now() {
                info!(
                    ?origin,
                    unsaid, "refused: not in server.allowed_origins, nor the origin that was asked"
                );
            } else {
                debug!(?origin, "refused");
            }
            let problem = Problem::new(Code::OriginNotAllowed, "Origin not allowed");
            let refused = ApiError::from(problem).error_response();
            request.into_response(refused).map_into_right_body()
        }
        Verdict::Allowed(_) if is_preflight(&request) => {
            request.into_response(preflight()).map_into_right_body()
        }
        Verdict::Allowed(_) | Verdict::Passes => next.call(request).await?.map_into_left_body(),
    };
    if let Verdict::Allowed(origin) = verdict {
        share(response.headers_mut(), origin);
    }
    // The same URL is answered otherwise to another origin: no cache may mix them up.
    let vary = HeaderValue::from_static("Origin");
    response.headers_mut().append(header::VARY, vary);
    Ok(response)
}

/// Whether a browser asks if it may ask.
fn is_preflight(request: &ServiceRequest) -> bool {
    let asks_for = header::ACCESS_CONTROL_REQUEST_METHOD;
    request.method() == Method::OPTIONS && request.headers().contains_key(asks_for)
}

fn preflight() -> HttpResponse {
    HttpResponse::NoContent()
        .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, METHODS))
        .insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS))
        .insert_header((header::ACCESS_CONTROL_MAX_AGE, MAX_AGE))
        .finish()
}

/// Has the browser show this answer to the page of this origin, and send cookies with what it asks.
fn share(headers: &mut HeaderMap, origin: HeaderValue) {
    let mut tell = |name: HeaderName, value| headers.insert(name, value);
    tell(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    tell(
        header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
        HeaderValue::from_static("true"),
    );
    tell(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static(EXPOSED),
    );
}
