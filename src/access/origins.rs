//! Decides which web pages and native clients may use the service.
//!
//! Browsers attach cookies to the requests of any page, but also an `Origin` header that names the page. Some native clients send
//! an `Origin`, too. A request, a handshake or an upgrade with an `Origin` that is neither allowed nor the service's own is refused.

use std::{collections::HashSet, net::IpAddr, sync::Arc};

use actix_web::http::header::{self, HeaderMap, HeaderValue};
use arc_swap::ArcSwap;
use url::Url;

use crate::{access::proxies::TrustedProxies, config::AllowedOrigin};

/// The origins that may use the service. Cheap to clone; clones share one list.
#[derive(Clone, Debug)]
pub struct OriginPolicy {
    allowed: Arc<ArcSwap<HashSet<AllowedOrigin>>>,
    proxies: TrustedProxies,
}

/// The decision for a request by its `Origin` header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OriginDecision {
    /// The request has no `Origin` header, so it is not cross-origin; or the header is the service's own origin.
    SameOrigin,
    /// The origin is allowed. The response must repeat this value of the header for the browser.
    Allowed(HeaderValue),
    /// The origin is not allowed, opaque (`null`) or malformed.
    Refused,
}

/// Why the origin of a request was refused: what it was compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginRefusal {
    /// The service's own origin by this request; `None` if the request does not name its host.
    pub own: Option<AllowedOrigin>,
    /// The forwarding headers that were ignored, because the peer is not a trusted proxy.
    pub ignored_headers: Vec<&'static str>,
}

impl OriginPolicy {
    /// Returns the policy that allows these origins and the service's own, which each request names.
    pub fn new(allowed: &[AllowedOrigin], proxies: TrustedProxies) -> Self {
        let allowed = allowed.iter().cloned().collect();
        Self {
            allowed: Arc::new(ArcSwap::from_pointee(allowed)),
            proxies,
        }
    }

    /// Replaces the list of allowed origins. Open sockets stay open.
    pub fn reconfigure(&self, allowed: &[AllowedOrigin]) {
        self.allowed
            .store(Arc::new(allowed.iter().cloned().collect()));
    }

