//! Reloads the configuration of a running service (SIGHUP).
//!
//! The new configuration is checked as a whole and compared with the effective one. Bounds, limits and origins apply at once
//! without closing a connection; other keys need a restart. The log names every changed key.

use tracing::{info, warn};

use crate::{
    config::{Config, ConfigChange, ConfigError, ConfigSource},
    telemetry,
};

use super::service::Service;

/// The keys that a reload found changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// Changes that are in effect now.
    pub applied: Vec<ConfigChange>,
    /// Changes that need a restart, from this or an earlier reload.
    pub waiting: Vec<ConfigChange>,
}

impl Service {
    /// Applies the changed keys of `wanted` that need no restart.
    ///
    /// # Errors
    /// When the service could not be started with `wanted`; nothing is changed then.
    pub fn reload(&mut self, wanted: &Config) -> Result<Reloaded, ConfigError> {
        for reason in &self.loopback_only {
            wanted.require_loopback(*reason)?;
        }
        let adopted = self.config.merge_reloadable(wanted);
        let reloaded = Reloaded {
            applied: self.config.changes_to(&adopted),
            waiting: adopted.changes_to(wanted),
        };
        self.reloadable.reconfigure(&adopted);
        self.config = adopted;
        Ok(reloaded)
    }

    /// Reads the configuration again, applies it and logs the result.
    pub(super) fn reload_from(&mut self, source: &mut ConfigSource, log: &telemetry::LogHandle) {
        let reloaded = source.read().and_then(|wanted| self.reload(&wanted));
        // The lines are logged under the old level if it shows them, otherwise under the new one.
        let old_level_shows = tracing::enabled!(tracing::Level::INFO);
        if !old_level_shows {
            log.apply(&self.config.telemetry);
        }
        match (reloaded, source.file()) {
            (Err(error), _) => warn!("SIGHUP: nothing is changed: {error}"),
            (Ok(reloaded), _) if reloaded != Reloaded::default() => log_changes(&reloaded),
            (Ok(_), Some(file)) => {
                let file = file.display();
                info!(
                    "SIGHUP: nothing is changed: {file} matches the effective configuration, or the environment overrides it"
                );
            }
            (Ok(_), None) => info!(
                "SIGHUP: nothing is changed: there is no configuration file, and the environment of a running process is fixed"
            ),
        }
        if old_level_shows {
            log.apply(&self.config.telemetry);
        }
    }
}

/// Logs one line per changed key.
fn log_changes(reloaded: &Reloaded) {
    for change in &reloaded.applied {
        info!("SIGHUP: {change}");
    }
    for change in &reloaded.waiting {
        warn!("SIGHUP: {change} needs a restart");
    }
}
