//! The section `actors`: the bounds of the queues.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::field::{
    DAY_MS, GIBIBYTE, MEBIBYTE, MILLION, TEBIBYTE, read_duration, read_integer, write_duration,
};

/// The bounds of the queues.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActorsConfig {
    /// The maximum number of mutations that wait for one vault.
    #[serde(deserialize_with = "read_integer::<1, MILLION, _, _>")]
    pub vault_mailbox: usize,
    /// The maximum number of mutations in one transaction.
    #[serde(deserialize_with = "read_integer::<1, 10_000, _, _>")]
    pub commit_batch: usize,
    /// The maximum number of events in the outbox of one socket. The minimum is the size of one replay step: a smaller
    /// outbox would disconnect a resumed slow reader again.
    #[serde(deserialize_with = "read_integer::<64, MILLION, _, _>")]
    pub session_outbox: usize,
    /// The maximum number of bytes in the outbox of one socket. The minimum holds the largest replay step.
    #[serde(deserialize_with = "read_integer::<524_288, GIBIBYTE, _, _>")]
    pub session_outbox_bytes: usize,
    /// The maximum number of events that wait for the relay of one worker thread.
    #[serde(deserialize_with = "read_integer::<1, MILLION, _, _>")]
    pub relay_mailbox: usize,
    /// How long a join may wait for its vault.
    #[serde(
        serialize_with = "write_duration",
        deserialize_with = "read_duration::<1, DAY_MS, _>"
    )]
    pub join_timeout: Duration,
    /// How long a vault without subscribers and pending work stays in memory. It is also the interval of the idle check.
    #[serde(
        serialize_with = "write_duration",
        deserialize_with = "read_duration::<1_000, DAY_MS, _>"
    )]
    pub vault_idle: Duration,
    /// The memory of all loaded vaults in bytes beyond which those without subscribers are unloaded earlier.
    #[serde(deserialize_with = "read_integer::<MEBIBYTE, TEBIBYTE, _, _>")]
    pub vault_memory: usize,
}

impl Default for ActorsConfig {
    fn default() -> Self {
        Self {
            vault_mailbox: 1024,
            commit_batch: 256,
            session_outbox: 1024,
            session_outbox_bytes: 4 << 20,
            relay_mailbox: 8192,
            join_timeout: Duration::from_secs(10),
            vault_idle: Duration::from_secs(5 * 60),
            vault_memory: 256 << 20,
        }
    }
}
