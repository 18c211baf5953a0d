//! Reads the client's address and the service's public origin from the headers of trusted proxies.
//!
//! Any client can send `X-Forwarded-…` headers, so they are used only if the connection comes from a proxy in
//! `server.trusted_proxies`.

use std::{net::IpAddr, sync::Arc};

use actix_web::http::header::{self, HeaderMap, HeaderName};
use arc_swap::ArcSwap;

use crate::config::{AllowedOrigin, Network};

use super::host::parse_address;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The proxies whose headers are trusted. Cheap to clone; clones share one list.
#[derive(Clone, Debug)]
pub struct TrustedProxies(Arc<ArcSwap<Vec<Network>>>);

impl TrustedProxies {
    /// Trusts the proxies in these networks.
    pub fn new(trusted: &[Network]) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(trusted.to_vec())))
    }

    /// Replaces the list of trusted networks.
    pub fn reconfigure(&self, trusted: &[Network]) {
        self.0.store(Arc::new(trusted.to_vec()));
    }

    /// Returns the address of the client: the right-most one in the chain that is not a trusted proxy.
    ///
    /// Each proxy appends the address of its peer at the right of `X-Forwarded-For`. Entries to the left of the first
    /// untrusted address may be forged.
    pub fn client_address(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer;
        for entry in values(headers, &FORWARDED_FOR).into_iter().rev() {
            match parse_address(entry) {
                Some(before) if self.trusts(client) => client = before,
                Some(_) | None => break,
            }
        }
        client
    }

    /// Returns the service's own origin as the client of this request sees it.
    pub fn own_origin(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Option<AllowedOrigin> {
        let trusted = peer.is_some_and(|peer| self.trusts(peer));
        // The last value is from the nearest proxy.
        let forwarded = |name: &HeaderName| values(headers, name).pop().filter(|_| trusted);
        let host = match forwarded(&FORWARDED_HOST) {
            Some(host) => host,
            None => headers.get(header::HOST)?.to_str().ok()?,
        };
        // Some proxies send `wss` as the scheme of a WebSocket.
        let is_secure = |scheme: &str| {
            ["https", "wss"]
                .iter()
                .any(|s| s.eq_ignore_ascii_case(scheme))
        };
        let scheme = match forwarded(&FORWARDED_PROTO) {
            Some(scheme) if is_secure(scheme) => "https",
            Some(_) | None => "http",
        };
        format!("{scheme}://{host}").parse().ok()
    }

    /// Returns the names of the forwarding headers of a request that are not used, because its peer is not a trusted proxy.
    pub fn ignored_headers(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Vec<&'static str> {
        if peer.is_some_and(|peer| self.trusts(peer)) {
            return Vec::new();
        }
        let forwarding = [
            ("X-Forwarded-For", &FORWARDED_FOR),
            ("X-Forwarded-Host", &FORWARDED_HOST),
            ("X-Forwarded-Proto", &FORWARDED_PROTO),
        ];
        let sent = forwarding
            .into_iter()
            .filter(|(_, name)| headers.contains_key(*name));
        sent.map(|(title, _)| title).collect()
    }

    /// Returns whether this is the address of a trusted proxy.
    pub fn trusts(&self, address: IpAddr) -> bool {
        let trusted = self.0.load();
        trusted.iter().any(|network| network.contains(address))
    }
}

/// Returns the values of a list header, from all of its lines.
fn values<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Vec<&'a str> {
    let lines = headers.get_all(name);
    lines
        .flat_map(|line| line.to_str().unwrap_or_default().split(','))
        .map(str::trim)
        .collect()
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    const PROXY: &str = "10.0.0.1";
    const UNTRUSTED: &str = "203.0.113.9";

    fn trusted_proxies() -> TrustedProxies {
        TrustedProxies::new(&["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()])
    }

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            map.append(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        map
    }

    fn client_address(peer: &str, forwarded: &'static str) -> String {
        let headers = headers(&[("x-forwarded-for", forwarded)]);
        trusted_proxies()
            .client_address(peer.parse().unwrap(), &headers)
            .to_string()
    }

    fn own_origin(peer: &str, lines: &[(&'static str, &'static str)]) -> Option<String> {
        let origin = trusted_proxies().own_origin(Some(peer.parse().unwrap()), &headers(lines));
        origin.map(|origin| origin.to_string())
    }

    #[test]
    fn client_address_is_the_right_most_untrusted_address() {
        assert_eq!(client_address(PROXY, "198.51.100.7"), "198.51.100.7");
        assert_eq!(
            client_address(PROXY, "1.1.1.1, 198.51.100.7, 10.2.2.2"),
            "198.51.100.7"
        );
        assert_eq!(client_address(PROXY, "10.3.3.3, 10.2.2.2"), "10.3.3.3");
        assert_eq!(
            client_address(PROXY, "[2001:db8::1]:4711, fd00::2"),
            "2001:db8::1"
        );
        assert_eq!(client_address(PROXY, "198.51.100.7:4711"), "198.51.100.7");
        let lines = [
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-for", "8.8.8.8"),
        ];
        let last = trusted_proxies().client_address(PROXY.parse().unwrap(), &headers(&lines));
        assert_eq!(last.to_string(), "8.8.8.8");
    }

    #[test]
    fn headers_of_an_untrusted_peer_are_ignored() {
        assert_eq!(client_address(UNTRUSTED, "198.51.100.7"), UNTRUSTED);
        let claims = [
            ("host", "example.com"),
            ("x-forwarded-host", "evil.example"),
            ("x-forwarded-proto", "https"),
        ];
        assert_eq!(
            own_origin(UNTRUSTED, &claims).as_deref(),
            Some("http://example.com")
        );
    }

    #[test]
    fn malformed_address_ends_the_search() {
        assert_eq!(client_address(PROXY, "198.51.100.7, unknown"), PROXY);
        assert_eq!(client_address(PROXY, ""), PROXY);
    }

    #[test]
    fn trusted_proxy_forwards_the_host_and_the_scheme() {
        let host = ("host", "10.0.0.5:3000");
        assert_eq!(
            own_origin(PROXY, &[host]).as_deref(),
            Some("http://10.0.0.5:3000")
        );
        let forwarded = [
            host,
            ("x-forwarded-host", "a.example, B.example"),
            ("x-forwarded-proto", "https"),
        ];
        assert_eq!(
            own_origin(PROXY, &forwarded).as_deref(),
            Some("https://b.example")
        );
        let secure = [("host", "b.example:8443"), ("x-forwarded-proto", "wss")];
        assert_eq!(
            own_origin(PROXY, &secure).as_deref(),
            Some("https://b.example:8443")
        );
    }

    #[test]
    fn request_without_a_host_has_no_own_origin() {
        assert_eq!(own_origin(PROXY, &[]), None);
        assert_eq!(own_origin(PROXY, &[("host", "a/b")]), None);
    }
}
