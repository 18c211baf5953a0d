//! Why a configuration is refused: always one line, always with the key and where it was set.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use figment::Figment;

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {file}: {source}")]
    Unreadable {
        /// The file's path.
        file: String,
        /// What the system says.
        source: io::Error,
    },
    /// The file that was read at the start is empty now, or is no file any longer: somebody is about to write it.
    #[error("{file}: it was read at the start, and {problem} now")]
    Vanished {
        /// The file's path.
        file: String,
        /// What it is.
        problem: &'static str,
    },
    /// The file is not TOML.
    #[error("{file}, line {line}: {problem}")]
    Malformed {
        /// The file's path.
        file: String,
        /// The line, counted from 1.
        line: usize,
        /// What the parser says.
        problem: String,
    },
    /// A key that does not exist.
    #[error("{key}: there is no such key (from {origin})")]
    UnknownKey {
        /// The key in dotted form.
        key: String,
        /// The file or the variable.
        origin: String,
    },
    /// A value of the wrong type or out of its range.
    #[error("{key}: {problem} (from {origin})")]
    Invalid {
        /// The key in dotted form.
        key: String,
        /// What it was and what is allowed.
        problem: String,
        /// The file or the variable.
        origin: String,
    },
    /// A value that is meant to work one day.
    #[error("{key}: {value} is not supported yet (from {origin})")]
    Unsupported {
        /// The key in dotted form.
        key: &'static str,
        /// What it was.
        value: &'static str,
        /// The file or the variable.
        origin: String,
    },
    /// The service may only be reached from this machine.
    #[error("{key}: {bind} is not a loopback address, and {reason}")]
    NotLoopback {
        /// Which listener.
        key: &'static str,
        /// What it was.
        bind: SocketAddr,
        /// Why only loopback will do.
        reason: &'static str,
    },
}

impl ConfigError {
    /// What figment found wrong, in our words.
    pub(super) fn from_figment(error: figment::Error) -> Self {
        let origin = error
            .metadata
            .as_ref()
            .map_or("built-in", |metadata| &metadata.name);
        Self::Invalid {
            key: error.path.join("."),
            problem: error.kind.to_string(),
            origin: origin.to_owned(),
        }
    }

    /// Refuses a delay in which the whole time of a stop would pass.
    pub(super) fn drains_too_late(delay: Duration, grace: Duration, figment: &Figment) -> Self {
        let key = "server.drain_delay";
        let [delay, grace] = [delay, grace].map(humantime::format_duration);
        // Where it is set at all: with its default it is shorter than any other.
        let origin = figment
            .find_metadata(key)
            .map_or("built-in", |metadata| &metadata.name);
        Self::Invalid {
            key: key.to_owned(),
            problem: format!(r#""{delay}" is not shorter than server.shutdown_grace, "{grace}""#),
            origin: origin.to_owned(),
        }
    }

    /// Refuses what is read but does not work yet.
    pub(super) fn unsupported(key: &'static str, value: &'static str, figment: &Figment) -> Self {
        let origin = figment
            .find_metadata(key)
            .map_or("built-in", |metadata| &metadata.name);
        Self::Unsupported {
            key,
            value,
            origin: origin.to_owned(),
        }
    }
}
