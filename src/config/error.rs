//! The errors of a configuration: one line each, with the key and the place where it was set.

use std::io;
use std::net::SocketAddr;

use figment::Figment;

use super::cluster::ClusterConfig;
use super::server::ServerConfig;

/// Why a configuration is rejected.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {file}: {source}")]
    Unreadable {
        /// The path of the file.
        file: String,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The file was read at startup and is now empty or not a regular file. It is probably being replaced.
    #[error("{file}: was read at startup, but {problem} now")]
    Vanished {
        /// The path of the file.
        file: String,
        /// Its present state: "is empty" or "is not a regular file".
        problem: &'static str,
    },
    /// The file is not valid TOML.
    #[error("{file}, line {line}: {problem}")]
    Malformed {
        /// The path of the file.
        file: String,
        /// The line number, counted from 1.
        line: usize,
        /// The message of the parser.
        problem: String,
    },
    /// The key does not exist.
    #[error("{key}: unknown key (from {origin})")]
    UnknownKey {
        /// The key in dotted form.
        key: String,
        /// The file or the variable.
        origin: String,
    },
    /// The value has the wrong type or is out of range.
    #[error("{key}: {problem} (from {origin})")]
    Invalid {
        /// The key in dotted form.
        key: String,
        /// The value and what is accepted.
        problem: String,
        /// The file or the variable.
        origin: String,
    },
    /// A listener is bound to a public address, but only loopback is allowed.
    #[error("{key}: {bind} is not a loopback address, and {explanation}")]
    NotLoopback {
        /// The key of the listener.
        key: &'static str,
        /// The address in the configuration.
        bind: SocketAddr,
        /// Why only loopback is allowed.
        explanation: &'static str,
    },
}

impl ConfigError {
    /// Converts an error of figment.
    pub(super) fn from_figment(error: figment::Error) -> Self {
        let origin = error
            .metadata
            .as_ref()
            .map_or(BUILT_IN, |metadata| &metadata.name);
        Self::Invalid {
            key: error.path.join("."),
            problem: error.kind.to_string(),
            origin: origin.to_owned(),
        }
    }

    /// Returns the error for a `drain_delay` that takes up the whole `shutdown_grace`.
    pub(super) fn drain_delay_too_long(server: &ServerConfig, figment: &Figment) -> Self {
        let key = "server.drain_delay";
        let [delay, grace] =
            [server.drain_delay, server.shutdown_grace].map(humantime::format_duration);
        Self::Invalid {
            key: key.to_owned(),
            problem: format!(r#""{delay}" is not shorter than server.shutdown_grace, "{grace}""#),
            origin: origin_of(key, figment),
        }
    }

    /// Returns the error for a bus between nodes on a SQLite file, which belongs to one process.
    pub(super) fn bus_without_postgres(cluster: &ClusterConfig, figment: &Figment) -> Self {
        let key = "cluster.bus";
        Self::Invalid {
            key: key.to_owned(),
            problem: format!(
                r#""{}" needs a database.url that begins with "postgres://": a SQLite file belongs to one process; "auto" and "off" are accepted"#,
                cluster.bus
            ),
            origin: origin_of(key, figment),
        }
    }
}

/// The origin of a value that no layer sets.
const BUILT_IN: &str = "built-in";

/// Returns the file or the variable that set a key.
fn origin_of(key: &str, figment: &Figment) -> String {
    let metadata = figment.find_metadata(key);
    metadata.map_or_else(|| BUILT_IN.to_owned(), |metadata| metadata.name.to_string())
}
