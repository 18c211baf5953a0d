//! What can be set, and how it is read.
//!
//! A [`Config`] is made at the start, and again when the service is told to read it again
//! ([`Source`]), from four layers, later ones over earlier ones: the built-in defaults, the file
//! (`config.toml`, which shows every key), variables such as `VAULTCAST__SERVER__BIND`, and the
//! variables that are set by custom, `DATABASE_URL`, `PORT` and `RUST_LOG`. It is checked as a whole
//! and then passed on as plain values: nobody reads it from a global.
//!
//! Every key has its type and its range beside it in [`sections`]. What does not fit, and any key
//! that does not exist, is a [`ConfigError`]: one line that names the key, what it was, what is
//! allowed, and where it was set. Secrets are not part of the configuration, and the password
//! inside `database.url` is never shown.

mod auth;
mod changes;
mod database_url;
mod error;
mod load;
mod network;
mod origin;
pub mod sections;
mod source;
mod telemetry;
mod values;
#[cfg(test)]
mod wrong;

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

pub use auth::{Audience, Auth, ClaimPath, ColumnName, CookieName, Strategy, TableName, TokenKind};
pub use changes::Change;
pub use database_url::DatabaseUrl;
pub use error::ConfigError;
pub use network::Network;
pub use origin::Origin;
pub use sections::{
    Actors, Admin, Database, Journal, Limits, LoopbackOnly, Server, Socketio, Synchronous,
};
pub use source::Source;
pub use telemetry::{LogFormat, LogLevel, Telemetry};

/// The file that is read when none is named.
pub const DEFAULT_FILE: &str = "config.toml";

/// The configuration of a service, valid in every key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// The main listener.
    pub server: Server,
    /// The listener for those who operate the service.
    pub admin: Admin,
    /// Where the journal is kept.
    pub database: Database,
    /// Whose sessions count.
    pub auth: Auth,
    /// Heartbeats, sizes and recovery of sockets.
    pub socketio: Socketio,
    /// The bounds of every queue.
    pub actors: Actors,
    /// How long events are kept.
    pub journal: Journal,
    /// What one user, socket or address may do.
    pub limits: Limits,
    /// What is logged, and how it is written.
    pub telemetry: Telemetry,
}

impl Config {
    /// Reads the configuration: the built-in defaults, over them `file`, over that the variables of
    /// `env`.
    ///
    /// A `file` that is named has to exist; without one, `config.toml` of the working directory is
    /// read if it is there.
    pub fn load<K, V>(
        file: Option<&Path>,
        env: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, ConfigError>
    where
        K: AsRef<str>,
        V: AsRef<str>,
    {
        load::load(file, env)
    }

    /// Reads the configuration for `vaultcast demo`: as [`Config::load`], but on a database of the
    /// demo's own, unless `DATABASE_URL` names another.
    pub fn load_for_demo<K, V>(
        file: Option<&Path>,
        env: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, ConfigError>
    where
        K: AsRef<str>,
        V: AsRef<str>,
    {
        load::load_for_demo(file, env)
    }
}

impl Config {
    /// Refuses to listen to anything but this machine, on either listener, for the reason given.
    ///
    /// # Errors
    /// Names the key of the listener that would be reached from elsewhere.
    pub fn require_loopback(&self, why: LoopbackOnly) -> Result<(), ConfigError> {
        let listeners = [
            ("server.bind", Some(self.server.bind)),
            ("admin.bind", self.admin.bind),
        ];
        for (key, bind) in listeners {
            if let Some(bind) = bind.filter(|bind| !bind.ip().to_canonical().is_loopback()) {
                let reason = why.reason();
                return Err(ConfigError::NotLoopback { key, bind, reason });
            }
        }
        Ok(())
    }
}

/// The effective values as TOML, every key of them, with the database's password hidden.
impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = toml::to_string(self).expect("every section is a table of plain values");
        f.write_str(&text)
    }
}

/// The process's environment, as [`Config::load`] takes it.
///
/// A value that is not Unicode is kept in a form that is: it then fails its check by name, where
/// dropping it would mean to run without what somebody has set.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().map(|(name, value)| {
        (
            name.to_string_lossy().into_owned(),
            value.to_string_lossy().into_owned(),
        )
    })
}
