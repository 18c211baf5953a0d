//! The wiring: database → journal → vaults → sockets → HTTP. How it is tuned while it runs is `reload.rs`, the orderly way
//! back `draining.rs`; `commands.rs` are those that do not serve.

use std::{
    io::{self, Write},
    net::SocketAddr,
    pin::pin,
    process,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use actix_web::{App, HttpServer, dev::ServerHandle, middleware::from_fn, web};
use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};

use crate::{
    api::{self, Api, Operators, SOCKETIO_PATH},
    auth::{Auth, Gate, Secrets},
    config::{self, Config, LoopbackOnly, Source},
    demo::Demo,
    door::Door,
    engineio::{self, OutboxBounds, Sessions},
    gateway::{self, Gateway, GatewayOptions, Recovery},
    journal::{self, Journal, Retention, Standing},
    limits::Limits,
    listener::{Patience, listen},
    origin::Origins,
    panics,
    proxies::Proxies,
    readiness::Readiness,
    socketio::SocketIo,
    startup::{CannotListen, Sole, look_at_descriptors},
    supervisor, telemetry,
    vault::{self, VaultOptions, Vaults},
    watchdog::Watchdog,
};

mod commands;
mod draining;
mod error;
mod meters;
mod reload;

pub use commands::{migrate, open_database, renew_epoch, verify};
pub use error::AppError;
pub use reload::Reloaded;

use commands::{cannot_use, count, steps};
use meters::Meters;
use reload::Tunable;

/// How long a listener that is closed in order waits for its requests: for ever, as far as it is concerned, for
/// `server.shutdown_grace` ends everything, and may be another when it comes to that.
const FOR_EVER: Duration = Duration::from_secs(24 * 60 * 60);

/// Bytes of a secret that may be relied upon by others than this machine's own users.
const SHORTEST_SECRET: usize = 32;

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
    readiness: Readiness,
    tunable: Tunable,
    /// What is in effect.
    config: Config,
    /// Why it may be reached from its own machine only.
    loopback_only: Vec<LoopbackOnly>,
}

