//! Origins of web pages and native clients: scheme, host and port, in the canonical form that browsers send.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use url::Url;

const ACCEPTED: &str = r#"an origin without a path, such as "https://example.com:8443", "capacitor://localhost" or "file://""#;

/// An origin in the form of a browser's `Origin` header.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AllowedOrigin(String);

impl AllowedOrigin {
    /// Returns the origin in canonical form: in lower case, without the default port of the scheme.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AllowedOrigin {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (_, host) = text.split_once("://").ok_or(ACCEPTED)?;
        // A URL parser drops blanks and control characters.
        let is_blank = |c: char| c.is_whitespace() || c.is_control();
        let is_bare = !host.contains(['/', '\\', '?', '#', '@', '*']) && !text.contains(is_blank);
        let url = Url::parse(text)
            .ok()
            .filter(|url| is_bare && matches!(url.path(), "" | "/"))
            .ok_or(ACCEPTED)?;
        let origin = url.origin();
        Ok(Self(if origin.is_tuple() {
            origin.ascii_serialization()
        } else {
            serialize_opaque(&url)
        }))
    }
}

/// Returns the origin of a URL whose scheme is not a scheme of the web. By the URL standard such an origin is opaque, but web
/// views send `scheme://host`, and `file://` for their local files.
fn serialize_opaque(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}"));
    let port = port.unwrap_or_default();
    format!("{}://{host}{port}", url.scheme()).to_ascii_lowercase()
}

impl fmt::Display for AllowedOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for AllowedOrigin {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origin_is_stored_in_canonical_form() {
        for (text, origin) in [
            ("https://example.com", "https://example.com"),
            ("https://Example.com:443", "https://example.com"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://[::1]:3000", "http://[::1]:3000"),
            ("https://bücher.example", "https://xn--bcher-kva.example"),
            ("https://example.com.", "https://example.com."),
            ("ws://LOCALHOST:80", "ws://localhost"),
            ("wss://example.com:443", "wss://example.com"),
            ("capacitor://localhost", "capacitor://localhost"),
            ("Ionic://LocalHost:8100", "ionic://localhost:8100"),
            ("chrome-extension://abcdef", "chrome-extension://abcdef"),
            ("app://.", "app://."),
            ("app://", "app://"),
            ("file://", "file://"),
            ("FILE://", "file://"),
        ] {
            assert_eq!(text.parse::<AllowedOrigin>().unwrap().as_str(), origin);
        }
    }

    #[test]
    fn text_that_is_not_exactly_an_origin_is_rejected() {
        for text in [
            "",
            "*",
            "null",
            "example.com",
            "https://",
            "https://example.com/",
            "https://example.com/app",
            "https://example.com?a",
            "https://ana@example.com",
            "https://*.example.com",
            "https://example.com:port",
            "https://exa mple.com",
            "https://exa\tmple.com",
            " https://example.com",
            "https://example.com\n",
            "capacitor://local host",
            "capacitor://localhost/",
            "file:///",
            "file:///index.html",
            "file://c:",
            "://example.com",
            "1app://example.com",
        ] {
            assert_eq!(text.parse::<AllowedOrigin>(), Err(ACCEPTED), "{text}");
        }
    }
}
