//! The prefix of the HTTP routes, `server.base_path`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserializer, Serialize, Serializer};

use super::field::read_optional_string;

const ACCEPTED: &str = r#""" or a path such as "/v1": segments of letters, digits, "-", "_", "." and "~", without "/" at the end"#;

/// The first segment of Socket.IO's own path, which no prefix may take.
const SOCKETIO_SEGMENT: &str = "socket.io";

/// A prefix of HTTP paths: empty, or segments that each begin with a slash. It consists of characters that URLs, HTML and route
/// patterns contain unescaped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BasePath(String);

impl BasePath {
    /// Returns the prefix: `""` or, for example, `"/v1"`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for BasePath {
    type Err = &'static str;

    /// Parses a prefix that is not empty.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let segments = text.strip_prefix('/').ok_or(ACCEPTED)?;
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.~".contains(c);
        // Clients resolve the segments `.` and `..` before they send a request.
        let is_segment =
            |segment: &str| !matches!(segment, "" | "." | "..") && segment.chars().all(is_plain);
        let is_path = segments.split('/').all(is_segment);
        let takes_socketio = segments.split('/').next() == Some(SOCKETIO_SEGMENT);
        match is_path && !takes_socketio {
            true => Ok(Self(text.to_owned())),
            false => Err(ACCEPTED),
        }
    }
}

impl fmt::Display for BasePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for BasePath {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

/// Reads a prefix, which may be empty.
pub(super) fn read_base_path<'de, D: Deserializer<'de>>(from: D) -> Result<BasePath, D::Error> {
    read_optional_string(from).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_path_consists_of_plain_segments() {
        for text in [
            "/v1",
            "/vaultcast/v1",
            "/V1.0_a-b~c",
            "/...",
            "/api",
            "/socket.io2",
        ] {
            assert_eq!(text.parse::<BasePath>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn text_that_is_not_a_plain_path_is_rejected() {
        for text in [
            "",
            "/",
            "v1",
            "v1/",
            "/v1/",
            "//v1",
            "/v1//a",
            "/v1?a",
            "/v1#a",
            "/v%31",
            "/a b",
            "/.",
            "/..",
            "/v1/../a",
            "/{id}",
            "/v1:a",
            "/\u{e9}",
            "/v1\\a",
            "\\v1",
            "https://host/v1",
            "/socket.io",
            "/socket.io/v1",
        ] {
            assert_eq!(text.parse::<BasePath>(), Err(ACCEPTED), "{text}");
        }
    }
}
