//! The parameters of PostgreSQL URLs: which the driver receives, which are refused, and which have no effect.
//!
//! A parameter is refused if ignoring it would break the service or weaken its connection. All unknown ones are
//! ignored, and the log names them.

use std::borrow::Cow;

/// The maximum length of an identifier in PostgreSQL, in bytes. PostgreSQL cuts longer ones.
const MAX_IDENTIFIER: usize = 63;

const INVALID_SSLMODE: &str =
    "a URL whose sslmode is disable, allow, prefer, require, verify-ca or verify-full";
const INVALID_SCHEMA: &str = "a URL whose schema has 1 to 63 bytes and no control characters";
const TRANSACTION_POOLER: &str = "a URL without pgbouncer=true: a pooler in transaction mode cannot be used \
     (docs/operations/postgresql.md); name the server itself, as Prisma's directUrl does";
const CLIENT_IDENTITY: &str = "a URL without sslidentity and sslpassword: name a certificate in sslcert and its key in sslkey";

/// What is done with a parameter of a URL.
pub(super) enum ParameterUse<'a> {
    /// A host name, an address or a directory of Unix sockets.
    Host,
    /// An address.
    Address,
    Port,
    /// The schema of the tables.
    Schema,
    /// The certificate of the server must be verified.
    Strict,
    /// Passed to the driver.
    Driver {
        /// The name of the parameter in the driver.
        name: Cow<'a, str>,
        value: Cow<'a, str>,
    },
    /// No effect.
    Ignored,
}

/// Returns what is done with a parameter.
///
/// # Errors
/// What is accepted, when the parameter cannot be used.
pub(super) fn parameter_use<'a>(
    name: &'a str,
    value: &'a str,
) -> Result<ParameterUse<'a>, &'static str> {
    let driver = |name: &'a str, value: &'a str| ParameterUse::Driver {
        name: name.into(),
        value: value.into(),
    };
    Ok(match name {
        "host" => ParameterUse::Host,
        "hostaddr" => ParameterUse::Address,
        "port" => ParameterUse::Port,
        "user" | "password" | "dbname" | "application_name" | "options" => driver(name, value),
        _ if name.starts_with("options[") => driver(name, value),
        "sslmode" | "ssl-mode" => driver("sslmode", ssl_mode(value)?),
        // The form of JDBC, which libpq accepts too.
        "ssl" if value == "true" => driver("sslmode", "require"),
        // The default of the driver.
        "sslrootcert" if value == "system" => ParameterUse::Ignored,
        "sslrootcert" | "ssl-root-cert" | "ssl-ca" => driver("sslrootcert", value),
        "sslcert" | "ssl-cert" => driver("sslcert", value),
        "sslkey" | "ssl-key" => driver("sslkey", value),
        "sslaccept" if value == "strict" => ParameterUse::Strict,
        "sslidentity" | "sslpassword" => return Err(CLIENT_IDENTITY),
        "pgbouncer" if value == "true" => return Err(TRANSACTION_POOLER),
        "schema" if is_schema_name(value) => ParameterUse::Schema,
        "schema" => return Err(INVALID_SCHEMA),
        _ => ParameterUse::Ignored,
    })
}

fn ssl_mode(value: &str) -> Result<&str, &'static str> {
    match value {
        "disable" | "allow" | "prefer" | "require" | "verify-ca" | "verify-full" => Ok(value),
        // The form of node-postgres.
        "no-verify" => Ok("require"),
        _ => Err(INVALID_SSLMODE),
    }
}

fn is_schema_name(name: &str) -> bool {
    (1..=MAX_IDENTIFIER).contains(&name.len()) && !name.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_that_cannot_be_used_are_refused() {
        for (name, value, accepted) in [
            ("sslmode", "on", INVALID_SSLMODE),
            ("schema", "", INVALID_SCHEMA),
            ("schema", "a\0b", INVALID_SCHEMA),
            ("schema", &"a".repeat(64), INVALID_SCHEMA),
            ("pgbouncer", "true", TRANSACTION_POOLER),
            ("sslidentity", "client.p12", CLIENT_IDENTITY),
            ("sslpassword", "x", CLIENT_IDENTITY),
        ] {
            assert_eq!(parameter_use(name, value).err(), Some(accepted), "{name}");
        }
    }

    #[test]
    fn parameters_of_other_drivers_have_no_effect() {
        for (name, value) in [
            ("connection_limit", "5"),
            ("pool_timeout", "10"),
            ("connect_timeout", "10"),
            ("socket_timeout", "10"),
            ("statement_cache_size", "0"),
            ("pgbouncer", "false"),
            ("sslaccept", "accept_invalid_certs"),
            ("channel_binding", "require"),
            ("keepalives", "1"),
        ] {
            let found = parameter_use(name, value).unwrap();
            assert!(matches!(found, ParameterUse::Ignored), "{name}");
        }
    }
}
