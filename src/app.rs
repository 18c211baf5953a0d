//! The wiring: database → journal → vaults → sockets → HTTP, and the orderly way back.

use std::{
    io::{self, Write},
    net::SocketAddr,
    process,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use actix_web::{App, HttpServer, dev::ServerHandle, middleware::from_fn, web};
use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};

use crate::{
    api::{self, Api, Operators},
    auth::{Auth, Gate, Secrets, TableError},
    cli::Migrate,
    config::{self, Config, ConfigError, LoopbackOnly, Synchronous},
    demo::Demo,
    door::Door,
    engineio::{self, CloseReason, Sessions},
    gateway::{self, Gateway, GatewayOptions, Recovery},
    journal::{self, Database, DatabaseOptions, Journal, JournalError, Retention},
    limits::Limits,
    listener::{Patience, listen},
    origin::Origins,
    panics,
    proxies::Proxies,
    socketio::SocketIo,
    vault::{self, VaultError, VaultOptions, Vaults},
    watchdog::Watchdog,
};

mod meters;

use meters::Meters;

/// How long sockets have to take what still waits for them, and to hear that they are closed.
const LAST_WORD: Duration = Duration::from_secs(2);

/// Where Socket.IO is served.
const SOCKETIO_PATH: &str = "/socket.io/";

/// Bytes of a secret that may be relied upon by others than this machine's own users.
const SHORTEST_SECRET: usize = 32;

/// Why the service does not start.
#[derive(Debug, Error)]
pub enum AppError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("database.url: cannot use {url}: {source}")]
    Database { url: String, source: sea_orm::DbErr },
    #[error("the database is not ready (is it migrated?): {0}")]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Sessions(#[from] TableError),
    #[error("{key}: cannot listen to {bind}: {source}")]
    Bind {
        key: &'static str,
        bind: SocketAddr,
        source: io::Error,
    },
    #[error("the demo vault cannot be made ready: {0}")]
    Demo(#[from] VaultError),
    #[error("signals cannot be awaited: {0}")]
    Signals(io::Error),
}

/// Which service is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Serve,
    Demo,
}

/// A running service.
pub struct Service {
    addr: SocketAddr,
    servers: Vec<ServerHandle>,
    sessions: Sessions,
    recovery: Recovery,
    vaults: Vaults,
    draining: Arc<AtomicBool>,
    grace: Duration,
}

/// Serves until SIGTERM or SIGINT, then drains. Needs an actix system.
///
/// # Errors
/// When the service cannot start.
pub async fn run(config: &Config, secrets: &Secrets, mode: Mode) -> Result<(), AppError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(AppError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(AppError::Signals)?;
    let service = Service::start(config, secrets, mode).await?;
    tokio::select! {
        _ = terminate.recv() => info!("SIGTERM: draining"),
        _ = interrupt.recv() => info!("SIGINT: draining"),
    }
    tokio::select! {
        () = service.stop() => info!("stopped"),
        _ = terminate.recv() => at_once(),
        _ = interrupt.recv() => at_once(),
    }
    Ok(())
}

/// What was acknowledged is on disk, so there is nothing that an end at once could break.
fn at_once() -> ! {
    warn!("a second signal: ending at once");
    process::exit(1)
}

