//! The grammar of PostgreSQL URLs, as libpq, Prisma and hosting providers write them.
//!
//! The driver's own parser does not understand IPv6 literals, and it logs unknown parameters with their values, passwords
//! included. Therefore a URL is parsed here, and the driver receives another one: without a host in its authority, and with
//! parameters that the driver knows.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv6Addr};

use percent_encoding::percent_decode_str;
use url::form_urlencoded;

use super::url_parameters::{ParameterUse, parameter_use};

const MISSING_HOST: &str = r#"a URL with a host: "postgres://HOST/DATABASE", or "postgres:///DATABASE?host=/DIRECTORY" for a Unix socket"#;
const INVALID_HOST: &str = "a URL with one host and an optional port from 1 to 65535: IPv6 addresses in brackets, \
     and in the user name and password %23 for #, %2F for /, %3A for :, %3F for ?, %40 for @";
const INVALID_CHARACTER: &str = "a URL without control characters, in UTF-8";
const UNENCODED_FRAGMENT: &str = "a URL without #, which is written %23";
const CERTIFICATE_WITHOUT_KEY: &str = "a URL with both sslcert and sslkey, the certificate and the key of the client \
     (a certificate of the server's authority belongs into sslrootcert)";
const STRICT_WITHOUT_VERIFICATION: &str =
    "a URL with sslmode=verify-full, which is what sslaccept=strict requests of Prisma";

/// A PostgreSQL server and database.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct PostgresUrl {
    /// The URL for the driver. It contains the password.
    pub(super) driver_url: String,
    /// The schema that `?schema=NAME` names.
    pub(super) schema: Option<String>,
    /// The names of the parameters that have no effect.
    pub(super) ignored: Vec<String>,
}

/// The connection parameters of a URL.
#[derive(Default)]
struct Connection {
    host: String,
    /// Parameters of the driver, with their values.
    parameters: Vec<(String, String)>,
    schema: Option<String>,
    ignored: Vec<String>,
    is_strict: bool,
}

impl PostgresUrl {
    /// Parses what follows `postgres://`.
    ///
    /// # Errors
    /// What is accepted, when the URL is invalid. The text contains no part of the URL.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        if text.contains(char::is_control) {
            return Err(INVALID_CHARACTER);
        }
        if text.contains('#') {
            return Err(UNENCODED_FRAGMENT);
        }
        let (location, query) = text.split_once('?').unwrap_or((text, ""));
        let (authority, database) = location.split_once('/').unwrap_or((location, ""));
        if database.contains('@') {
            // A password with an unencoded slash would otherwise become a part of host and database.
            return Err(INVALID_HOST);
        }
        let (user_info, address) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));

        let mut connection = Connection::default();
        connection.set_address(address)?;
        for (name, value) in [
            ("user", user),
            ("password", password),
            ("dbname", database.trim_start_matches('/')),
        ] {
            connection.set(name, &decode(value)?);
        }
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            connection.set_parameter(&name, &value)?;
        }
        connection.into_url()
    }
}

