//! Parsers of command line values. Each error says which values are accepted.

use std::time::Duration;

use crate::{
    config::{BasePath, DatabaseUrl},
    domain::{Seq, UserId, VaultId},
};

const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Parses a user id.
pub(super) fn user_id(text: &str) -> Result<UserId, &'static str> {
    UserId::new(text).ok_or("must be 1 to 128 visible ASCII characters")
}

/// Parses a vault id.
pub(super) fn vault_id(text: &str) -> Result<VaultId, &'static str> {
    VaultId::parse(text).ok_or("must be a c and 8 to 31 lower case letters or digits")
}

/// Parses a prefix of HTTP routes, which may be empty.
pub(super) fn base_path(text: &str) -> Result<BasePath, &'static str> {
    match text {
        "" => Ok(BasePath::default()),
        prefix => prefix
            .parse()
            .map_err(|_| "must be empty or a path such as /v1"),
    }
}

/// Parses a sequence number in the range that the API accepts.
pub(super) fn seq(text: &str) -> Result<Seq, &'static str> {
    let seq = text.parse().ok().filter(|seq| *seq <= u64::MAX >> 2);
    seq.map(Seq).ok_or("must be a sequence number, such as 42")
}

/// Parses the time between two refreshes, 100 ms at least.
pub(super) fn refresh_interval(text: &str) -> Result<Duration, &'static str> {
    humantime::parse_duration(text)
        .ok()
        .filter(|interval| (Duration::from_millis(100)..=YEAR).contains(interval))
        .ok_or("must be a duration with its unit, such as 2s, and 100ms at least")
}

/// Parses the lifetime of a token, from one second to ten years.
pub(super) fn time_to_live(text: &str) -> Result<Duration, &'static str> {
    humantime::parse_duration(text)
        .ok()
        .filter(|ttl| (Duration::from_secs(1)..=10 * YEAR).contains(ttl))
        .ok_or("must be a duration with its unit, such as 90s, 1h or 30d, and ten years at most")
}

/// Parses the URL of an application's database.
pub(super) fn application_url(text: &str) -> Result<DatabaseUrl, &'static str> {
    let scheme = text.split(':').next().unwrap_or_default();
    text.parse().map_err(|accepted| match scheme {
        "mysql" | "mariadb" => {
            "MySQL cannot be read: copy the four tables to a SQLite file or to PostgreSQL first (docs/operations/import.md)"
        }
        "file" => "write Prisma's file:./dev.db as sqlite://prisma/dev.db, relative to the working directory",
        _ => accepted,
    })
}
