//! The URL of a database: a file of SQLite or a PostgreSQL server.
//!
//! The URL may contain a password. A [`DatabaseUrl`] is displayed and serialized without it; only
//! [`DatabaseUrl::expose`] and [`DatabaseUrl::driver_url`] return it, the latter for opening the connection.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use percent_encoding::percent_decode_str;
use serde::{Serialize, Serializer};

use super::postgres_url::PostgresUrl;

const ACCEPTED: &str = r#""sqlite://FILE" (no ? or % in it) or "postgres://HOST/DATABASE""#;

/// The URL of a database: `sqlite://FILE` or `postgres://HOST/DATABASE`.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl {
    /// The URL as it was configured.
    text: String,
    /// The parsed URL; `None` for a SQLite file.
    server: Option<PostgresUrl>,
}

impl DatabaseUrl {
    /// Returns the URL as it was configured, with its password. Not for logs or responses.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// Returns the URL for the driver, with the password. Not for logs or responses.
    pub fn driver_url(&self) -> &str {
        match &self.server {
            Some(server) => &server.driver_url,
            None => &self.text,
        }
    }

    /// Returns the schema that the URL names (`?schema=NAME`). PostgreSQL only.
    pub fn schema(&self) -> Option<&str> {
        self.server.as_ref()?.schema.as_deref()
    }

    /// Returns the names of the parameters that have no effect.
    pub fn ignored_parameters(&self) -> &[String] {
        self.server.as_ref().map_or(&[], |server| &server.ignored)
    }

    /// Returns the file of a SQLite database.
    pub fn sqlite_file(&self) -> Option<&Path> {
        self.text.strip_prefix("sqlite://").map(Path::new)
    }

    /// Returns the file for a generated secret: beside the file of the database, or in the working directory.
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
        let (text, server) = ("sqlite://vaultcast.db".to_owned(), None);
        Self { text, server }
    }
}

impl FromStr for DatabaseUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let server = match text.split_once("://") {
            Some(("sqlite", file)) if is_plain_file(file) => None,
            Some(("postgres" | "postgresql", server)) => Some(PostgresUrl::parse(server)?),
            _ => return Err(ACCEPTED),
        };
        let text = text.to_owned();
        Ok(Self { text, server })
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&without_password(&self.text))
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

/// Returns whether the driver opens the same file that the path names. The driver parses parameters after `?`,
/// decodes `%`, drops a doubled slash at the beginning, and opens `:memory:` as a database that is not durable.
fn is_plain_file(file: &str) -> bool {
    !file.is_empty()
        && file != ":memory:"
        && !file.starts_with("//")
        && !file.ends_with('/')
        && !file.contains(['?', '%', '\0'])
}

/// Replaces the possible passwords in a URL with `***`: the text between the user name and the last `@`, and all
/// parameters if one of them may be secret, such as the `api_key` of Prisma's own service. The text need not be a valid
/// URL, because error messages display invalid ones too. In doubt, more is replaced.
pub(super) fn without_password(text: &str) -> String {
    let mut masked = text.to_owned();
    let start = text.find("://").map_or(0, |at| at + "://".len());
    if let Some(at) = text.rfind('@')
        && let Some(colon) = text.get(start..at).and_then(|user| user.find(':'))
    {
        masked.replace_range(start + colon + 1..at, "***");
    }
    if let Some(mark) = masked.find('?')
        && names_secret(&percent_decode_str(&masked[mark..]).decode_utf8_lossy())
    {
        masked.replace_range(mark + 1.., "***");
    }
    masked
}

fn names_secret(parameters: &str) -> bool {
    let parameters = parameters.to_ascii_lowercase();
    let mut words = ["password", "api_key", "apikey", "token", "secret"].into_iter();
    words.any(|word| parameters.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_of_a_file_or_a_server_is_accepted() {
        for url in [
            "sqlite://vaultcast.db",
            "sqlite://relative/file.db",
            "sqlite:///absolute/file.db",
            "postgres://db/vaultcast",
            "postgresql://ana:secret@db.example.com:5432/vaultcast?sslmode=require",
            "postgres:///vaultcast?host=/var/run/postgresql",
        ] {
            assert_eq!(
                url.parse::<DatabaseUrl>().map(|parsed| parsed.text),
                Ok(url.to_owned())
            );
        }
    }

    #[test]
    fn url_that_the_driver_would_interpret_differently_is_rejected() {
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
            "mysql://db/vaultcast",
        ] {
            assert_eq!(url.parse::<DatabaseUrl>(), Err(ACCEPTED), "{url}");
        }
    }

    #[test]
    fn password_is_never_displayed() {
        for (text, masked) in [
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
            ("postgres://db/v?p%61ssword=hunter2", "postgres://db/v?***"),
            ("postgres://ana:hunt@er2@db/v", "postgres://ana:***@db/v"),
            ("postgres://ana:hunt/er2@db/v", "postgres://ana:***@db/v"),
            ("postgres://ana:h?nter2@db/v", "postgres://ana:***@db/v"),
            ("ana:hunter2@db/v", "ana:***@db/v"),
            (
                "prisma+postgres://db/v?api_key=hunter2",
                "prisma+postgres://db/v?***",
            ),
            ("postgres://db/v?auth%54oken=hunter2", "postgres://db/v?***"),
            ("sqlite://vaultcast.db", "sqlite://vaultcast.db"),
        ] {
            assert_eq!(without_password(text), masked);
        }
        let url: DatabaseUrl = "postgres://ana:hunter2@db/v".parse().unwrap();
        assert!(!format!("{url} {url:?}").contains("hunter2"));
    }

    #[test]
    fn generated_secret_is_stored_beside_the_database() {
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
