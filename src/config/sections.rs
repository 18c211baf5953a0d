//! Every key: its meaning, its type, its range and its default. `config.toml` says the same to
//! those who run the service.

use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::values::{
    DAY, address, duration, flag, optional_address, or_empty, spelled, text, texts, whole,
};
use super::{DatabaseUrl, Network, Origin};

const GIBIBYTE: u64 = 1 << 30;
/// More than any queue here can want, and far within what a semaphore counts.
const MILLION: u64 = 1_000_000;

/// The main listener.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Server {
    /// Where to listen; port 0 takes a free one.
    #[serde(deserialize_with = "address")]
    pub bind: SocketAddr,
    /// Pages of other origins that may use the service from a browser.
    #[serde(deserialize_with = "texts")]
    pub allowed_origins: Vec<Origin>,
    /// The most bytes of a request's body.
    #[serde(deserialize_with = "whole::<1, GIBIBYTE, _, _>")]
    pub max_body: usize,
    /// How long an orderly stop may take.
    #[serde(serialize_with = "spelled", deserialize_with = "duration::<1, DAY, _>")]
    pub shutdown_grace: Duration,
    /// How long an orderly stop serves everybody as before, while `/readyz` fails. Shorter than `shutdown_grace`.
    #[serde(serialize_with = "spelled", deserialize_with = "duration::<0, DAY, _>")]
    pub drain_delay: Duration,
    /// How many sockets an orderly stop closes in a second; 0 closes them at once.
    #[serde(deserialize_with = "whole::<0, MILLION, _, _>")]
    pub drain_rate: u32,
    /// Peers whose `X-Forwarded-…` headers are believed.
    #[serde(deserialize_with = "texts")]
    pub trusted_proxies: Vec<Network>,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            bind: (Ipv4Addr::LOCALHOST, 3000).into(),
            allowed_origins: Vec::new(),
            max_body: 1 << 20,
            shutdown_grace: Duration::from_secs(10),
            drain_delay: Duration::ZERO,
            drain_rate: 0,
            trusted_proxies: Vec::new(),
        }
    }
}

/// Why a service may be reached from its own machine only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoopbackOnly {
    /// Nobody has set a secret, so nobody but this service knows whose sessions are good.
    GeneratedSecret,
    /// A secret is so short that whoever has seen one session might find it by trying.
    ShortSecret,
    /// The demo signs in whoever asks.
    Demo,
}

impl LoopbackOnly {
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::GeneratedSecret => {
                "with a secret that it made itself the service listens to nothing else: set AUTH_SECRET"
            }
            Self::ShortSecret => {
                "with a secret of fewer than 32 bytes the service listens to nothing else: make one with `openssl rand -hex 32`"
            }
            Self::Demo => "the demo, which signs in whoever asks, listens to nothing else",
        }
    }
}

/// The listener for those who operate the service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Admin {
    /// Where to listen; `""` in the file, `None` here, for not at all.
    #[serde(serialize_with = "or_empty", deserialize_with = "optional_address")]
    pub bind: Option<SocketAddr>,
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            bind: Some((Ipv4Addr::LOCALHOST, 9300).into()),
        }
    }
}

/// Where the journal is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Database {
    /// The database; `DATABASE_URL` overrides it.
    #[serde(deserialize_with = "text")]
    pub url: DatabaseUrl,
    /// What SQLite waits for at a commit.
    #[serde(deserialize_with = "text")]
    pub synchronous: Synchronous,
    /// Whether pending migrations are applied at the start.
    #[serde(deserialize_with = "flag")]
    pub migrate: bool,
}

impl Default for Database {
    fn default() -> Self {
        Self {
            url: DatabaseUrl::default(),
            synchronous: Synchronous::Full,
            migrate: true,
        }
    }
}

/// What SQLite waits for at a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Synchronous {
    /// The disk: what was acknowledged survives a loss of power.
    Full,
    /// The operating system: faster, and a loss of power may take the last moments.
    Normal,
}

impl FromStr for Synchronous {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "full" => Ok(Self::Full),
            "normal" => Ok(Self::Normal),
            _ => Err(r#""full" or "normal""#),
        }
    }
}

