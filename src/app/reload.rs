//! Tuning a running service: the configuration is read again, checked as a whole and compared with what is in effect. What
//! can be taken over is set in the rooms that it bounds, for everybody who is there and without anybody being sent away;
//! the rest waits for a restart. Those who run the service are told every key that is another.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tracing::{info, warn};

use crate::{
    config::{Change, Config, ConfigError, Source},
    engineio::OutboxBounds,
    gateway,
    limits::Limits,
    origin::Origins,
    proxies::Proxies,
    telemetry,
    vault::Vaults,
};

use super::{Service, retention, vault_options};

/// What was different in a configuration that was read again.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// What is in effect now.
    pub applied: Vec<Change>,
    /// What needs a restart, now or since an earlier time.
    pub waiting: Vec<Change>,
}

/// Everything that can be set anew while the service runs.
pub(super) struct Tunable {
    pub vaults: Vaults,
    pub limits: Limits,
    pub origins: Origins,
    pub proxies: Proxies,
    pub max_body: Arc<AtomicUsize>,
    pub outbox: OutboxBounds,
    pub gateways: gateway::Bounds,
}

impl Tunable {
    /// Sets all of it as this configuration says. What a stop goes by is read when it comes.
    fn retune(&self, config: &Config) {
        let Config {
            server,
            actors,
            limits,
            ..
        } = config;
        self.vaults.retune(vault_options(config));
        self.vaults.journal().retain(retention(config));
        self.gateways
            .retune(actors.relay_mailbox, actors.join_timeout);
        self.outbox
            .retune(actors.session_outbox, actors.session_outbox_bytes);
        self.limits.retune(limits);
        self.origins.retune(&server.allowed_origins);
        self.proxies.retune(&server.trusted_proxies);
        self.max_body.store(server.max_body, Ordering::Relaxed);
    }
}

impl Service {
    /// Takes over what can be of another configuration.
    ///
    /// # Errors
    /// When the service could not have been started with it; nothing is changed then.
    pub fn reload(&mut self, wanted: &Config) -> Result<Reloaded, ConfigError> {
        for reason in &self.loopback_only {
            wanted.require_loopback(*reason)?;
        }
        let adopted = self.config.adopt(wanted);
        let reloaded = Reloaded {
            applied: self.config.changes(&adopted),
            waiting: adopted.changes(wanted),
        };
        self.tunable.retune(&adopted);
        self.config = adopted;
        Ok(reloaded)
    }

    /// Reads the configuration again and takes over what can be, as SIGHUP asks for. What came of it is logged.
    pub(super) fn reload_from(&mut self, source: &mut Source, log: &telemetry::Handle) {
        let reloaded = source.read().and_then(|wanted| self.reload(&wanted));
        // By the level of before where it shows them, else by that of from here on.
        let shows = tracing::enabled!(tracing::Level::INFO);
        if !shows {
            log.apply(&self.config.telemetry);
        }
        match (reloaded, source.file()) {
            (Err(error), _) => warn!("SIGHUP: nothing is changed: {error}"),
            (Ok(reloaded), _) if reloaded != Reloaded::default() => tell(&reloaded),
            (Ok(_), Some(file)) => {
                let file = file.display();
                info!(
                    "SIGHUP: nothing is changed: {file} says what is in effect, or variables override it"
                );
            }
            (Ok(_), None) => info!(
                "SIGHUP: nothing is changed: there is no configuration file, and the environment of a running process stays as it is"
            ),
        }
        if shows {
            log.apply(&self.config.telemetry);
        }
    }
}

/// A line for each key, for those who compare it with what they meant.
fn tell(reloaded: &Reloaded) {
    for change in &reloaded.applied {
        info!("SIGHUP: {change}");
    }
    for change in &reloaded.waiting {
        warn!("SIGHUP: {change} needs a restart");
    }
}
