//! The two HTTP listeners: the main one with the API and sockets, and the admin listener.

use std::{
    io,
    net::SocketAddr,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use actix_socketio::{
    SocketIo,
    engineio::{self, SessionRegistry},
};
use actix_web::{
    App, Scope,
    dev::{Server, ServerHandle},
    middleware::{Condition, from_fn},
    web,
};
use tracing::{error, info};

use super::{
    ServerError,
    admission::HandshakeAdmission,
    connection_limit::ConnectionLimit,
    demo::Demo,
    listener::{ListenerOptions, listen},
    socket_metrics::SocketMetrics,
    startup::ListenError,
    watchdog::Watchdog,
};
use crate::{
    api::{self, AdminApi, Api, Descriptions, Pages, SOCKETIO_PATH},
    config::{BasePath, WebSocketTransport},
    gateway::{self, Gateway, GatewayOptions, SocketMeter},
};

/// Time that a listener waits for its open requests: no limit of its own, because `server.shutdown_grace` bounds the whole
/// shutdown and can change while the service runs.
const UNLIMITED: Duration = Duration::from_secs(24 * 60 * 60);

/// Time after which the kernel closes a connection of the admin listener whose peer acknowledges nothing.
const ADMIN_TIMEOUT: Duration = Duration::from_secs(20);

/// Everything that each worker thread of the main listener is built from.
#[derive(Clone)]
pub(super) struct MainListener {
    pub api: Api,
    /// The prefix of every HTTP route but the health checks (`server.base_path`).
    pub base_path: BasePath,
    pub descriptions: Descriptions,
    pub gateway: GatewayOptions,
    pub admission: HandshakeAdmission,
    pub engine: engineio::EngineConfig,
    pub transport: WebSocketTransport,
    pub connections: ConnectionLimit,
    pub sessions: SessionRegistry,
    pub demo: Option<Demo>,
    pub pages: Pages,
    /// Whether the app is served (`server.page`).
    pub page: Arc<AtomicBool>,
    pub http_metrics: api::HttpMetrics,
    pub socket_metrics: SocketMetrics,
    pub watchdog: Watchdog,
}

impl MainListener {
    /// Binds the listener and starts its worker threads. Returns the bound address.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub(super) fn start(self, bind: SocketAddr) -> Result<(Server, SocketAddr), ServerError> {
        let options = ListenerOptions {
            name: "vaultcast",
            workers: None,
            connections: self.connections.clone(),
            unacknowledged: self.engine.ping_timeout,
            shutdown: UNLIMITED,
            transport: self.transport,
        };
        let workers = Arc::new(AtomicUsize::new(0));
        let serve = move || {
            let worker = workers.fetch_add(1, Ordering::Relaxed);
            let heartbeat = self.watchdog.heartbeat(format!("worker {worker}"));
            actix_web::rt::spawn(heartbeat);
            App::new()
                .configure(self.sockets().routes(SOCKETIO_PATH))
                .configure(api::root_routes(self.api.clone()))
                .service(self.prefixed_routes())
                .app_data(web::Data::new(self.http_metrics.clone()))
                .default_service(web::to(api::not_found))
                .wrap(from_fn(api::guard_origin))
                .wrap(from_fn(api::forbid_caching))
                .wrap(from_fn(api::count_requests))
                .wrap(from_fn(api::with_request_id))
        };
        listen(bind, options, serve).map_err(|source| listen_error("server.bind", bind, source))
    }

    /// Returns the routes whose paths have the prefix of the configuration.
    fn prefixed_routes(&self) -> Scope {
        let mut scope = web::scope(self.base_path.as_str())
            .configure(api::routes)
            .configure(self.descriptions.routes());
        if let Some(demo) = &self.demo {
            scope = scope.configure(demo.routes());
        }
        scope.configure(self.pages.app_routes(self.page.clone()))
    }

    /// Creates the Engine.IO server of a worker thread, with the gateway as its application.
    fn sockets(&self) -> engineio::EngineServer {
        let (authenticator, vaults) = (self.api.authenticator.clone(), self.api.vaults.clone());
        let gateway = Gateway::start(authenticator, vaults, self.gateway.clone());
        let (admission, trimming) = (self.admission.clone(), self.admission.clone());
        let (limits, metrics) = (self.gateway.limits.clone(), self.gateway.metrics.clone());
        let socketio = SocketIo::new()
            .namespace(gateway::NAMESPACE, gateway)
            .on_unknown_namespace(move || metrics.unknown_namespace())
            .admit(move |request| admission.admit(request))
            .trim_request(move |request| trimming.trim(request))
            .meter(move || SocketMeter::new(limits.clone()));
        let (config, sessions) = (self.engine.clone(), self.sessions.clone());
        engineio::EngineServer::new(config, sessions, Rc::new(socketio))
            .with_observer(Rc::new(self.socket_metrics.clone()))
    }
}

/// Binds the admin listener, on a thread of its own. Returns its address as well.
///
/// # Errors
/// When the address cannot be bound.
pub(super) fn start_admin_listener(
    bind: SocketAddr,
    api: Api,
    operators: AdminApi,
    pages: Pages,
    connections: ConnectionLimit,
    watchdog: Watchdog,
) -> Result<(Server, SocketAddr), ServerError> {
    let options = ListenerOptions {
        name: "vaultcast-admin",
        workers: Some(1),
        connections,
        unacknowledged: ADMIN_TIMEOUT,
        shutdown: Duration::from_secs(1),
        transport: WebSocketTransport::ActixWs,
    };
    // Other listeners are scraped by the names of their hosts, which are not known here.
    let is_loopback = bind.ip().to_canonical().is_loopback();
    let serve = move || {
        actix_web::rt::spawn(watchdog.heartbeat("admin".to_owned()));
        App::new()
            .configure(api::admin_routes(
                api.clone(),
                operators.clone(),
                pages.clone(),
            ))
            .default_service(web::to(api::not_found))
            .wrap(Condition::new(is_loopback, from_fn(api::guard_host)))
            .wrap(from_fn(api::forbid_embedding))
            .wrap(from_fn(api::forbid_caching))
            .wrap(from_fn(api::with_request_id))
    };
    let (admin, addr) =
        listen(bind, options, serve).map_err(|source| listen_error("admin.bind", bind, source))?;
    info!(%addr, "admin listener: /, /healthz, /readyz, /metrics, /actors, /history, /bounds");
    Ok((admin, addr))
}

/// Runs a server as a task of its own.
pub(super) fn spawn(server: Server) -> ServerHandle {
    let handle = server.handle();
    actix_web::rt::spawn(async move {
        if let Err(error) = server.await {
            error!(%error, "listener failed");
        }
    });
    handle
}

fn listen_error(key: &'static str, bind: SocketAddr, source: io::Error) -> ServerError {
    ListenError { key, bind, source }.into()
}
