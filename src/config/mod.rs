//! The configuration of a service: its keys, their types and ranges, and how they are read.
//!
//! A [`Config`] is built from four layers, later ones over earlier ones: the built-in defaults, the file
//! (`config.toml`, which lists every key), variables such as `VAULTCAST__SERVER__BIND`, and the conventional variables
//! `DATABASE_URL`, `PORT` and `RUST_LOG`. [`ConfigSource`] reads it at startup and again at a reload.
//!
//! Each section has a file with one struct; type, range and default of a key stand beside its field. An invalid value
//! or an unknown key is a [`ConfigError`]: one line with the key, the value, what is accepted, and where it was set.
//! Secrets are not part of the configuration, and the password inside `database.url` is never displayed.

mod actors;
mod admin;
mod allowed_origin;
mod auth;
mod base_path;
mod blanks;
mod cluster;
mod database;
mod database_url;
mod diff;
mod effective;
mod environment;
mod error;
mod external_names;
mod field;
mod import;
#[cfg(test)]
mod invalid_values;
mod journal;
mod layer;
mod limits;
mod load;
mod loopback;
mod network;
mod postgres_url;
mod server;
mod socketio;
mod source;
mod telemetry;
mod url_parameters;

pub use actors::ActorsConfig;
pub use admin::AdminConfig;
pub use allowed_origin::AllowedOrigin;
pub use auth::{AuthConfig, AuthStrategy, TokenKind};
pub use base_path::BasePath;
pub use blanks::{is_blank_or_control, is_line_break};
pub use cluster::{BusChoice, ClusterConfig, NodeName, RedisUrl};
pub use database::{DatabaseConfig, Synchronous};
pub use database_url::DatabaseUrl;
pub use diff::ConfigChange;
pub use effective::Config;
pub use environment::environment;
pub use error::ConfigError;
pub use external_names::{Audience, ClaimPath, ColumnName, CookieName, TableName};
pub use import::ImportConfig;
pub use journal::JournalConfig;
pub use limits::LimitsConfig;
pub use load::DEFAULT_FILE;
pub use loopback::LoopbackReason;
pub use network::Network;
pub use server::ServerConfig;
pub use socketio::{SocketioConfig, WebSocketTransport};
pub use source::ConfigSource;
pub use telemetry::{LogFormat, LogLevel, TelemetryConfig};
