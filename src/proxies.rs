//! What proxies say of a request: who asked, for which host, by which scheme. Anybody can write `X-Forwarded-…`
//! headers, so they count only where the connection comes from a proxy that `server.trusted_proxies` names.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use actix_web::http::header::{self, HeaderMap, HeaderName};
use arc_swap::ArcSwap;

use crate::config::{Network, Origin};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The proxies whose word is taken. Cheap to clone; clones are changed together.
#[derive(Clone, Debug)]
pub struct Proxies(Arc<ArcSwap<Vec<Network>>>);

impl Proxies {
    /// The proxies in these networks.
    pub fn new(trusted: &[Network]) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(trusted.to_vec())))
    }

    /// Takes the word of the proxies in these networks from now on.
    pub fn retune(&self, trusted: &[Network]) {
        self.0.store(Arc::new(trusted.to_vec()));
    }

    /// Who asked: the right-most address that is not a trusted proxy's.
    ///
    /// Each proxy adds the address that it was asked from at the right. What stands left of the first one that is
    /// not trusted may be made up.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer;
        for said in values(headers, &FORWARDED_FOR).into_iter().rev() {
            match address(said) {
                Some(before) if self.trusts(client) => client = before,
                Some(_) | None => break,
            }
        }
        client
    }

    /// The service's own origin, as whoever made this request sees it.
    pub fn own_origin(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Option<Origin> {
        let trusted = peer.is_some_and(|peer| self.trusts(peer));
        // The proxy nearest to us has the last word.
        let said = |name: &HeaderName| values(headers, name).pop().filter(|_| trusted);
        let host = match said(&FORWARDED_HOST) {
            Some(host) => host,
            None => headers.get(header::HOST)?.to_str().ok()?,
        };
        // Some proxies name the scheme of a websocket `wss`.
        let is_secure = |scheme: &str| {
            ["https", "wss"]
                .iter()
                .any(|s| s.eq_ignore_ascii_case(scheme))
        };
        let scheme = match said(&FORWARDED_PROTO) {
            Some(scheme) if is_secure(scheme) => "https",
            Some(_) | None => "http",
        };
        format!("{scheme}://{host}").parse().ok()
    }

    fn trusts(&self, address: IpAddr) -> bool {
        let trusted = self.0.load();
        trusted.iter().any(|network| network.contains(address))
    }
}

/// The values of a header that is a list, over all of its lines.
fn values<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Vec<&'a str> {
    let lines = headers.get_all(name);
    lines
        .flat_map(|line| line.to_str().unwrap_or_default().split(','))
        .map(str::trim)
        .collect()
}

/// An address, with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let with_port = || text.parse().map(|address: SocketAddr| address.ip());
    let address: IpAddr = bare.parse().or_else(|_| with_port()).ok()?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    const PROXY: &str = "10.0.0.1";
    const STRANGER: &str = "203.0.113.9";

    fn proxies() -> Proxies {
        Proxies::new(&["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()])
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

    fn client(peer: &str, forwarded: &'static str) -> String {
        let headers = headers(&[("x-forwarded-for", forwarded)]);
        proxies()
            .client(peer.parse().unwrap(), &headers)
            .to_string()
    }

    fn own(peer: &str, lines: &[(&'static str, &'static str)]) -> Option<String> {
        let own = proxies().own_origin(Some(peer.parse().unwrap()), &headers(lines));
        own.map(|origin| origin.to_string())
    }

    #[test]
    fn a_client_is_the_right_most_address_that_is_no_trusted_proxys() {
        assert_eq!(client(PROXY, "198.51.100.7"), "198.51.100.7");
        assert_eq!(
            client(PROXY, "1.1.1.1, 198.51.100.7, 10.2.2.2"),
            "198.51.100.7"
        );
        assert_eq!(client(PROXY, "10.3.3.3, 10.2.2.2"), "10.3.3.3");
        assert_eq!(client(PROXY, "[2001:db8::1]:4711, fd00::2"), "2001:db8::1");
        assert_eq!(client(PROXY, "198.51.100.7:4711"), "198.51.100.7");
        let lines = [
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-for", "8.8.8.8"),
        ];
        let last = proxies().client(PROXY.parse().unwrap(), &headers(&lines));
        assert_eq!(last.to_string(), "8.8.8.8");
    }

    #[test]
    fn what_a_stranger_says_of_himself_does_not_count() {
        assert_eq!(client(STRANGER, "198.51.100.7"), STRANGER);
        let claims = [
            ("host", "example.com"),
            ("x-forwarded-host", "evil.example"),
            ("x-forwarded-proto", "https"),
        ];
        assert_eq!(
            own(STRANGER, &claims).as_deref(),
            Some("http://example.com")
        );
    }

    #[test]
    fn what_is_no_address_ends_the_search() {
        assert_eq!(client(PROXY, "198.51.100.7, unknown"), PROXY);
        assert_eq!(client(PROXY, ""), PROXY);
    }

    #[test]
    fn a_trusted_proxy_says_which_host_was_asked_for_and_how() {
        let host = ("host", "10.0.0.5:3000");
        assert_eq!(own(PROXY, &[host]).as_deref(), Some("http://10.0.0.5:3000"));
        let said = [
            host,
            ("x-forwarded-host", "a.example, B.example"),
            ("x-forwarded-proto", "https"),
        ];
        assert_eq!(own(PROXY, &said).as_deref(), Some("https://b.example"));
        let secure = [("host", "b.example:8443"), ("x-forwarded-proto", "wss")];
        assert_eq!(
            own(PROXY, &secure).as_deref(),
            Some("https://b.example:8443")
        );
    }

    #[test]
    fn without_a_host_there_is_no_origin() {
        assert_eq!(own(PROXY, &[]), None);
        assert_eq!(own(PROXY, &[("host", "a/b")]), None);
    }
}
