//! Builds a [`Config`] from its layers and checks the rules that concern more than one key.

use std::path::Path;

use figment::Figment;
use figment::providers::Serialized;
use figment::value::Value;

use super::effective::Config;
use super::environment::EnvironmentLayers;
use super::error::ConfigError;
use super::layer::Layer;

/// The file that is read if none is named.
pub const DEFAULT_FILE: &str = "config.toml";

/// The variables of the demo. They override the file, and variables of the environment override them.
const DEMO_VARIABLES: [(&str, &str); 2] = [
    ("DATABASE_URL", "sqlite://vaultcast-demo.db"),
    ("VAULTCAST__SERVER__PAGE", "true"),
];

impl Config {
    /// Reads the configuration: the built-in defaults, over them `file`, over that the variables of `env`.
    ///
    /// A named `file` must exist. Without one, `config.toml` of the working directory is read if it exists.
    ///
    /// # Errors
    /// [`ConfigError`] for the first file, key or value that cannot be used.
    pub fn load<K, V>(
        file: Option<&Path>,
        env: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, ConfigError>
    where
        K: AsRef<str>,
        V: AsRef<str>,
    {
        let environment = EnvironmentLayers::read(env)?;
        let mut layers = match file {
            Some(file) => vec![Layer::read_file(file)?],
            None => Vec::from_iter(Layer::read_file_if_present(Path::new(DEFAULT_FILE))?),
        };
        layers.extend(environment.keys);
        layers.extend(environment.database_url);
        layers.extend(environment.rust_log);
        let mut config = merge(layers)?;
        if let Some(port) = environment.port {
            config.server.bind.set_port(parse_port(&port)?);
        }
        Ok(config)
    }

    /// Reads the configuration of `vaultcast demo`: as [`Config::load`], but with the app at `/`, and with a separate demo
    /// database unless `DATABASE_URL` names one.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn load_for_demo<K, V>(
        file: Option<&Path>,
        env: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, ConfigError>
    where
        K: AsRef<str>,
        V: AsRef<str>,
    {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let env = env
            .into_iter()
            .map(|(name, value)| owned((name.as_ref(), value.as_ref())));
        // The last of two variables with one name wins.
        Self::load(file, DEMO_VARIABLES.into_iter().map(owned).chain(env))
    }
}

/// Merges the layers over the defaults and checks every key.
fn merge(layers: Vec<Layer>) -> Result<Config, ConfigError> {
    let defaults = Value::serialize(Config::default()).map_err(ConfigError::from_figment)?;
    let known = defaults
        .into_dict()
        .expect("a configuration serializes to a table of sections");
    let mut figment = Figment::from(Serialized::defaults(Config::default()));
    for layer in layers {
        layer.check_keys(&known)?;
        figment = figment.merge(layer);
    }
    let config: Config = figment.extract().map_err(ConfigError::from_figment)?;
    if config.server.drain_delay >= config.server.shutdown_grace {
        return Err(ConfigError::drain_delay_too_long(&config.server, &figment));
    }
    if config.database.url.sqlite_file().is_some() && config.cluster.bus.needs_postgres() {
        return Err(ConfigError::bus_without_postgres(&config.cluster, &figment));
    }
    Ok(config)
}

/// Parses `PORT`. Parsing as `u16` alone would accept `+80` too.
fn parse_port(text: &str) -> Result<u16, ConfigError> {
    let port = text
        .parse()
        .ok()
        .filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    port.ok_or_else(|| ConfigError::Invalid {
        key: "server.bind".to_owned(),
        problem: format!("{text:?} is not a port from 0 to 65535"),
        origin: "PORT".to_owned(),
    })
}