    /// Decides whether a request with these headers may be answered to the page that sent it.
    pub fn decide(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> OriginDecision {
        let mut origins = headers.get_all(header::ORIGIN);
        let value = match (origins.next(), origins.next()) {
            (None, _) => return OriginDecision::SameOrigin,
            (Some(value), None) => value,
            (Some(_), Some(_)) => return OriginDecision::Refused,
        };
        let Some(origin) = value.to_str().ok().and_then(|text| text.parse().ok()) else {
            return OriginDecision::Refused;
        };
        if self.allowed.load().contains(&origin) {
            return OriginDecision::Allowed(value.clone());
        }
        let own = self.proxies.own_origin(peer, headers);
        match own.is_some_and(|own| same_host_and_port(&own, &origin)) {
            true => OriginDecision::SameOrigin,
            false => OriginDecision::Refused,
        }
    }

    /// Returns why a request with these headers is [refused](OriginDecision::Refused), for the log.
    pub fn explain_refusal(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> OriginRefusal {
        OriginRefusal {
            own: self.proxies.own_origin(peer, headers),
            ignored_headers: self.proxies.ignored_headers(peer, headers),
        }
    }
}

/// Returns whether both origins have the same host and port. The scheme matters only as the default of the port. Native clients
/// name the service by the scheme of its websocket.
fn same_host_and_port(own: &AllowedOrigin, other: &AllowedOrigin) -> bool {
    let host_and_port = |origin: &AllowedOrigin| {
        let url = Url::parse(origin.as_str()).ok()?;
        let is_web = matches!(url.scheme(), "http" | "https" | "ws" | "wss");
        let pair = (url.host_str()?.to_owned(), url.port_or_known_default()?);
        is_web.then_some(pair)
    };
    host_and_port(own).is_some_and(|own| host_and_port(other) == Some(own))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: &str = "127.0.0.1";

    type HeaderLine = (&'static str, &'static str);

    fn policy(allowed: &[&str], trusted: &[&str]) -> OriginPolicy {
        let allowed: Vec<_> = allowed.iter().map(|text| text.parse().unwrap()).collect();
        let trusted: Vec<_> = trusted.iter().map(|text| text.parse().unwrap()).collect();
        OriginPolicy::new(&allowed, TrustedProxies::new(&trusted))
    }

    fn headers(lines: &[HeaderLine]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name = header::HeaderName::from_static(name);
            headers.append(name, HeaderValue::from_static(value));
        }
        headers
    }

    fn decide(allowed: &[&str], trusted: &[&str], lines: &[HeaderLine]) -> OriginDecision {
        policy(allowed, trusted).decide(Some(PEER.parse().unwrap()), &headers(lines))
    }

    /// Decides a request to `host` from a page of `origin`.
    fn from_page(host: &'static str, origin: &'static str) -> OriginDecision {
        decide(&[], &[], &[("host", host), ("origin", origin)])
    }

    #[test]
    fn request_without_an_origin_is_accepted() {
        assert_eq!(
            decide(&[], &[], &[("host", "example.com")]),
            OriginDecision::SameOrigin
        );
    }

    #[test]
    fn page_of_the_same_host_and_port_is_accepted() {
        for (host, origin) in [
            ("127.0.0.1:3000", "http://127.0.0.1:3000"),
            ("127.0.0.1:3000", "https://127.0.0.1:3000"),
            ("[::1]:3000", "http://[::1]:3000"),
            ("Example.com", "http://example.com"),
            ("example.com:80", "http://example.com"),
            ("127.0.0.1:3000", "ws://127.0.0.1:3000"),
            ("127.0.0.1:3000", "wss://127.0.0.1:3000"),
            ("[::1]:3000", "ws://[::1]:3000"),
            ("[::1]:3000", "ws://[0:0::1]:3000"),
            ("example.com", "WS://Example.com"),
            ("example.com", "ws://example.com:80"),
            ("example.com:443", "wss://example.com"),
            ("example.com.", "ws://example.com."),
        ] {
            assert_eq!(
                from_page(host, origin),
                OriginDecision::SameOrigin,
                "{origin} at {host}"
            );
        }
    }

    #[test]
    fn page_of_any_other_origin_is_refused() {
        for (host, origin) in [
            ("example.com", "http://evil.example"),
            ("example.com", "https://example.com"),
            ("example.com", "http://www.example.com"),
            ("127.0.0.1:3000", "http://127.0.0.1:3001"),
            ("127.0.0.1:3000", "http://localhost:3000"),
            ("127.0.0.1:3000", "capacitor://127.0.0.1:3000"),
            ("127.0.0.1:3000", "ftp://127.0.0.1:3000"),
            ("127.0.0.1:3000", "ws://127.0.0.1:3001"),
            ("127.0.0.1:3000", "ws://localhost:3000"),
            ("127.0.0.1:3000", "ws://127.0.0.1:3000/"),
            ("example.com", "ws://evil.example"),
            ("example.com", "wss://example.com"),
            ("example.com", "ws://example.com."),
            ("example.com", "ws://exa\tmple.com"),
            ("[::1]:3000", "ws://[::2]:3000"),
            ("example.com", "file://"),
            ("example.com", "file://example.com"),
            ("example.com", "null"),
            ("example.com", ""),
            ("example.com", "example.com"),
            ("example.com", "http://example.com/"),
        ] {
            assert_eq!(
                from_page(host, origin),
                OriginDecision::Refused,
                "{origin} at {host}"
            );
        }
        let twice = [
            ("host", "example.com"),
            ("origin", "http://example.com"),
            ("origin", "http://example.com"),
        ];
        assert_eq!(decide(&[], &[], &twice), OriginDecision::Refused);
        let without_host = [("origin", "http://example.com")];
        assert_eq!(decide(&[], &[], &without_host), OriginDecision::Refused);
    }

    #[test]
    fn allowed_origin_is_returned_as_the_request_wrote_it() {
        let origin = "https://app.example";
        let lines = [("host", "api.example"), ("origin", origin)];
        let allowed = OriginDecision::Allowed(HeaderValue::from_static(origin));
        assert_eq!(decide(&["https://app.example:443"], &[], &lines), allowed);
        assert_eq!(
            decide(&["http://app.example"], &[], &lines),
            OriginDecision::Refused
        );
    }

    #[test]
    fn origin_of_any_scheme_can_be_allowed() {
        for origin in [
            "file://",
            "capacitor://localhost",
            "chrome-extension://abcdef",
            "ws://other.example",
            "wss://other.example:8443",
        ] {
            let lines = [("host", "api.example"), ("origin", origin)];
            let allowed = OriginDecision::Allowed(HeaderValue::from_static(origin));
            assert_eq!(decide(&[origin], &[], &lines), allowed);
            let others = ["https://other.example", "capacitor://other"];
            assert_eq!(decide(&others, &[], &lines), OriginDecision::Refused);
        }
        let opaque = [("host", "api.example"), ("origin", "null")];
        assert_eq!(decide(&["file://"], &[], &opaque), OriginDecision::Refused);
    }

    #[test]
    fn new_list_of_allowed_origins_applies_to_the_next_request() {
        let policy = policy(&["file://"], &[]);
        let decide = |origin| {
            let lines = [("host", "api.example"), ("origin", origin)];
            policy.decide(None, &headers(&lines))
        };
        assert_ne!(decide("file://"), OriginDecision::Refused);
        policy.reconfigure(&["capacitor://localhost".parse().unwrap()]);
        assert_eq!(decide("file://"), OriginDecision::Refused);
        assert_ne!(decide("capacitor://localhost"), OriginDecision::Refused);
    }

    #[test]
    fn behind_a_trusted_proxy_the_origin_is_compared_with_the_forwarded_host() {
        let lines = [
            ("host", "10.0.0.5:3000"),
            ("origin", "https://vaults.example"),
            ("x-forwarded-host", "vaults.example"),
            ("x-forwarded-proto", "https"),
        ];
        assert_eq!(decide(&[], &[PEER], &lines), OriginDecision::SameOrigin);
        let native = [
            lines[0],
            ("origin", "wss://vaults.example"),
            lines[2],
            lines[3],
        ];
        assert_eq!(decide(&[], &[PEER], &native), OriginDecision::SameOrigin);
        assert_eq!(decide(&[], &[PEER], &native[..3]), OriginDecision::Refused);
        assert_eq!(
            decide(&[], &["10.0.0.0/8"], &lines),
            OriginDecision::Refused
        );
        assert_eq!(decide(&[], &[PEER], &lines[..3]), OriginDecision::Refused);
    }
    #[test]
    fn refusal_names_the_own_origin_and_the_ignored_headers() {
        let lines = headers(&[
            ("host", "10.0.0.5:3000"),
            ("x-forwarded-for", "198.51.100.7"),
            ("x-forwarded-host", "vaults.example"),
            ("x-forwarded-proto", "https"),
        ]);
        let peer = Some(PEER.parse().unwrap());
        let refusal = policy(&[], &[]).explain_refusal(peer, &lines);
        assert_eq!(refusal.own.unwrap().as_str(), "http://10.0.0.5:3000");
        assert_eq!(
            refusal.ignored_headers,
            ["X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"]
        );
        let trusting = policy(&[], &[PEER]).explain_refusal(peer, &lines);
        assert_eq!(trusting.own.unwrap().as_str(), "https://vaults.example");
        assert!(trusting.ignored_headers.is_empty());
    }
}
