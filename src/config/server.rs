//! The section `server`: the main listener and its shutdown.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::allowed_origin::AllowedOrigin;
use super::base_path::{BasePath, read_base_path};
use super::field::{
    DAY_MS, GIBIBYTE, MILLION, read_boolean, read_duration, read_integer, read_socket_address,
    read_string_list, write_duration,
};
use super::network::Network;

/// The main listener.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServerConfig {
    /// The address to listen on; port 0 selects a free port.
    #[serde(deserialize_with = "read_socket_address")]
    pub bind: SocketAddr,
    /// The prefix of every HTTP route but the health checks.
    #[serde(deserialize_with = "read_base_path")]
    pub base_path: BasePath,
    /// Other origins whose pages may use the service from a browser.
    #[serde(deserialize_with = "read_string_list")]
    pub allowed_origins: Vec<AllowedOrigin>,
    /// The maximum size of a request body, in bytes.
    #[serde(deserialize_with = "read_integer::<1, GIBIBYTE, _, _>")]
    pub max_body: usize,
    /// The maximum number of open connections; 0 is as many as the limit of open files allows.
    #[serde(deserialize_with = "read_integer::<0, { 100 * MILLION }, _, _>")]
    pub max_connections: u32,
    /// The maximum duration of a graceful shutdown.
    #[serde(
        serialize_with = "write_duration",
        deserialize_with = "read_duration::<1, DAY_MS, _>"
    )]
    pub shutdown_grace: Duration,
    /// How long a graceful shutdown keeps serving all requests while `/readyz` fails. Shorter than `shutdown_grace`.
    #[serde(
        serialize_with = "write_duration",
        deserialize_with = "read_duration::<0, DAY_MS, _>"
    )]
    pub drain_delay: Duration,
    /// How many sockets a graceful shutdown closes per second; 0 closes all at once.
    #[serde(deserialize_with = "read_integer::<0, MILLION, _, _>")]
    pub drain_rate: u32,
    /// Peers whose `X-Forwarded-…` headers are trusted.
    #[serde(deserialize_with = "read_string_list")]
    pub trusted_proxies: Vec<Network>,
    /// Whether the app is served at `/`.
    #[serde(deserialize_with = "read_boolean")]
    pub page: bool,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            bind: (Ipv4Addr::LOCALHOST, 3000).into(),
            base_path: BasePath::default(),
            allowed_origins: Vec::new(),
            max_body: 1 << 20,
            max_connections: 0,
            shutdown_grace: Duration::from_secs(10),
            drain_delay: Duration::ZERO,
            drain_rate: 0,
            trusted_proxies: Vec::new(),
            page: false,
        }
    }
}