/// Heartbeats, sizes and recovery of sockets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Socketio {
    /// How often the server pings. Clients are told milliseconds, and a heartbeat has its cost.
    #[serde(
        serialize_with = "spelled",
        deserialize_with = "duration::<10, DAY, _>"
    )]
    pub ping_interval: Duration,
    /// How long a client may take to answer a ping.
    #[serde(
        serialize_with = "spelled",
        deserialize_with = "duration::<10, DAY, _>"
    )]
    pub ping_timeout: Duration,
    /// The most bytes of one message, and of one polling payload.
    #[serde(deserialize_with = "whole::<1_000, 100_000_000, _, _>")]
    pub max_payload: usize,
    /// How long a connection may wait before it joins a namespace.
    #[serde(serialize_with = "spelled", deserialize_with = "duration::<1, DAY, _>")]
    pub connect_timeout: Duration,
    /// How long a lost socket can be recovered; zero turns recovery off.
    #[serde(serialize_with = "spelled", deserialize_with = "duration::<0, DAY, _>")]
    pub recovery_window: Duration,
    /// Whether clients of Engine.IO 3 are served.
    #[serde(deserialize_with = "flag")]
    pub allow_eio3: bool,
}

impl Default for Socketio {
    fn default() -> Self {
        Self {
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            max_payload: 1_000_000,
            connect_timeout: Duration::from_secs(45),
            recovery_window: Duration::from_secs(2 * 60),
            allow_eio3: false,
        }
    }
}

/// The bounds of every queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Actors {
    /// Mutations that may wait for one vault.
    #[serde(deserialize_with = "whole::<1, MILLION, _, _>")]
    pub vault_mailbox: usize,
    /// Mutations in one transaction.
    #[serde(deserialize_with = "whole::<1, 10_000, _, _>")]
    pub commit_batch: usize,
    /// Events that may wait for one socket; no fewer than are told at once of what was missed, or who comes back as one
    /// that read too slowly would be closed as such again.
    #[serde(deserialize_with = "whole::<64, MILLION, _, _>")]
    pub session_outbox: usize,
    /// Bytes that may wait for one socket; no fewer than so many events may have.
    #[serde(deserialize_with = "whole::<524_288, GIBIBYTE, _, _>")]
    pub session_outbox_bytes: usize,
    /// Events that may wait for one worker thread.
    #[serde(deserialize_with = "whole::<1, MILLION, _, _>")]
    pub relay_mailbox: usize,
    /// How long a join may wait for its vault.
    #[serde(serialize_with = "spelled", deserialize_with = "duration::<1, DAY, _>")]
    pub join_timeout: Duration,
    /// How long a vault without subscribers and work stays in memory; zero for no longer than its
    /// work takes.
    #[serde(serialize_with = "spelled", deserialize_with = "duration::<0, DAY, _>")]
    pub vault_idle: Duration,
}

impl Default for Actors {
    fn default() -> Self {
        Self {
            vault_mailbox: 1024,
            commit_batch: 256,
            session_outbox: 1024,
            session_outbox_bytes: 4 << 20,
            relay_mailbox: 8192,
            join_timeout: Duration::from_secs(10),
            vault_idle: Duration::from_secs(5 * 60),
        }
    }
}

/// How long events are kept. A vault's newest event is never trimmed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Journal {
    /// The most events of one vault.
    #[serde(deserialize_with = "whole::<1, { MILLION * MILLION }, _, _>")]
    pub retain_events: u64,
    /// The greatest age of an event.
    #[serde(
        serialize_with = "spelled",
        deserialize_with = "duration::<1, { 36_525 * DAY }, _>"
    )]
    pub retain_for: Duration,
}

impl Default for Journal {
    fn default() -> Self {
        Self {
            retain_events: 100_000,
            retain_for: Duration::from_secs(30 * 24 * 60 * 60),
        }
    }
}

/// What one user, socket or address may do; 0 for no limit, everywhere.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Mutations of one user in a second, with bursts of twice that.
    #[serde(deserialize_with = "whole::<0, MILLION, _, _>")]
    pub mutations_per_second: u32,
    /// Events from one socket in a second, with bursts of twice that.
    #[serde(deserialize_with = "whole::<0, MILLION, _, _>")]
    pub socket_events_per_second: u32,
    /// Vaults that one socket may have joined at a time.
    #[serde(deserialize_with = "whole::<0, MILLION, _, _>")]
    pub joins_per_socket: u32,
    /// Sockets of one user.
    #[serde(deserialize_with = "whole::<0, MILLION, _, _>")]
    pub sockets_per_user: u32,
    /// Sockets of one address.
    #[serde(deserialize_with = "whole::<0, MILLION, _, _>")]
    pub sockets_per_address: u32,
    /// Sockets in all.
    #[serde(deserialize_with = "whole::<0, { 100 * MILLION }, _, _>")]
    pub sockets: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            mutations_per_second: 100,
            socket_events_per_second: 100,
            joins_per_socket: 1000,
            sockets_per_user: 0,
            sockets_per_address: 0,
            sockets: 0,
        }
    }
}
