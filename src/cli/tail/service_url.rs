//! The address of the service.

use std::{fmt, net::SocketAddr};

use url::Url;

/// An http or https address without a slash at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceUrl(String);

impl ServiceUrl {
    /// Parses an address. It may have a path, below which a proxy serves the service.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let url = Url::parse(text).ok().filter(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.username().is_empty()
                && url.password().is_none()
                && url.query().is_none()
                && url.fragment().is_none()
        });
        let url = url.ok_or(
            "must be an http or https address without user, query and fragment, such as https://vaults.example.com",
        )?;
        Ok(Self(url.as_str().trim_end_matches('/').to_owned()))
    }

    /// Returns the address of a listener on this machine.
    pub(super) fn local(addr: SocketAddr) -> Self {
        Self(format!("http://{addr}"))
    }

    /// Returns whether the connection is encrypted.
    pub(super) fn is_https(&self) -> bool {
        self.0.starts_with("https:")
    }

    /// Returns the address of a path, which starts with a slash.
    pub(super) fn join(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }
}

impl fmt::Display for ServiceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_is_http_or_https_with_an_optional_path() {
        for (text, url) in [
            ("http://localhost:3000", "http://localhost:3000/readyz"),
            (
                "https://vaults.example.com/",
                "https://vaults.example.com/readyz",
            ),
            (
                "https://example.com/vaults/",
                "https://example.com/vaults/readyz",
            ),
            ("http://[::1]:3000", "http://[::1]:3000/readyz"),
        ] {
            assert_eq!(ServiceUrl::parse(text).unwrap().join("/readyz"), url);
        }
        for wrong in [
            "localhost:3000",
            "ws://localhost",
            "http://ana@host",
            "http://host?a",
            "",
        ] {
            assert!(ServiceUrl::parse(wrong).is_err(), "{wrong}");
        }
    }
}
