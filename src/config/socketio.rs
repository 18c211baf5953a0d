//! The section `socketio`: heartbeat, size limits and recovery of sockets.

use std::{str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

use super::field::{
    DAY_MS, MILLION, read_boolean, read_duration, read_integer, read_string, write_duration,
};

/// Heartbeat, size limits and recovery of sockets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SocketioConfig {
    /// The interval between two pings of the server. The handshake sends it in milliseconds.
    #[serde(
        serialize_with = "write_duration",
        deserialize_with = "read_duration::<10, DAY_MS, _>"
    )]
    pub ping_interval: Duration,
    /// The maximum delay of a client's pong.
    #[serde(
        serialize_with = "write_duration",
        deserialize_with = "read_duration::<10, DAY_MS, _>"
    )]
    pub ping_timeout: Duration,
    /// The maximum size of one message and of one polling payload, in bytes.
    #[serde(deserialize_with = "read_integer::<1_000, 100_000_000, _, _>")]
    pub max_payload: usize,
    /// How long a session may stay open without joining a namespace.
    #[serde(
        serialize_with = "write_duration",
        deserialize_with = "read_duration::<1, DAY_MS, _>"
    )]
    pub connect_timeout: Duration,
    /// How long a disconnected socket can be recovered; zero disables recovery.
    #[serde(
        serialize_with = "write_duration",
        deserialize_with = "read_duration::<0, DAY_MS, _>"
    )]
    pub recovery_window: Duration,
    /// How many unconfirmed events are remembered for a socket. A client that needs older ones is not recovered.
    #[serde(deserialize_with = "read_integer::<64, MILLION, _, _>")]
    pub recovery_events: u64,
    /// How websockets are served.
    #[serde(deserialize_with = "read_string")]
    pub transport: WebSocketTransport,
    /// Whether clients of Engine.IO protocol 3 are served.
    #[serde(deserialize_with = "read_boolean")]
    pub allow_eio3: bool,
}

impl Default for SocketioConfig {
    fn default() -> Self {
        Self {
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            max_payload: 1_000_000,
            connect_timeout: Duration::from_secs(45),
            recovery_window: Duration::from_secs(2 * 60),
            recovery_events: 32_768,
            transport: WebSocketTransport::Auto,
            allow_eio3: false,
        }
    }
}

/// How websockets are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WebSocketTransport {
    /// The HTTP server hands their connections over: less memory and less work for each socket.
    Auto,
    /// The HTTP server goes on to serve their connections, through actix-ws.
    ActixWs,
}

impl FromStr for WebSocketTransport {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self::Auto),
            "actix-ws" => Ok(Self::ActixWs),
            _ => Err(r#""auto" or "actix-ws""#),
        }
    }
}
