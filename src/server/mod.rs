//! Wiring of the service: database → journal → vaults → sockets → HTTP, and its life from start to shutdown.

use std::{pin::pin, process};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

use crate::{
    auth::Secrets,
    config::{Config, ConfigSource},
    telemetry,
};

pub mod database;
pub mod startup;

mod admission;
mod bounds;
mod connection_limit;
mod demo;
mod descriptions;
mod error;
mod http;
mod listener;
mod metrics;
mod node_link;
mod reload;
mod reloadable;
mod sampler;
mod service;
mod shutdown;
mod socket_metrics;
mod systemd;
mod watchdog;

pub use error::ServerError;
pub use reload::Reloaded;
pub use service::{Mode, Service};

use startup::{DatabaseLock, check_open_files_limit};

/// The signals that the service handles.
struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> Result<Self, ServerError> {
        let on = |kind| signal(kind).map_err(ServerError::Signals);
        Ok(Self {
            hangup: on(SignalKind::hangup())?,
            terminate: on(SignalKind::terminate())?,
            interrupt: on(SignalKind::interrupt())?,
        })
    }
}

/// A configuration and where it is read again at SIGHUP.
#[derive(Debug)]
pub struct LoadedConfig {
    /// The configuration that the service starts with.
    pub config: Config,
    /// Its source.
    pub source: ConfigSource,
}

/// Serves until SIGTERM or SIGINT, then drains. SIGHUP reloads the configuration. Needs an actix system.
///
/// # Errors
/// When the service cannot start.
pub async fn run(
    loaded: LoadedConfig,
    log: &telemetry::LogHandle,
    secrets: &Secrets,
    mode: Mode,
) -> Result<(), ServerError> {
    let LoadedConfig { config, mut source } = loaded;
    let mut signals = Signals::new()?;
    // Held until the process ends.
    let _lock = DatabaseLock::acquire(&config.database.url)?;
    check_open_files_limit(&config);
    let mut service = Service::start(&config, secrets, mode).await?;
    systemd::ready(service.addr());
    loop {
        tokio::select! {
            _ = signals.hangup.recv() => service.reload_from(&mut source, log),
            _ = signals.terminate.recv() => break info!("SIGTERM: draining"),
            _ = signals.interrupt.recv() => break info!("SIGINT: draining"),
        }
    }
    systemd::stopping(service.shutdown_grace(), service.open_sockets());
    let mut stop = pin!(service.stop());
    loop {
        tokio::select! {
            () = &mut stop => break info!("stopped"),
            _ = signals.terminate.recv() => exit_now(),
            _ = signals.interrupt.recv() => exit_now(),
            _ = signals.hangup.recv() => info!("SIGHUP: nothing is changed: draining"),
        }
    }
    Ok(())
}

/// Ends the process. Acknowledged mutations are on disk, so nothing is lost.
fn exit_now() -> ! {
    warn!("second signal: exiting now");
    process::exit(1)
}
