//! The parts of the service whose settings can change while it runs.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use actix_socketio::engineio::OutboxBounds;

use super::{
    bounds::effective_bounds, connection_limit::ConnectionLimits, metrics::ServiceMetrics,
    startup::max_connections,
};
use crate::{
    access::{limits::Limits, origins::OriginPolicy, proxies::TrustedProxies},
    api::EffectiveBounds,
    config::Config,
    gateway,
    journal::Retention,
    vault::{VaultOptions, Vaults},
};

/// The parts of the service whose settings can change while it runs.
pub(super) struct ReloadableParts {
    pub vaults: Vaults,
    pub connections: ConnectionLimits,
    pub limits: Limits,
    pub origins: OriginPolicy,
    pub proxies: TrustedProxies,
    pub max_body: Arc<AtomicUsize>,
    /// Whether the main listener serves the app (`server.page`).
    pub page: Arc<AtomicBool>,
    pub outbox: OutboxBounds,
    pub gateways: gateway::GatewayBounds,
    /// What `GET /bounds` shows.
    pub bounds: EffectiveBounds,
}

impl ReloadableParts {
    /// Creates the parts as the configuration says, and starts the task that evicts idle users from the limits.
    pub(super) fn new(config: &Config, vaults: Vaults, metrics: &ServiceMetrics) -> Self {
        let limits = Limits::new(&config.limits);
        limits.register(&metrics.registry);
        actix_web::rt::spawn(limits.clone().evict_idle_users());
        let proxies = TrustedProxies::new(&config.server.trusted_proxies);
        let actors = &config.actors;
        let max_connections = max_connections(config.server.max_connections);
        let bounds = EffectiveBounds::default();
        bounds.replace(effective_bounds(config));
        Self {
            vaults,
            connections: ConnectionLimits::register(&metrics.registry, max_connections),
            limits,
            origins: OriginPolicy::new(&config.server.allowed_origins, proxies.clone()),
            proxies,
            max_body: Arc::new(AtomicUsize::new(config.server.max_body)),
            page: Arc::new(AtomicBool::new(config.server.page)),
            outbox: OutboxBounds::new(actors.session_outbox, actors.session_outbox_bytes),
            gateways: gateway::GatewayBounds::new(actors.relay_mailbox, actors.join_timeout),
            bounds,
        }
    }

    /// Applies this configuration. Keys that only concern the shutdown are read when it begins.
    pub(super) fn reconfigure(&self, config: &Config) {
        let Config {
            server,
            actors,
            limits,
            ..
        } = config;
        self.vaults.reconfigure(vault_options(config));
        let max_connections = max_connections(server.max_connections);
        self.connections.main.reconfigure(max_connections);
        self.vaults.journal().set_retention(retention(config));
        self.gateways
            .reconfigure(actors.relay_mailbox, actors.join_timeout);
        self.outbox
            .reconfigure(actors.session_outbox, actors.session_outbox_bytes);
        self.limits.reconfigure(limits);
        self.origins.reconfigure(&server.allowed_origins);
        self.proxies.reconfigure(&server.trusted_proxies);
        self.max_body.store(server.max_body, Ordering::Relaxed);
        self.bounds.replace(effective_bounds(config));
        self.page.store(server.page, Ordering::Relaxed);
    }
}

pub(super) fn retention(config: &Config) -> Retention {
    Retention {
        events: config.journal.retain_events,
        age: config.journal.retain_for,
    }
}

pub(super) fn vault_options(config: &Config) -> VaultOptions {
    VaultOptions {
        mailbox: config.actors.vault_mailbox,
        commit_batch: config.actors.commit_batch,
        idle: config.actors.vault_idle,
        memory: config.actors.vault_memory,
        // The other half of the cores is for HTTP and sockets.
        threads: std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2)),
    }
}
