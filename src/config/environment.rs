//! The layers that environment variables set. Each variable is a layer of its own, so that an error can name it.

use super::error::ConfigError;
use super::field::{display_value, flaw_at_end};
use super::layer::Layer;

const PREFIX: &str = "VAULTCAST__";

/// Returns the environment of the process in the form that [`Config::load`](super::Config::load) takes.
///
/// A value that is not Unicode is converted with replacement characters, as by Node.js: the check of a setting then fails by
/// name, while dropping it would ignore the setting.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().map(|(name, value)| {
        (
            name.to_string_lossy().into_owned(),
            value.to_string_lossy().into_owned(),
        )
    })
}

/// The settings in the environment.
#[derive(Default)]
pub(super) struct EnvironmentLayers {
    /// One layer for each `VAULTCAST__…` variable.
    pub keys: Vec<Layer>,
    pub database_url: Option<Layer>,
    pub rust_log: Option<Layer>,
    pub port: Option<String>,
}

impl EnvironmentLayers {
    /// Collects the variables that set a key.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] for a value that is not Unicode, or has a blank or a control character at an end.
    pub(super) fn read<K: AsRef<str>, V: AsRef<str>>(
        env: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, ConfigError> {
        let mut layers = Self::default();
        for (name, value) in env {
            let (name, value) = (name.as_ref(), value.as_ref());
            match name {
                // Hosting platforms and compose files set these to "" for "not set".
                "DATABASE_URL" | "PORT" | "RUST_LOG" if value.is_empty() => {}
                // The URL is taken literally; parsing would apply figment's notation for values.
                "DATABASE_URL" => {
                    check(name, "database.url", value)?;
                    layers.database_url =
                        Some(Layer::from_variable(name, "database.url", value.into()));
                }
                "RUST_LOG" => {
                    check(name, "telemetry.log_level", value)?;
                    layers.rust_log = Some(Layer::from_variable(
                        name,
                        "telemetry.log_level",
                        value.into(),
                    ));
                }
                "PORT" => {
                    check(name, "server.bind", value)?;
                    layers.port = Some(value.to_owned());
                }
                _ => {
                    if let Some(key) = name.strip_prefix(PREFIX) {
                        let key = key.to_ascii_lowercase().replace("__", ".");
                        check(name, &key, value)?;
                        let Ok(value) = value.parse();
                        layers.keys.push(Layer::from_variable(name, &key, value));
                    }
                }
            }
        }
        Ok(layers)
    }
}

/// Rejects a value that was probably not set as intended. The parser of a list or number would drop a line break.
fn check(variable: &str, key: &str, value: &str) -> Result<(), ConfigError> {
    let problem = match flaw_at_end(value) {
        Some(flaw) => flaw,
        None if value.contains('\u{fffd}') => "is not UTF-8",
        None => return Ok(()),
    };
    Err(ConfigError::Invalid {
        key: key.to_owned(),
        problem: format!("{} {problem}", display_value(&value.into())),
        origin: variable.to_owned(),
    })
}
