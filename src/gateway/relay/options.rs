//! The parameters of a relay.

use crate::gateway::{bounds::GatewayBounds, metrics::GatewayMetrics};

/// The parameters of a relay.
#[derive(Clone)]
pub(in crate::gateway) struct RelayOptions {
    pub bounds: GatewayBounds,
    pub metrics: GatewayMetrics,
}
