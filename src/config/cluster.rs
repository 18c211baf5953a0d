//! The section `cluster`: how nodes on one database notify each other.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize, Serializer};

use super::database_url::without_password;
use super::field::{read_optional_string, read_string, write_optional};

/// What the key `cluster.bus` accepts.
const ACCEPTED_BUS: &str = r#""auto", "postgres", "off", "redis://HOST" or "rediss://HOST""#;

/// The longest name of a node.
const MAX_NAME: usize = 64;

/// How nodes on one database notify each other.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClusterConfig {
    /// What carries the hints between nodes.
    #[serde(deserialize_with = "read_string")]
    pub bus: BusChoice,
    /// The name of this node for operators; `None` for the name of the host and a random suffix.
    #[serde(
        serialize_with = "write_optional",
        deserialize_with = "read_optional_string"
    )]
    pub node: Option<NodeName>,
}

/// What carries the hints between nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum BusChoice {
    /// PostgreSQL if the database is one, otherwise none.
    #[default]
    Auto,
    /// LISTEN and NOTIFY of the PostgreSQL database.
    Postgres,
    /// Publish and subscribe of this Redis or Valkey server.
    Redis(RedisUrl),
    /// None: events of other nodes arrive by the sweep only.
    Off,
}

/// The URL of a Redis server, perhaps with a password.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl(String);

/// The name of a node: 1 to 64 visible ASCII characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeName(String);

impl BusChoice {
    /// Returns whether this bus is of use with PostgreSQL only. A SQLite file has no other node.
    pub(super) fn needs_postgres(&self) -> bool {
        match self {
            Self::Auto | Self::Off => false,
            Self::Postgres | Self::Redis(_) => true,
        }
    }
}

impl RedisUrl {
    /// Returns the URL with its password. Not for logs or responses.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&without_password(&self.0))
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisUrl({self})")
    }
}

impl fmt::Display for BusChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Postgres => f.write_str("postgres"),
            Self::Redis(url) => url.fmt(f),
            Self::Off => f.write_str("off"),
        }
    }
}

impl FromStr for BusChoice {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self::Auto),
            "postgres" => Ok(Self::Postgres),
            "off" => Ok(Self::Off),
            _ if is_redis_url(text) => Ok(Self::Redis(RedisUrl(text.to_owned()))),
            _ => Err(ACCEPTED_BUS),
        }
    }
}

/// Returns whether the driver accepts the URL, with a host of its own.
fn is_redis_url(text: &str) -> bool {
    let is_server = text.starts_with("redis://") || text.starts_with("rediss://");
    is_server && redis::Client::open(text).is_ok()
}

impl Serialize for BusChoice {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for NodeName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        match (1..=MAX_NAME).contains(&text.len()) && is_visible {
            true => Ok(Self(text.to_owned())),
            false => Err("a name of 1 to 64 visible ASCII characters"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_bus_is_displayed_as_it_is_written() {
        for text in [
            "auto",
            "postgres",
            "off",
            "redis://cache:6379/1",
            "rediss://cache",
        ] {
            assert_eq!(
                text.parse().map(|bus: BusChoice| bus.to_string()),
                Ok(text.to_owned())
            );
        }
        for text in [
            "",
            "redis",
            "redis://",
            "redis+unix:///run/r",
            "nats://a",
            "mysql://db",
        ] {
            assert_eq!(text.parse::<BusChoice>(), Err(ACCEPTED_BUS), "{text}");
        }
    }

    #[test]
    fn password_of_a_redis_url_is_never_displayed() {
        let bus: BusChoice = "redis://:hunter2@cache:6379".parse().unwrap();
        assert_eq!(bus.to_string(), "redis://:***@cache:6379");
        assert!(!format!("{bus:?}").contains("hunter2"));
    }
}
