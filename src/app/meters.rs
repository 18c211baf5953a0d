//! The meters of one service: each room's, registered together.

use crate::{
    api, engineio, gateway, journal,
    metrics::{Mailboxes, Metrics},
    vault,
};

/// What is counted, room by room.
pub(super) struct Meters {
    pub metrics: Metrics,
    pub http: api::Meters,
    pub engineio: engineio::Meters,
    pub gateway: gateway::Meters,
    pub vault: vault::Meters,
    pub journal: journal::Meters,
}

impl Meters {
    /// Nothing is counted yet.
    pub(super) fn new() -> Self {
        let metrics = Metrics::new();
        let mailboxes = Mailboxes::register(&metrics);
        Self {
            http: api::Meters::register(&metrics),
            engineio: engineio::Meters::register(&metrics, &mailboxes),
            gateway: gateway::Meters::register(&metrics, &mailboxes),
            vault: vault::Meters::register(&metrics, &mailboxes),
            journal: journal::Meters::register(&metrics, &mailboxes),
            metrics,
        }
    }
}
