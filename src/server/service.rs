//! The running service: its parts, created in order from the database up.

use std::{
    io::{self, Write},
    net::SocketAddr,
    time::{Duration, Instant},
};

use actix_socketio::engineio::{self, OutboxBounds, SessionRegistry};
use actix_web::dev::ServerHandle;
use tracing::{info, warn};

use super::{
    ServerError,
    admission::HandshakeAdmission,
    database,
    demo::{self, Demo},
    descriptions::descriptions,
    http::{MainListener, spawn, start_admin_listener},
    metrics::ServiceMetrics,
    node_link::{self, node_name},
    reloadable::{ReloadableParts, retention, vault_options},
    sampler::{MetricsSampler, now},
    watchdog::Watchdog,
};
use crate::{
    access::readiness::Readiness,
    api::{AdminApi, Api, Pages, ProcessFacts},
    auth::{Authenticator, Secrets, UserSessionVerifier},
    cluster::NodeLink,
    config::{Config, LoopbackReason},
    gateway::{GatewayOptions, RecoveryBounds, RecoveryStore},
    journal::{self, Journal},
    telemetry::{history::MetricsHistory, panics},
    vault::{self, Vaults},
};

/// What the service is started for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Serves the users of the application.
    Serve,
    /// Serves a demo vault to demo users, on loopback only.
    Demo,
}

/// A running service.
pub struct Service {
    addr: SocketAddr,
    admin_addr: Option<SocketAddr>,
    pub(super) servers: Vec<ServerHandle>,
    pub(super) sessions: SessionRegistry,
    pub(super) recovery: RecoveryStore,
    pub(super) readiness: Readiness,
    pub(super) reloadable: ReloadableParts,
    /// The effective configuration.
    pub(super) config: Config,
    /// Why the service may listen on loopback only; empty when it may listen anywhere.
    pub(super) loopback_only: Vec<LoopbackReason>,
    /// Samples the metrics while the service runs.
    _sampler: Option<MetricsSampler>,
    /// The connection to the other nodes on the database.
    _node_link: Option<NodeLink>,
}

impl Service {
    /// Starts the service. Returns when both listeners are open.
    ///
    /// # Errors
    /// When the configuration, the database or a listener does not allow it; nothing is left running then.
    pub async fn start(
        config: &Config,
        secrets: &Secrets,
        mode: Mode,
    ) -> Result<Self, ServerError> {
        let loopback_only = loopback_only(secrets, mode);
        for reason in &loopback_only {
            config.require_loopback(*reason)?;
        }
        if let Some(file) = secrets.generated_file() {
            let file = file.display();
            warn!(%file, "AUTH_SECRET is not set: using the secret generated for this database, on loopback only");
        }
        let metrics = ServiceMetrics::new();
        let journal = open_journal(config, &metrics).await?;
        let vaults = Vaults::new(
            journal.clone(),
            vault_options(config),
            metrics.vault.clone(),
        );
        journal::register_gauges(&metrics.registry, journal.database());
        vault::register_gauges(&metrics.registry, &vaults);
        panics::count_panics(&metrics.registry);
        let watchdog = Watchdog::start(&metrics.registry);
        monitor_threads(&watchdog, &vaults);
        let node_link = node_link::connect(config, &vaults, &metrics)?;
        if let Some((name, thread)) = node_link.as_ref().map(NodeLink::thread) {
            thread.spawn(watchdog.heartbeat(name));
        }

        let auth_config = match mode {
            Mode::Serve => config.auth.clone(),
            // The demo signs tokens for its users itself, whatever the application uses.
            Mode::Demo => demo::auth_config(),
        };
        let auth = UserSessionVerifier::open(&auth_config, secrets, &config.database.url).await?;
        let demo = match mode {
            Mode::Serve => None,
            Mode::Demo => {
                let tokens = auth.jwt_keys().clone();
                Some(Demo::prepare(&vaults, tokens, config.server.base_path.clone()).await?)
            }
        };
        let readiness = Readiness::default();
        let sessions = SessionRegistry::default();
        let reloadable = ReloadableParts::new(config, vaults, &metrics);
        let api = Api {
            authenticator: Authenticator::new(auth, journal, metrics.auth.clone()),
            vaults: reloadable.vaults.clone(),
            origins: reloadable.origins.clone(),
            proxies: reloadable.proxies.clone(),
            limits: reloadable.limits.clone(),
            max_body: reloadable.max_body.clone(),
            readiness: readiness.clone(),
        };
        let recovery = RecoveryStore::new(
            reloadable.vaults.journal().clone(),
            RecoveryBounds {
                window: config.socketio.recovery_window,
                events: config.socketio.recovery_events,
            },
            metrics.gateway.clone(),
            node_link.as_ref().and_then(NodeLink::claims),
        );
        if let Some(node_link) = &node_link {
            node_link.set_claim_responder(recovery.claim_responder());
        }
        reloadable
            .vaults
            .set_history_listener(std::sync::Arc::new(recovery.clone()));
        let pages = Pages::embedded(config.server.base_path.as_str());
        let listener = MainListener {
            api: api.clone(),
            base_path: config.server.base_path.clone(),
            descriptions: descriptions(&config.server.base_path),
            gateway: GatewayOptions {
                bounds: reloadable.gateways.clone(),
                limits: reloadable.limits.clone(),
                recovery: recovery.clone(),
                readiness: readiness.clone(),
                metrics: metrics.gateway.clone(),
            },
            admission: HandshakeAdmission {
                readiness: readiness.clone(),
                limits: reloadable.limits.clone(),
                proxies: reloadable.proxies.clone(),
                cookies: auth_config.cookies.into(),
            },
            engine: engine_config(config, reloadable.outbox.clone()),
            transport: config.socketio.transport,
            connections: reloadable.connections.main.clone(),
            sessions: sessions.clone(),
            demo: demo.clone(),
            pages: pages.clone(),
            page: reloadable.page.clone(),
            http_metrics: metrics.http.clone(),
            socket_metrics: metrics.sockets.clone(),
            watchdog: watchdog.clone(),
        };
        let (server, addr) = listener.start(config.server.bind)?;
        let (mut servers, mut sampler, mut admin_addr) = (Vec::new(), None, None);
        if let Some(bind) = config.admin.bind {
            let history = MetricsHistory::default();
            sampler = Some(MetricsSampler::start(
                metrics.registry.clone(),
                history.clone(),
            ));
            let operators = AdminApi {
                metrics: metrics.registry.clone(),
                vaults: reloadable.vaults.clone(),
                sessions: sessions.clone(),
                history,
                bounds: reloadable.bounds.clone(),
                process: process_facts(config),
            };
            let connections = reloadable.connections.admin.clone();
            let (admin, bound) =
                start_admin_listener(bind, api, operators, pages, connections, watchdog)?;
            admin_addr = Some(bound);
            servers.push(spawn(admin));
        }
        servers.push(spawn(server));
        info!(%addr, database = %config.database.url, "vaultcast serves");
        if let Some(demo) = demo {
            // A closed output does not end the demo.
            let _ = writeln!(io::stdout(), "{}", demo.greeting(addr));
        }
        Ok(Self {
            addr,
            admin_addr,
            servers,
            sessions,
            recovery,
            readiness,
            reloadable,
            config: config.clone(),
            loopback_only,
            _sampler: sampler,
            _node_link: node_link,
        })
    }

