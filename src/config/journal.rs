//! The section `journal`: the retention of events.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::field::{DAY_MS, MILLION, read_duration, read_integer, write_duration};

/// The retention of events. The newest event of a vault is never trimmed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JournalConfig {
    /// The maximum number of events of one vault.
    #[serde(deserialize_with = "read_integer::<1, { MILLION * MILLION }, _, _>")]
    pub retain_events: u64,
    /// The maximum age of an event.
    #[serde(
        serialize_with = "write_duration",
        deserialize_with = "read_duration::<1, { 36_525 * DAY_MS }, _>"
    )]
    pub retain_for: Duration,
}

impl Default for JournalConfig {
    fn default() -> Self {
        Self {
            retain_events: 100_000,
            retain_for: Duration::from_secs(30 * 24 * 60 * 60),
        }
    }
}
