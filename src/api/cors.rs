//! CORS headers: they let pages of an allowed origin send any request and read its response, errors included.
//!
//! The [Fetch standard](https://fetch.spec.whatwg.org/#http-cors-protocol) defines them. A wildcard is not allowed in
//! responses to requests with credentials, so every header names its values.

use actix_web::{
    HttpResponse,
    http::{
        Method,
        header::{self, HeaderMap, HeaderName, HeaderValue},
    },
};

/// The response headers that a page may read, in addition to the safelisted ones.
const EXPOSED_HEADERS: HeaderValue =
    HeaderValue::from_static("X-Vault-Seq, ETag, Retry-After, X-Request-Id");
/// The methods that a page may use.
const ALLOWED_METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PATCH, DELETE");
/// How many seconds a browser may cache a preflight response. Every request is checked regardless.
const PREFLIGHT_MAX_AGE: HeaderValue = HeaderValue::from_static("600");
/// The request headers that the response to a preflight depends on.
const PREFLIGHT_VARY: HeaderValue = HeaderValue::from_static(
    "Access-Control-Request-Method, Access-Control-Request-Headers, Access-Control-Request-Private-Network",
);

const REQUEST_PRIVATE_NETWORK: HeaderName =
    HeaderName::from_static("access-control-request-private-network");
const ALLOW_PRIVATE_NETWORK: HeaderName =
    HeaderName::from_static("access-control-allow-private-network");

/// Returns whether the request is a CORS preflight.
pub(super) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// Returns the answer to a preflight of an allowed origin. The page may send whatever headers it asks for, because an allowed
/// page may send any request. Chromium asks before a public page uses a private address (Private Network Access).
pub(super) fn preflight(request: &HeaderMap) -> HttpResponse {
    let mut response = HttpResponse::NoContent().finish();
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, ALLOWED_METHODS);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_MAX_AGE);
    headers.append(header::VARY, PREFLIGHT_VARY);
    if let Some(requested) = requested_headers(request) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, requested);
    }
    if request.contains_key(REQUEST_PRIVATE_NETWORK) {
        headers.insert(ALLOW_PRIVATE_NETWORK, HeaderValue::from_static("true"));
    }
    response
}

/// Returns the header names that a preflight asks for, as a list of one line. Anything that is not a header name is left out.
fn requested_headers(request: &HeaderMap) -> Option<HeaderValue> {
    let lines = request.get_all(header::ACCESS_CONTROL_REQUEST_HEADERS);
    let entries = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    let names = entries.filter_map(|entry| HeaderName::from_bytes(entry.trim_ascii()).ok());
    let names: Vec<_> = names.map(|name| name.as_str().to_owned()).collect();
    let list = HeaderValue::try_from(names.join(", ")).ok();
    list.filter(|list| !list.is_empty())
}

/// Allows pages of this origin to read the response and to send credentials.
pub(super) fn allow_origin(headers: &mut HeaderMap, origin: HeaderValue) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    let credentials = HeaderValue::from_static("true");
    headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, credentials);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(lines: &[&'static [u8]]) -> Option<String> {
        let mut request = HeaderMap::new();
        for line in lines {
            let line = HeaderValue::from_bytes(line).unwrap();
            request.append(header::ACCESS_CONTROL_REQUEST_HEADERS, line);
        }
        let response = preflight(&request);
        let allowed = response
            .headers()
            .get(header::ACCESS_CONTROL_ALLOW_HEADERS)?;
        Some(allowed.to_str().unwrap().to_owned())
    }

    #[test]
    fn requested_headers_are_allowed() {
        assert_eq!(allowed(&[]), None);
        for (line, expected) in [
            ("x-trace", "x-trace"),
            ("Authorization,X-My-Header", "authorization, x-my-header"),
            ("a,\tb , c", "a, b, c"),
            ("accept-language,*", "accept-language, *"),
        ] {
            assert_eq!(allowed(&[line.as_bytes()]).as_deref(), Some(expected));
        }
        assert_eq!(allowed(&[b"a, b", b"c"]).as_deref(), Some("a, b, c"));
    }

    #[test]
    fn text_that_is_not_a_header_name_is_left_out() {
        assert_eq!(allowed(&[b""]), None);
        assert_eq!(allowed(&[b", ,"]), None);
        assert_eq!(allowed(&[b"a b, c:d, (e), f\xe9, g"]).as_deref(), Some("g"));
    }

    #[test]
    fn private_network_is_allowed_if_requested() {
        let allows = |request: &HeaderMap| {
            let response = preflight(request);
            response.headers().contains_key(ALLOW_PRIVATE_NETWORK)
        };
        let mut request = HeaderMap::new();
        assert!(!allows(&request));
        request.insert(REQUEST_PRIVATE_NETWORK, HeaderValue::from_static("true"));
        assert!(allows(&request));
    }
}