    /// Returns the address of the main listener.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Returns the address of the admin listener, if there is one.
    pub fn admin_addr(&self) -> Option<SocketAddr> {
        self.admin_addr
    }

    /// Returns the vaults of the service.
    pub fn vaults(&self) -> &Vaults {
        &self.reloadable.vaults
    }

    /// Returns `server.shutdown_grace` as it is in effect.
    pub(super) fn shutdown_grace(&self) -> Duration {
        self.config.server.shutdown_grace
    }

    /// Returns the number of open sockets.
    pub(super) fn open_sockets(&self) -> usize {
        self.sessions.open()
    }
}

/// Returns what the operators' page shows of this process.
fn process_facts(config: &Config) -> ProcessFacts {
    ProcessFacts {
        node: node_name(config).into(),
        version: env!("CARGO_PKG_VERSION"),
        started_at: now().into(),
        started: Instant::now(),
    }
}

/// Monitors the threads that exist from the start. Worker threads register themselves.
fn monitor_threads(watchdog: &Watchdog, vaults: &Vaults) {
    actix_web::rt::spawn(watchdog.heartbeat("main".to_owned()));
    for (number, thread) in vaults.threads().iter().enumerate() {
        thread.spawn(watchdog.heartbeat(format!("vault {number}")));
    }
    for (name, thread) in vaults.journal().database().threads() {
        thread.spawn(watchdog.heartbeat(name));
    }
}

/// Returns the reasons for which the service may listen on loopback only.
fn loopback_only(secrets: &Secrets, mode: Mode) -> Vec<LoopbackReason> {
    let reasons = [
        (mode == Mode::Demo, LoopbackReason::Demo),
        (
            secrets.generated_file().is_some(),
            LoopbackReason::GeneratedSecret,
        ),
        (secrets.has_short_secret(), LoopbackReason::ShortSecret),
    ];
    let applies = reasons.into_iter().filter(|(applies, _)| *applies);
    applies.map(|(_, reason)| reason).collect()
}

async fn open_journal(config: &Config, metrics: &ServiceMetrics) -> Result<Journal, ServerError> {
    let database = database::open_migrated(config).await?;
    Ok(Journal::open(database, retention(config), metrics.journal.clone()).await?)
}

fn engine_config(config: &Config, outbox: OutboxBounds) -> engineio::EngineConfig {
    engineio::EngineConfig {
        ping_interval: config.socketio.ping_interval,
        ping_timeout: config.socketio.ping_timeout,
        max_payload: config.socketio.max_payload,
        connect_timeout: config.socketio.connect_timeout,
        allow_eio3: config.socketio.allow_eio3,
        outbox,
        ..engineio::EngineConfig::default()
    }
}