impl Connection {
    /// Sets a parameter of the driver, unless the value is empty.
    fn set(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.parameters.retain(|(known, _)| known != name);
            self.parameters.push((name.to_owned(), value.to_owned()));
        }
    }

    fn get(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Sets host and port from the authority of the URL.
    fn set_address(&mut self, address: &str) -> Result<(), &'static str> {
        let (host, port) = match address.strip_prefix('[') {
            Some(literal) => {
                let (literal, port) = literal.split_once(']').ok_or(INVALID_HOST)?;
                let port = match port.strip_prefix(':') {
                    Some(port) => port,
                    None if port.is_empty() => "",
                    None => return Err(INVALID_HOST),
                };
                // RFC 6874 encodes the % before a zone as %25; libpq does not.
                (Cow::from(literal.replacen("%25", "%", 1)), port)
            }
            None => {
                let (host, port) = address.split_once(':').unwrap_or((address, ""));
                (decode(host)?, port)
            }
        };
        if address.starts_with('[') && !is_ipv6(&host) {
            return Err(INVALID_HOST);
        }
        self.set_host(&host)?;
        self.set_port(port)
    }

    fn set_host(&mut self, host: &str) -> Result<(), &'static str> {
        let is_host = |host: &str| !host.contains([',', '/', '[', ']', '@', ' ', '%', ':']);
        if host.starts_with('/') || is_host(host) || is_ipv6(host) {
            if !host.is_empty() {
                host.clone_into(&mut self.host);
            }
            return Ok(());
        }
        Err(INVALID_HOST)
    }

    fn set_port(&mut self, port: &str) -> Result<(), &'static str> {
        if !port.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0) {
            self.set("port", port);
        } else if !port.is_empty() {
            return Err(INVALID_HOST);
        }
        Ok(())
    }

    /// Applies a parameter of the URL.
    fn set_parameter(&mut self, name: &str, value: &str) -> Result<(), &'static str> {
        if value.contains('\0') {
            return Err(INVALID_CHARACTER);
        }
        match parameter_use(name, value)? {
            ParameterUse::Host => self.set_host(value.trim_matches(['[', ']']))?,
            ParameterUse::Address if value.parse::<IpAddr>().is_err() => return Err(INVALID_HOST),
            ParameterUse::Address => self.set_host(value)?,
            ParameterUse::Port => self.set_port(value)?,
            ParameterUse::Driver { name, value } => self.set(&name, &value),
            ParameterUse::Schema => self.schema = Some(value.to_owned()),
            ParameterUse::Strict => self.is_strict = true,
            // A name without a value may be a part of a password that contains `&`.
            ParameterUse::Ignored if value.is_empty() => {}
            ParameterUse::Ignored => self.ignored.push(name.to_owned()),
        }
        Ok(())
    }

    fn into_url(mut self) -> Result<PostgresUrl, &'static str> {
        if self.host.is_empty() {
            return Err(MISSING_HOST);
        }
        if self.get("sslcert").is_some() != self.get("sslkey").is_some() {
            return Err(CERTIFICATE_WITHOUT_KEY);
        }
        if self.is_strict && self.get("sslmode") != Some("verify-full") {
            return Err(STRICT_WITHOUT_VERIFICATION);
        }
        if self.host.starts_with('/') {
            // A Unix socket has no TLS; libpq ignores the parameter for it.
            self.set("sslmode", "disable");
        }
        let start = "postgres:///?";
        let mut query = form_urlencoded::Serializer::for_suffix(start.to_owned(), start.len());
        query.append_pair("host", &self.host);
        query.extend_pairs(&self.parameters);
        Ok(PostgresUrl {
            driver_url: query.finish(),
            schema: self.schema,
            ignored: self.ignored,
        })
    }
}

/// Decodes percent-encoded text.
fn decode(text: &str) -> Result<Cow<'_, str>, &'static str> {
    let decoded = percent_decode_str(text).decode_utf8();
    let decoded = decoded.ok().filter(|text| !text.contains('\0'));
    decoded.ok_or(INVALID_CHARACTER)
}

