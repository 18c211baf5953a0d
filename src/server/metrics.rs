//! The metrics of one service: those of each module, registered together.

use super::socket_metrics::SocketMetrics;
use crate::{
    api, auth, cluster, gateway, journal,
    telemetry::metrics::{MailboxFamilies, MetricsRegistry},
    vault,
};

/// The metrics of each module and the registry that serves them.
pub(super) struct ServiceMetrics {
    pub registry: MetricsRegistry,
    pub http: api::HttpMetrics,
    pub sockets: SocketMetrics,
    pub auth: auth::AuthMetrics,
    pub gateway: gateway::GatewayMetrics,
    pub vault: vault::VaultMetrics,
    pub cluster: cluster::ClusterMetrics,
    pub journal: journal::JournalMetrics,
}

impl ServiceMetrics {
    /// Creates and registers the metrics of all modules.
    pub(super) fn new() -> Self {
        let registry = MetricsRegistry::new();
        let mailboxes = MailboxFamilies::register(&registry);
        Self {
            cluster: cluster::ClusterMetrics::register(&registry),
            http: api::HttpMetrics::register(&registry),
            sockets: SocketMetrics::register(&registry, &mailboxes),
            auth: auth::AuthMetrics::register(&registry),
            gateway: gateway::GatewayMetrics::register(&registry, &mailboxes),
            vault: vault::VaultMetrics::register(&registry, &mailboxes),
            journal: journal::JournalMetrics::register(&registry, &mailboxes),
            registry,
        }
    }
}
