//! The host that a request names. Used where a page of another site must not reach a listener on loopback by a name that
//! resolves there (DNS rebinding).

use std::net::{IpAddr, SocketAddr};

use actix_web::http::header::{HOST, HeaderMap};

/// The host of a request, without its port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestHost<'a> {
    /// The request has no `Host`. Only clients other than browsers omit it.
    Missing,
    /// An address. An IPv4 address mapped to IPv6 is an IPv4 address.
    Address(IpAddr),
    /// `localhost`, in any case.
    Localhost,
    /// Any other text, or more than one `Host`.
    Other(&'a str),
}

impl<'a> RequestHost<'a> {
    /// Reads the host from the headers of a request.
    pub fn of(headers: &'a HeaderMap) -> Self {
        let mut hosts = headers.get_all(HOST);
        match (hosts.next(), hosts.next()) {
            (None, _) => Self::Missing,
            (Some(host), None) => Self::parse(host.to_str().unwrap_or_default()),
            (Some(_), Some(_)) => Self::Other(""),
        }
    }

    fn parse(host: &'a str) -> Self {
        if let Some(address) = parse_address(host) {
            return Self::Address(address);
        }
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.parse::<u16>().is_ok() => name,
            Some(_) | None => host,
        };
        if name.eq_ignore_ascii_case("localhost") {
            Self::Localhost
        } else {
            Self::Other(host)
        }
    }
}

/// Parses an address with or without a port. An IPv6 address may stand in brackets.
pub(super) fn parse_address(text: &str) -> Option<IpAddr> {
    let bare = match text.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').unwrap_or(text),
        None => text,
    };
    let with_port = || text.parse().map(|address: SocketAddr| address.ip());
    let address: IpAddr = bare.parse().or_else(|_| with_port()).ok()?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use actix_web::http::header::HeaderValue;

    use super::*;

    #[test]
    fn addresses_and_localhost_are_recognized_with_any_port() {
        for host in ["127.0.0.1", "127.0.0.1:9300", "[::ffff:127.0.0.1]:80"] {
            let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
            assert_eq!(RequestHost::parse(host), RequestHost::Address(address));
        }
        for host in ["10.1.2.3:80", "[::1]", "[::1]:9300", "::1"] {
            let host = RequestHost::parse(host);
            assert!(matches!(host, RequestHost::Address(_)), "{host:?}");
        }
        for host in ["localhost", "localhost:9300", "LOCALHOST:1"] {
            assert_eq!(RequestHost::parse(host), RequestHost::Localhost);
        }
    }

    #[test]
    fn other_names_are_neither_addresses_nor_localhost() {
        for host in [
            "",
            "evil.example",
            "evil.example:9300",
            "127.0.0.1.evil.example",
            "localhost.evil.example:9300",
            "evil.localhost",
            "localhost:9300.evil.example",
            "127.1",
            "2130706433",
            "localhost:",
            "localhost:99999",
            "[evil]",
            "[[::1]]",
            "[127.0.0.1",
        ] {
            assert_eq!(RequestHost::parse(host), RequestHost::Other(host));
        }
    }

    #[test]
    fn a_missing_host_differs_from_a_repeated_one() {
        let mut headers = HeaderMap::new();
        assert_eq!(RequestHost::of(&headers), RequestHost::Missing);
        headers.append(HOST, HeaderValue::from_static("localhost"));
        assert_eq!(RequestHost::of(&headers), RequestHost::Localhost);
        headers.append(HOST, HeaderValue::from_static("evil.example"));
        assert_eq!(RequestHost::of(&headers), RequestHost::Other(""));
    }
}