/// Returns whether the text is an IPv6 address, optionally with a zone: `fe80::1%eth0`.
fn is_ipv6(text: &str) -> bool {
    let (address, zone) = text.split_once('%').unwrap_or((text, "0"));
    let is_zone_char = |char: char| char.is_ascii_alphanumeric() || "._~-".contains(char);
    address.parse::<Ipv6Addr>().is_ok() && !zone.is_empty() && zone.chars().all(is_zone_char)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the URL for the driver without its constant beginning.
    fn driver(text: &str) -> Result<String, &'static str> {
        let url = PostgresUrl::parse(text)?.driver_url;
        Ok(url.strip_prefix("postgres:///?").unwrap().to_owned())
    }

    #[test]
    fn every_form_of_address_reaches_the_driver() {
        for (text, expected) in [
            ("db/v", "host=db&dbname=v"),
            ("db:5433/v", "host=db&port=5433&dbname=v"),
            ("db:/v", "host=db&dbname=v"),
            ("db", "host=db"),
            ("ana@db/", "host=db&user=ana"),
            ("[::1]/v", "host=%3A%3A1&dbname=v"),
            ("[::1]:5433/v", "host=%3A%3A1&port=5433&dbname=v"),
            (
                "a%40b:p%2Fq@[2001:db8::1]:5433/v",
                "host=2001%3Adb8%3A%3A1&port=5433&user=a%40b&password=p%2Fq&dbname=v",
            ),
            ("[fe80::1%25eth0]/v", "host=fe80%3A%3A1%25eth0&dbname=v"),
            ("[fe80::1%eth0]/v", "host=fe80%3A%3A1%25eth0&dbname=v"),
            (
                "/v?host=/var/run/postgresql",
                "host=%2Fvar%2Frun%2Fpostgresql&dbname=v&sslmode=disable",
            ),
            (
                "ana:x@localhost/v?host=/run&sslmode=require",
                "host=%2Frun&user=ana&password=x&dbname=v&sslmode=disable",
            ),
            (
                "ana@/v?host=%2Frun",
                "host=%2Frun&user=ana&dbname=v&sslmode=disable",
            ),
            ("%2Frun/v", "host=%2Frun&dbname=v&sslmode=disable"),
            ("/v?host=::1&port=5433", "host=%3A%3A1&dbname=v&port=5433"),
            (
                "ana:hunt@er2@db/v",
                "host=db&user=ana&password=hunt%40er2&dbname=v",
            ),
            ("db/my%20app", "host=db&dbname=my+app"),
        ] {
            assert_eq!(driver(text).as_deref(), Ok(expected), "{text}");
            let parsed = url::Url::parse(&PostgresUrl::parse(text).unwrap().driver_url);
            assert!(parsed.is_ok(), "{text}");
        }
    }

    #[test]
    fn invalid_address_is_refused() {
        for (text, accepted) in [
            ("", MISSING_HOST),
            ("/v", MISSING_HOST),
            ("ana:x@/v", MISSING_HOST),
            ("::1/v", INVALID_HOST),
            ("[::1/v", INVALID_HOST),
            ("[::1]5432/v", INVALID_HOST),
            ("[db]/v", INVALID_HOST),
            ("[fe80::1%25]/v", INVALID_HOST),
            ("db:0/v", INVALID_HOST),
            ("db:port/v", INVALID_HOST),
            ("db:70000/v", INVALID_HOST),
            ("db1:5432,db2:5432/v", INVALID_HOST),
            ("db1,db2/v", INVALID_HOST),
            ("ana:p/q@db/v", INVALID_HOST),
            ("ana:1/q@db/v", INVALID_HOST),
            ("ana:p#q@db/v", UNENCODED_FRAGMENT),
            ("ana%00:x@db/v", INVALID_CHARACTER),
            ("ana%ff:x@db/v", INVALID_CHARACTER),
            ("db/v\n", INVALID_CHARACTER),
        ] {
            assert_eq!(driver(text), Err(accepted), "{text:?}");
        }
    }

    #[test]
    fn certificates_are_complete_and_strict_verification_is_not_weakened() {
        for (query, accepted) in [
            ("sslcert=ca.pem", CERTIFICATE_WITHOUT_KEY),
            ("sslkey=client.key", CERTIFICATE_WITHOUT_KEY),
            ("sslaccept=strict", STRICT_WITHOUT_VERIFICATION),
            (
                "sslaccept=strict&sslmode=require",
                STRICT_WITHOUT_VERIFICATION,
            ),
        ] {
            assert_eq!(driver(&format!("db/v?{query}")), Err(accepted), "{query}");
        }
        let strict = driver("db/v?sslmode=verify-full&sslaccept=strict&sslrootcert=ca.pem");
        let expected = "host=db&dbname=v&sslmode=verify-full&sslrootcert=ca.pem";
        assert_eq!(strict.as_deref(), Ok(expected));
    }

    #[test]
    fn schema_and_ignored_parameters_are_kept_from_the_driver() {
        let url = "ana:x@db/v?schema=My%20%22app%22&connection_limit=5&sslpasswort=hunter2";
        let url = PostgresUrl::parse(url).unwrap();
        assert_eq!(url.schema.as_deref(), Some(r#"My "app""#));
        assert_eq!(url.ignored, ["connection_limit", "sslpasswort"]);
        assert!(!url.driver_url.contains("hunter2"));
    }
}
