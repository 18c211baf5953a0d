//! The parameters of a relay.

use crate::gateway::{bounds::GatewayBounds, metrics::GatewayMetrics};

/// The parameters of a relay.
#[derive(Clone)]
pub(in crate::gateway) struct RelayOptions {
    pub bounds: GatewayBounds,
    /// The epoch of the journal.
    pub epoch: String,
    pub metrics: GatewayMetrics,
}
