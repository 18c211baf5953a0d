//! Origins of browsers' pages: scheme, host and port, in the one spelling that browsers send.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use url::Url;

const ALLOWED: &str = r#"an origin, such as "https://example.com:8443", without a path"#;

/// An origin as it stands in a browser's `Origin` header.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin(String);

impl Origin {
    /// The origin as browsers write it: in lower case, without the port that the scheme implies.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Origin {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (_, host) = text.split_once("://").ok_or(ALLOWED)?;
        let bare = !host.contains(['/', '\\', '?', '#', '@', '*']);
        let url = Url::parse(text)
            .ok()
            .filter(|url| bare && url.has_host())
            .ok_or(ALLOWED)?;
        let origin = url.origin();
        // The pages of an app's own scheme have no origin by the letter, but browsers send one all
        // the same.
        Ok(Self(if origin.is_tuple() {
            origin.ascii_serialization()
        } else {
            text.to_ascii_lowercase()
        }))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_kept_as_browsers_write_it() {
        for (text, origin) in [
            ("https://example.com", "https://example.com"),
            ("https://Example.com:443", "https://example.com"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://[::1]:3000", "http://[::1]:3000"),
            ("https://bücher.example", "https://xn--bcher-kva.example"),
            ("capacitor://localhost", "capacitor://localhost"),
        ] {
            assert_eq!(text.parse::<Origin>().unwrap().as_str(), origin);
        }
    }

    #[test]
    fn what_is_more_or_less_than_an_origin_is_refused() {
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
        ] {
            assert_eq!(text.parse::<Origin>(), Err(ALLOWED), "{text}");
        }
    }
}