impl Service {
    /// Starts everything; returns when both listeners are open.
    ///
    /// # Errors
    /// When the configuration, the database or a listener does not allow it; nothing is left running then.
    pub async fn start(config: &Config, secrets: &Secrets, mode: Mode) -> Result<Self, AppError> {
        if mode == Mode::Demo {
            config.require_loopback(LoopbackOnly::Demo)?;
        }
        if let Some(file) = secrets.generated_file() {
            config.require_loopback(LoopbackOnly::GeneratedSecret)?;
            let file = file.display();
            warn!(%file, "no AUTH_SECRET is set: using the secret made for this database, for this machine only");
        }
        if secrets.iter().any(|secret| secret.len() < SHORTEST_SECRET) {
            config.require_loopback(LoopbackOnly::ShortSecret)?;
        }
        let meters = Meters::new();
        let journal = open_journal(config, &meters).await?;
        let vaults = Vaults::new(journal.clone(), vault_options(config), meters.vault.clone());
        journal::register_gauges(&meters.metrics, journal.database());
        vault::register_gauges(&meters.metrics, &vaults);
        panics::count_them(&meters.metrics);
        let watchdog = Watchdog::start(&meters.metrics);
        watch(&watchdog, &vaults);
        let auth = match mode {
            Mode::Serve => Auth::open(&config.auth, secrets, &config.database.url).await?,
            // The demo signs its visitors in itself, whatever the application beside it does.
            Mode::Demo => {
                Auth::open(&config::Auth::default(), secrets, &config.database.url).await?
            }
        };
        let demo = match mode {
            Mode::Serve => None,
            Mode::Demo => Some(Demo::prepare(&vaults, auth.tokens().clone()).await?),
        };
        let gate = Gate::new(auth, journal);
        let draining = Arc::new(AtomicBool::new(false));
        let sessions = Sessions::default();
        let limits = Limits::new(&config.limits);
        limits.register(&meters.metrics);
        actix_web::rt::spawn(limits.clone().forget_the_idle());
        let proxies = Proxies::new(&config.server.trusted_proxies);
        let api = Api {
            gate: gate.clone(),
            vaults: vaults.clone(),
            origins: Origins::new(&config.server.allowed_origins, proxies.clone()),
            proxies,
            limits: limits.clone(),
            max_body: config.server.max_body,
            draining: draining.clone(),
        };

        let window = config.socketio.recovery_window;
        let recovery = Recovery::new(vaults.journal().clone(), window, meters.gateway.clone());
        let options = GatewayOptions {
            relay_mailbox: config.actors.relay_mailbox,
            join_timeout: config.actors.join_timeout,
            limits,
            recovery: recovery.clone(),
            draining: draining.clone(),
            meters: meters.gateway.clone(),
        };
        let door = Door {
            draining: draining.clone(),
            limits: options.limits.clone(),
            proxies: api.proxies.clone(),
        };
        let (engine, directory) = (engineio_config(config), sessions.clone());
        let operators = Operators {
            metrics: meters.metrics.clone(),
            vaults: vaults.clone(),
            sessions: sessions.clone(),
        };
        let (http, engine_meters) = (meters.http, meters.engineio);
        let (served, demo_page, in_vaults) = (api.clone(), demo.clone(), vaults.clone());
        let bind = config.server.bind;
        let patience = Patience {
            unread: config.socketio.ping_timeout,
            stopping: config.server.shutdown_grace,
        };
        let workers = Arc::new(AtomicUsize::new(0));
        let watched = watchdog.clone();
        let serve = move || {
            let worker = workers.fetch_add(1, Ordering::Relaxed);
            actix_web::rt::spawn(watched.sign(format!("worker {worker}")));
            let gateway = Gateway::start(gate.clone(), in_vaults.clone(), options.clone());
            let door = door.clone();
            let socketio = SocketIo::new()
                .namespace(gateway::NAMESPACE, gateway)
                .admit(move |request| door.admit(request));
            let sockets =
                engineio::Server::new(engine.clone(), directory.clone(), Rc::new(socketio))
                    .metered(engine_meters.clone());
            let mut app = App::new()
                .configure(sockets.routes(SOCKETIO_PATH))
                .configure(api::routes(served.clone()));
            if let Some(demo) = &demo_page {
                app = app.configure(demo.routes());
            }
            app.app_data(web::Data::new(http.clone()))
                .default_service(web::to(api::not_found))
                .wrap(from_fn(api::guard_origin))
                .wrap(from_fn(api::count_requests))
                .wrap(from_fn(api::with_request_id))
        };
        let (server, addr) = listen(bind, patience, serve)
            .map_err(|source| cannot_bind("server.bind", bind, source))?;

        let mut servers = Vec::new();
        if let Some(bind) = config.admin.bind {
            let admin = HttpServer::new(move || {
                actix_web::rt::spawn(watchdog.sign("admin".to_owned()));
                App::new()
                    .configure(api::admin_routes(api.clone(), operators.clone()))
                    .default_service(web::to(api::not_found))
                    .wrap(from_fn(api::with_request_id))
            })
            .workers(1)
            .disable_signals()
            .shutdown_timeout(1)
            .bind(bind)
            .map_err(|source| cannot_bind("admin.bind", bind, source))?;
            let addr = admin.addrs().first().copied().unwrap_or(bind);
            info!(%addr, "admin listener: /healthz, /readyz, /metrics, /actors");
            servers.push(spawn(admin.run()));
        }
        servers.push(spawn(server));
        info!(%addr, database = %config.database.url, "vaultcast serves");
        if let Some(demo) = demo {
            // Who has closed our output cannot read it, and is served all the same.
            let _ = writeln!(io::stdout(), "{}", demo.greeting(addr));
        }
        Ok(Self {
            addr,
            servers,
            sessions,
            recovery,
            vaults,
            draining,
            grace: config.server.shutdown_grace,
        })
    }

    /// Where the main listener is.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The vaults that it serves.
    pub fn vaults(&self) -> &Vaults {
        &self.vaults
    }

