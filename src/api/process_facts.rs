//! What the operators' page shows of the process.

use std::{sync::Arc, time::Instant};

/// What is fixed while the process runs.
#[derive(Clone, Debug)]
pub struct ProcessFacts {
    /// The name of this process among those that share a database.
    pub node: Arc<str>,
    pub version: &'static str,
    /// When the service started, as ISO 8601.
    pub started_at: Arc<str>,
    /// The same moment, for the uptime.
    pub started: Instant,
}
