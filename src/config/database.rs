//! The section `database`: the database that holds the vaults and their journals.

use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, de::Error};

use super::database_url::DatabaseUrl;
use super::field::{read_boolean, read_integer, read_string};

/// The database that holds the vaults and their journals.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DatabaseConfig {
    /// The URL of the database; the variable `DATABASE_URL` overrides it.
    #[serde(deserialize_with = "read_string")]
    pub url: DatabaseUrl,
    /// The durability of a commit on SQLite.
    #[serde(deserialize_with = "read_string")]
    pub synchronous: Synchronous,
    /// PostgreSQL: the maximum number of connections of this process; 0 for what its cores can use.
    #[serde(deserialize_with = "read_max_connections")]
    pub max_connections: usize,
    /// Whether pending migrations are applied at startup.
    #[serde(deserialize_with = "read_boolean")]
    pub migrate: bool,
}

impl Default for DatabaseConfig {
    fn default() -> Self {
        Self {
            url: DatabaseUrl::default(),
            synchronous: Synchronous::Full,
            max_connections: 0,
            migrate: true,
        }
    }
}

/// Reads the maximum number of connections: 0, or at least one for each part of the service that needs its own.
fn read_max_connections<'de, D: Deserializer<'de>>(from: D) -> Result<usize, D::Error> {
    match read_integer::<0, 10_000, usize, D>(from)? {
        few @ 1..6 => Err(D::Error::custom(format_args!(
            "{few} is not 0 or a whole number from 6 to 10000"
        ))),
        connections => Ok(connections),
    }
}

/// The durability of a commit on SQLite (`PRAGMA synchronous`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Synchronous {
    /// A commit waits for the disk: acknowledged data survives a power loss.
    Full,
    /// A commit waits for the operating system: faster, but a power loss may lose the latest commits.
    Normal,
}

impl FromStr for Synchronous {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "full" => Ok(Self::Full),
            "normal" => Ok(Self::Normal),
            _ => Err(r#""full" or "normal""#),
        }
    }
}