    /// Lets everybody go in order, within `server.shutdown_grace`: nothing new is taken, what was taken is written
    /// and told, transports are closed so that clients come back at once elsewhere; the listeners go last.
    pub async fn stop(self) {
        self.draining.store(true, Ordering::Release);
        let in_order = async {
            self.vaults.settle().await;
            self.recovery.let_everybody_go().await;
            self.sessions.close_all(CloseReason::Shutdown);
            // Who polls is told by his next poll; who has vanished between two of them never asks.
            let last_word = tokio::time::timeout(LAST_WORD, self.sessions.drained());
            if last_word.await.is_err() {
                let sockets = self.sessions.open();
                info!(sockets, "some sockets did not fetch the last word");
            }
            for server in self.servers.iter().rev() {
                server.stop(true).await;
            }
            if let Err(error) = self.vaults.journal().clone().close().await {
                warn!(%error, "the database did not close in order");
            }
        };
        if tokio::time::timeout(self.grace, in_order).await.is_err() {
            let sockets = self.sessions.open();
            warn!(
                sockets,
                "server.shutdown_grace is over: ending with what is left"
            );
            for server in &self.servers {
                // Sent at once; whoever sends half a request is not waited for.
                drop(server.stop(false));
            }
        }
    }
}

async fn open_journal(config: &Config, meters: &Meters) -> Result<Journal, AppError> {
    let database = open_database(config).await?;
    if config.database.migrate {
        let migrated = database.migrate().await;
        migrated.map_err(|source| cannot_use(config, source))?;
    }
    Ok(Journal::open(database, retention(config), meters.journal.clone()).await?)
}

/// Connects to the configured database.
///
/// # Errors
/// When it does not answer.
pub async fn open_database(config: &Config) -> Result<Database, AppError> {
    let options = DatabaseOptions {
        url: config.database.url.expose().to_owned(),
        full_sync: config.database.synchronous == Synchronous::Full,
    };
    let database = Database::connect(&options).await;
    database.map_err(|source| cannot_use(config, source))
}

fn cannot_use(config: &Config, source: sea_orm::DbErr) -> AppError {
    let url = config.database.url.to_string();
    AppError::Database { url, source }
}

fn cannot_bind(key: &'static str, bind: SocketAddr, source: io::Error) -> AppError {
    AppError::Bind { key, bind, source }
}

fn retention(config: &Config) -> Retention {
    Retention {
        events: config.journal.retain_events,
        age: config.journal.retain_for,
    }
}

fn vault_options(config: &Config) -> VaultOptions {
    VaultOptions {
        mailbox: config.actors.vault_mailbox,
        commit_batch: config.actors.commit_batch,
        idle: config.actors.vault_idle,
        // The other half of the cores is for the doors.
        threads: std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2)),
    }
}

fn engineio_config(config: &Config) -> engineio::Config {
    engineio::Config {
        ping_interval: config.socketio.ping_interval,
        ping_timeout: config.socketio.ping_timeout,
        max_payload: config.socketio.max_payload,
        connect_timeout: config.socketio.connect_timeout,
        outbox_events: config.actors.session_outbox,
        outbox_bytes: config.actors.session_outbox_bytes,
        ..engineio::Config::default()
    }
}

/// Has the threads watched that are there from the beginning; workers say so themselves.
fn watch(watchdog: &Watchdog, vaults: &Vaults) {
    actix_web::rt::spawn(watchdog.sign("main".to_owned()));
    for (n, thread) in vaults.threads().iter().enumerate() {
        thread.spawn(watchdog.sign(format!("vault {n}")));
    }
    for (name, thread) in vaults.journal().database().threads() {
        thread.spawn(watchdog.sign(name));
    }
}

/// Runs a server beside everything else; its end is reported by whoever stops it.
fn spawn(server: actix_web::dev::Server) -> ServerHandle {
    let handle = server.handle();
    actix_web::rt::spawn(async move {
        if let Err(error) = server.await {
            tracing::error!(%error, "a listener failed");
        }
    });
    handle
}

/// Takes one step of `vaultcast migrate`; a line for each migration.
///
/// # Errors
/// When the database does not answer or refuses.
pub async fn migrate(config: &Config, step: Migrate) -> Result<Vec<String>, AppError> {
    let database = open_database(config).await?;
    let applied = match step {
        Migrate::Up => database.migrate().await,
        Migrate::Down => database.revert_last().await,
        Migrate::Status => Ok(()),
    };
    applied.map_err(|source| cannot_use(config, source))?;
    let listed = database.migrations().await;
    let listed = listed.map_err(|source| cannot_use(config, source))?;
    let line = |(name, applied)| format!("{} {name}", if applied { "applied" } else { "pending" });
    Ok(listed.into_iter().map(line).collect())
}

/// Begins a new epoch of the database, after a backup was put back; the epoch.
///
/// # Errors
/// When the database does not answer or was not migrated.
pub async fn renew_epoch(config: &Config) -> Result<String, AppError> {
    let database = open_database(config).await?;
    let epoch = database.renew_epoch().await;
    let epoch = epoch.map_err(|source| cannot_use(config, source))?;
    let closed = database.close().await;
    closed.map_err(|source| cannot_use(config, source))?;
    Ok(epoch)
}
