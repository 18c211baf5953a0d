//! Where the database is: a file for SQLite, or a PostgreSQL server.
//!
//! The URL may hold a password, so a [`DatabaseUrl`] shows and serialises itself without it; only
//! [`DatabaseUrl::expose`] tells, to whoever opens the connection.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Serialize, Serializer};
use url::Url;

const ALLOWED: &str = r#""sqlite://FILE" (no ? or % in it) or "postgres://HOST/DATABASE""#;

/// Where the database is.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// The whole URL, password and all. Never for logs or answers.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The database's file, for SQLite.
    pub fn sqlite_file(&self) -> Option<&Path> {
        self.0.strip_prefix("sqlite://").map(Path::new)
    }

    /// Where a secret is kept that the service made itself: beside the database's file, or in the
    /// working directory.
    pub fn secret_file(&self) -> PathBuf {
        match self.sqlite_file() {
            Some(file) => {
                let mut name = file.as_os_str().to_owned();
                name.push(".secret");
                name.into()
            }
            None => "vaultcast.secret".into(),
        }
    }
}

impl Default for DatabaseUrl {
    fn default() -> Self {
        Self("sqlite://vaultcast.db".to_owned())
    }
}

impl FromStr for DatabaseUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = match text.split_once("://") {
            Some(("sqlite", file)) => is_plain_file(file),
            Some(("postgres" | "postgresql", _)) => is_server(text),
            _ => false,
        };
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(ALLOWED)
        }
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&without_password(&self.0))
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

impl Serialize for DatabaseUrl {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// A path that means the same file to the driver and to us: the driver would take parameters after
/// `?`, decode `%`, drop a doubled slash at the beginning, and keep `:memory:` in memory, where
/// nothing is durable.
fn is_plain_file(file: &str) -> bool {
    !file.is_empty()
        && file != ":memory:"
        && !file.starts_with("//")
        && !file.ends_with('/')
        && !file.contains(['?', '%', '\0'])
}

fn is_server(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| {
        let host_in_parameters = url.query_pairs().any(|(name, _)| name == "host");
        url.host_str().is_some_and(|host| !host.is_empty()) || host_in_parameters
    })
}

/// The text with what may be a password in a URL put out of sight: what follows the user's name
/// before the last `@`, and all parameters once one of them is a password. It rather hides too
/// much, and needs no valid URL, because a misspelled one is shown too, to say what is wrong with
/// it.
pub(super) fn without_password(text: &str) -> String {
    let mut shown = text.to_owned();
    let start = text.find("://").map_or(0, |at| at + "://".len());
    if let Some(at) = text.rfind('@')
        && let Some(colon) = text.get(start..at).and_then(|user| user.find(':'))
    {
        shown.replace_range(start + colon + 1..at, "***");
    }
    if let Some(mark) = shown.find('?')
        && shown[mark..].to_ascii_lowercase().contains("password")
    {
        shown.replace_range(mark + 1.., "***");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_a_file_or_a_server() {
        for url in [
            "sqlite://vaultcast.db",
            "sqlite://relative/file.db",
            "sqlite:///absolute/file.db",
            "postgres://db/vaultcast",
            "postgresql://ana:secret@db.example.com:5432/vaultcast?sslmode=require",
            "postgres:///vaultcast?host=/var/run/postgresql",
        ] {
            assert_eq!(
                url.parse::<DatabaseUrl>().map(|parsed| parsed.0),
                Ok(url.to_owned())
            );
        }
    }

    #[test]
    fn what_the_driver_would_read_otherwise_is_refused() {
        for url in [
            "",
            "vaultcast.db",
            "sqlite:vaultcast.db",
            "sqlite::memory:",
            "sqlite://",
            "sqlite://:memory:",
            "sqlite:////vaultcast.db",
            "sqlite://data/",
            "sqlite://a%20b.db",
            "sqlite://vaultcast.db?mode=ro",
            "postgres://",
            "postgres:///vaultcast",
            "mysql://db/vaultcast",
        ] {
            assert_eq!(url.parse::<DatabaseUrl>(), Err(ALLOWED), "{url}");
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        for (text, shown) in [
            ("postgres://ana:hunter2@db/v", "postgres://ana:***@db/v"),
            (
                "postgres://ana:hunter2@db:5432/v?sslmode=require",
                "postgres://ana:***@db:5432/v?sslmode=require",
            ),
            ("postgres://ana@db:5432/v", "postgres://ana@db:5432/v"),
            ("postgres://db:5432/v", "postgres://db:5432/v"),
            (
                "postgres://db/v?user=ana&password=hunter2",
                "postgres://db/v?***",
            ),
            ("postgres://ana:hunt@er2@db/v", "postgres://ana:***@db/v"),
            ("postgres://ana:hunt/er2@db/v", "postgres://ana:***@db/v"),
            ("postgres://ana:h?nter2@db/v", "postgres://ana:***@db/v"),
            ("ana:hunter2@db/v", "ana:***@db/v"),
            ("sqlite://vaultcast.db", "sqlite://vaultcast.db"),
        ] {
            assert_eq!(without_password(text), shown);
        }
        let url: DatabaseUrl = "postgres://ana:hunter2@db/v".parse().unwrap();
        assert!(!format!("{url} {url:?}").contains("hunter2"));
    }

    #[test]
    fn a_generated_secret_lies_beside_the_database() {
        let secret_file = |url: &str| url.parse::<DatabaseUrl>().unwrap().secret_file();
        assert_eq!(
            secret_file("sqlite://data/v.db"),
            Path::new("data/v.db.secret")
        );
        assert_eq!(
            secret_file("sqlite:///srv/v.db"),
            Path::new("/srv/v.db.secret")
        );
        assert_eq!(
            secret_file("postgres://db/v"),
            Path::new("vaultcast.secret")
        );
    }
}
