//! Which pages may speak to the service. Browsers send cookies by themselves, whoever made the page, but they also
//! say whose page it is: a request, a handshake or an upgrade with an `Origin` of somebody else is refused.

use std::{collections::HashSet, net::IpAddr, sync::Arc};

use actix_web::http::header::{self, HeaderMap, HeaderValue};
use arc_swap::ArcSwap;
use url::Url;

use crate::{config::Origin, proxies::Proxies};

/// The origins that may speak to the service. Cheap to clone; clones are changed together.
#[derive(Clone, Debug)]
pub struct Origins {
    allowed: Arc<ArcSwap<HashSet<Origin>>>,
    proxies: Proxies,
}

/// What a request's `Origin` means for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is none, so no browser was made to ask this; or it is the service's own.
    Passes,
    /// It is one of those allowed; the browser has to be told so, in the words that it used.
    Allowed(HeaderValue),
    /// It is somebody else's, or nobody's (`null`).
    Refused,
}

impl Origins {
    /// These origins beside the service's own, which it learns from each request.
    pub fn new(allowed: &[Origin], proxies: Proxies) -> Self {
        let allowed = allowed.iter().cloned().collect();
        Self {
            allowed: Arc::new(ArcSwap::from_pointee(allowed)),
            proxies,
        }
    }

    /// Allows these origins, and no others, from now on. A socket that is open stays, whoever made its page.
    pub fn retune(&self, allowed: &[Origin]) {
        self.allowed
            .store(Arc::new(allowed.iter().cloned().collect()));
    }

    /// Whether a request with these headers may be answered to the page that made it.
    pub fn judge(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Verdict {
        let mut said = headers.get_all(header::ORIGIN);
        let value = match (said.next(), said.next()) {
            (None, _) => return Verdict::Passes,
            (Some(value), None) => value,
            (Some(_), Some(_)) => return Verdict::Refused,
        };
        let Some(origin) = value.to_str().ok().and_then(|text| text.parse().ok()) else {
            return Verdict::Refused;
        };
        if self.allowed.load().contains(&origin) {
            return Verdict::Allowed(value.clone());
        }
        let own = self.proxies.own_origin(peer, headers);
        match own.is_some_and(|own| same_host_and_port(&own, &origin)) {
            true => Verdict::Passes,
            false => Verdict::Refused,
        }
    }
}

/// Whether both are one place; the scheme counts only where it implies the port.
fn same_host_and_port(own: &Origin, other: &Origin) -> bool {
    let place = |origin: &Origin| {
        let url = Url::parse(origin.as_str()).ok()?;
        let is_web = matches!(url.scheme(), "http" | "https");
        let place = (url.host_str()?.to_owned(), url.port_or_known_default()?);
        is_web.then_some(place)
    };
    place(own).is_some_and(|own| place(other) == Some(own))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: &str = "127.0.0.1";

    fn judge(
        allowed: &[&str],
        trusted: &[&str],
        lines: &[(&'static str, &'static str)],
    ) -> Verdict {
        let allowed: Vec<_> = allowed.iter().map(|text| text.parse().unwrap()).collect();
        let trusted: Vec<_> = trusted.iter().map(|text| text.parse().unwrap()).collect();
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name = header::HeaderName::from_static(name);
            headers.append(name, HeaderValue::from_static(value));
        }
        Origins::new(&allowed, Proxies::new(&trusted)).judge(Some(PEER.parse().unwrap()), &headers)
    }

    /// A request to `host` from a page of `origin`.
    fn from_page(host: &'static str, origin: &'static str) -> Verdict {
        judge(&[], &[], &[("host", host), ("origin", origin)])
    }

    #[test]
    fn who_is_no_browser_sends_no_origin_and_passes() {
        assert_eq!(judge(&[], &[], &[("host", "example.com")]), Verdict::Passes);
    }

    #[test]
    fn a_page_of_the_same_host_and_port_passes() {
        for (host, origin) in [
            ("127.0.0.1:3000", "http://127.0.0.1:3000"),
            ("127.0.0.1:3000", "https://127.0.0.1:3000"),
            ("[::1]:3000", "http://[::1]:3000"),
            ("Example.com", "http://example.com"),
            ("example.com:80", "http://example.com"),
        ] {
            assert_eq!(
                from_page(host, origin),
                Verdict::Passes,
                "{origin} at {host}"
            );
        }
    }

    #[test]
    fn every_other_page_is_refused() {
        for (host, origin) in [
            ("example.com", "http://evil.example"),
            ("example.com", "https://example.com"),
            ("example.com", "http://www.example.com"),
            ("127.0.0.1:3000", "http://127.0.0.1:3001"),
            ("127.0.0.1:3000", "http://localhost:3000"),
            ("127.0.0.1:3000", "capacitor://127.0.0.1:3000"),
            ("example.com", "null"),
            ("example.com", ""),
            ("example.com", "example.com"),
            ("example.com", "http://example.com/"),
        ] {
            assert_eq!(
                from_page(host, origin),
                Verdict::Refused,
                "{origin} at {host}"
            );
        }
        let twice = [
            ("host", "example.com"),
            ("origin", "http://example.com"),
            ("origin", "http://example.com"),
        ];
        assert_eq!(judge(&[], &[], &twice), Verdict::Refused);
        let without_host = [("origin", "http://example.com")];
        assert_eq!(judge(&[], &[], &without_host), Verdict::Refused);
    }

    #[test]
    fn an_allowed_origin_is_answered_in_its_own_words() {
        let origin = "https://app.example";
        let lines = [("host", "api.example"), ("origin", origin)];
        let allowed = Verdict::Allowed(HeaderValue::from_static(origin));
        assert_eq!(judge(&["https://app.example:443"], &[], &lines), allowed);
        assert_eq!(
            judge(&["http://app.example"], &[], &lines),
            Verdict::Refused
        );
    }

    #[test]
    fn behind_a_trusted_proxy_the_origin_is_compared_with_what_the_proxy_was_asked_for() {
        let lines = [
            ("host", "10.0.0.5:3000"),
            ("origin", "https://vaults.example"),
            ("x-forwarded-host", "vaults.example"),
            ("x-forwarded-proto", "https"),
        ];
        assert_eq!(judge(&[], &[PEER], &lines), Verdict::Passes);
        assert_eq!(judge(&[], &["10.0.0.0/8"], &lines), Verdict::Refused);
        assert_eq!(judge(&[], &[PEER], &lines[..3]), Verdict::Refused);
    }
}