/// Serves until SIGTERM or SIGINT, then drains. Reads the configuration again from its source at SIGHUP. Needs an actix
/// system.
///
/// # Errors
/// When the service cannot start.
pub async fn run(
    (config, mut source): (&Config, Source),
    log: &telemetry::Handle,
    secrets: &Secrets,
    mode: Mode,
) -> Result<(), AppError> {
    let mut hang_up = signal(SignalKind::hangup()).map_err(AppError::Signals)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(AppError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(AppError::Signals)?;
    // Until the process ends, however it does.
    let _sole = Sole::take(&config.database.url)?;
    let mut service = Service::start(config, secrets, mode).await?;
    look_at_descriptors(config);
    supervisor::ready(service.addr());
    loop {
        tokio::select! {
            _ = hang_up.recv() => service.reload_from(&mut source, log),
            _ = terminate.recv() => break info!("SIGTERM: draining"),
            _ = interrupt.recv() => break info!("SIGINT: draining"),
        }
    }
    let grace = service.config.server.shutdown_grace;
    supervisor::stopping(grace, service.sessions.open());
    let mut stop = pin!(service.stop());
    loop {
        tokio::select! {
            () = &mut stop => break info!("stopped"),
            _ = terminate.recv() => at_once(),
            _ = interrupt.recv() => at_once(),
            _ = hang_up.recv() => info!("SIGHUP: nothing is changed: draining"),
        }
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
        let loopback_only = loopback_only(secrets, mode);
        for reason in &loopback_only {
            config.require_loopback(*reason)?;
        }
        if let Some(file) = secrets.generated_file() {
            let file = file.display();
            warn!(%file, "no AUTH_SECRET is set: using the secret made for this database, for this machine only");
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
        let readiness = Readiness::default();
        let sessions = Sessions::default();
        let limits = Limits::new(&config.limits);
        limits.register(&meters.metrics);
        actix_web::rt::spawn(limits.clone().forget_the_idle());
        let proxies = Proxies::new(&config.server.trusted_proxies);
        let actors = &config.actors;
        let tunable = Tunable {
            vaults,
            limits,
            origins: Origins::new(&config.server.allowed_origins, proxies.clone()),
            proxies,
            max_body: Arc::new(AtomicUsize::new(config.server.max_body)),
            outbox: OutboxBounds::new(actors.session_outbox, actors.session_outbox_bytes),
            gateways: gateway::Bounds::new(actors.relay_mailbox, actors.join_timeout),
        };
        let api = Api {
            gate: gate.clone(),
            vaults: tunable.vaults.clone(),
            origins: tunable.origins.clone(),
            proxies: tunable.proxies.clone(),
            limits: tunable.limits.clone(),
            max_body: tunable.max_body.clone(),
            readiness: readiness.clone(),
        };

        let window = config.socketio.recovery_window;
        let kept_in = tunable.vaults.journal().clone();
        let recovery = Recovery::new(kept_in, window, meters.gateway.clone());
        let options = GatewayOptions {
            bounds: tunable.gateways.clone(),
            limits: tunable.limits.clone(),
            recovery: recovery.clone(),
            readiness: readiness.clone(),
            meters: meters.gateway.clone(),
        };
        let door = Door {
            readiness: readiness.clone(),
            limits: tunable.limits.clone(),
            proxies: tunable.proxies.clone(),
        };
        let engine = engineio_config(config, tunable.outbox.clone());
        let directory = sessions.clone();
        let operators = Operators {
            metrics: meters.metrics.clone(),
            vaults: tunable.vaults.clone(),
            sessions: sessions.clone(),
        };
        let (http, engine_meters) = (meters.http, meters.engineio);
        let (served, demo_page, in_vaults) = (api.clone(), demo.clone(), api.vaults.clone());
        let bind = config.server.bind;
        let patience = Patience {
            unread: config.socketio.ping_timeout,
            stopping: FOR_EVER,
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
            readiness,
            tunable,
            config: config.clone(),
            loopback_only,
        })
    }

    /// Where the main listener is.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The vaults that it serves.
    pub fn vaults(&self) -> &Vaults {
        &self.tunable.vaults
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

/// Why a service with these secrets may be reached from its own machine only, if it may.
fn loopback_only(secrets: &Secrets, mode: Mode) -> Vec<LoopbackOnly> {
    let is_short = |secret: &str| secret.len() < SHORTEST_SECRET;
    let reasons = [
        (mode == Mode::Demo, LoopbackOnly::Demo),
        (
            secrets.generated_file().is_some(),
            LoopbackOnly::GeneratedSecret,
        ),
        (secrets.iter().any(is_short), LoopbackOnly::ShortSecret),
    ];
    let holds = reasons.into_iter().filter(|(holds, _)| *holds);
    holds.map(|(_, reason)| reason).collect()
}

async fn open_journal(config: &Config, meters: &Meters) -> Result<Journal, AppError> {
    let database = open_database(config).await?;
    if config.database.migrate {
        let migrated = database.migrate().await;
        migrated.map_err(|source| cannot_use(config, source))?;
    } else {
        let steps = steps(config, &database).await?;
        let pending = count(&steps, Standing::Pending);
        if pending > 0 {
            let url = config.database.url.to_string();
            return Err(AppError::Pending { url, pending });
        }
    }
    Ok(Journal::open(database, retention(config), meters.journal.clone()).await?)
}

fn cannot_bind(key: &'static str, bind: SocketAddr, source: io::Error) -> AppError {
    CannotListen { key, bind, source }.into()
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

fn engineio_config(config: &Config, outbox: OutboxBounds) -> engineio::Config {
    engineio::Config {
        ping_interval: config.socketio.ping_interval,
        ping_timeout: config.socketio.ping_timeout,
        max_payload: config.socketio.max_payload,
        connect_timeout: config.socketio.connect_timeout,
        outbox,
        ..engineio::Config::default()
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
