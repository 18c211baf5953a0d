//! The effective configuration: one struct per section, each key with a valid value.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::actors::ActorsConfig;
use super::admin::AdminConfig;
use super::auth::AuthConfig;
use super::cluster::ClusterConfig;
use super::database::DatabaseConfig;
use super::import::ImportConfig;
use super::journal::JournalConfig;
use super::limits::LimitsConfig;
use super::server::ServerConfig;
use super::socketio::SocketioConfig;
use super::telemetry::TelemetryConfig;

/// The configuration of a service, valid in every key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// The main listener.
    pub server: ServerConfig,
    /// The admin listener.
    pub admin: AdminConfig,
    /// The database that holds the journal.
    pub database: DatabaseConfig,
    /// How nodes on one database notify each other.
    pub cluster: ClusterConfig,
    /// How user sessions are verified.
    pub auth: AuthConfig,
    /// Heartbeat, size limits and recovery of sockets.
    pub socketio: SocketioConfig,
    /// The bounds of the queues.
    pub actors: ActorsConfig,
    /// How long events are kept.
    pub journal: JournalConfig,
    /// The tables of the application that `vaultcast import` reads.
    pub import: ImportConfig,
    /// Rate and count limits for each user, socket and address.
    pub limits: LimitsConfig,
    /// The log: its level and format.
    pub telemetry: TelemetryConfig,
}

/// Writes the effective values as TOML, with every key and without passwords.
impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = toml::to_string(self).expect("each section serializes to a TOML table");
        f.write_str(&text)
    }
}
