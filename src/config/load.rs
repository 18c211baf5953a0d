//! From file and environment to a [`Config`]: the layers, and the checks that need to know where a
//! value came from.
//!
//! figment merges the layers and remembers of each value which layer it is from. Every variable is
//! a layer of its own, so that a refusal can name it. Unknown keys are looked for in each layer by
//! itself, before the merge, against the built-in defaults, which hold every key there is.

use std::io::ErrorKind;
use std::path::Path;

use figment::providers::Serialized;
use figment::util::nest;
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};

use super::{Config, ConfigError, DEFAULT_FILE, Server};

const PREFIX: &str = "VAULTCAST__";
const DEMO_DATABASE: &str = "sqlite://vaultcast-demo.db";

pub(super) fn load<K, V>(
    file: Option<&Path>,
    env: impl IntoIterator<Item = (K, V)>,
) -> Result<Config, ConfigError>
where
    K: AsRef<str>,
    V: AsRef<str>,
{
    let variables = Variables::read(env);
    let mut layers = match file {
        Some(file) => vec![read_file(file)?],
        None => Vec::from_iter(read_if_there(Path::new(DEFAULT_FILE))?),
    };
    layers.extend(variables.keys);
    layers.extend(variables.database_url);
    layers.extend(variables.rust_log);
    let mut config = merge(layers)?;
    if let Some(port) = variables.port {
        config.server.bind.set_port(parse_port(&port)?);
    }
    Ok(config)
}

pub(super) fn load_for_demo<K, V>(
    file: Option<&Path>,
    env: impl IntoIterator<Item = (K, V)>,
) -> Result<Config, ConfigError>
where
    K: AsRef<str>,
    V: AsRef<str>,
{
    // What comes first of two equal names counts least, so that a real `DATABASE_URL` has the last
    // word.
    let demo = ("DATABASE_URL".to_owned(), DEMO_DATABASE.to_owned());
    let env = env
        .into_iter()
        .map(|(name, value)| (name.as_ref().to_owned(), value.as_ref().to_owned()));
    load(file, std::iter::once(demo).chain(env))
}

/// What the environment sets.
#[derive(Default)]
struct Variables {
    /// One layer for each `VAULTCAST__…`.
    keys: Vec<Layer>,
    database_url: Option<Layer>,
    rust_log: Option<Layer>,
    port: Option<String>,
}

impl Variables {
    fn read<K: AsRef<str>, V: AsRef<str>>(env: impl IntoIterator<Item = (K, V)>) -> Self {
        let mut variables = Self::default();
        for (name, value) in env {
            let (name, value) = (name.as_ref(), value.as_ref());
            match name {
                // Hosts and compose files leave these empty to say that they are not set.
                "DATABASE_URL" | "PORT" | "RUST_LOG" if value.is_empty() => {}
                // The URL is taken to the letter, and not as figment's notation for values.
                "DATABASE_URL" => {
                    variables.database_url =
                        Some(Layer::variable(name, "database.url", value.into()))
                }
                "RUST_LOG" => {
                    variables.rust_log =
                        Some(Layer::variable(name, "telemetry.log_level", value.into()))
                }
                "PORT" => variables.port = Some(value.to_owned()),
                _ => {
                    if let Some(key) = name.strip_prefix(PREFIX) {
                        let key = key.to_ascii_lowercase().replace("__", ".");
                        let Ok(value) = value.parse();
                        variables.keys.push(Layer::variable(name, &key, value));
                    }
                }
            }
        }
        variables
    }
}

/// Where some values were set, and the values.
struct Layer {
    origin: String,
    values: Dict,
}

impl Layer {
    fn variable(name: &str, key: &str, value: Value) -> Self {
        let values = match nest(key, value) {
            Value::Dict(_, values) => values,
            // Only the empty key nests nothing.
            value => Dict::from([(String::new(), value)]),
        };
        Self {
            origin: name.to_owned(),
            values,
        }
    }

    /// Refuses the first key that `known` does not have.
    fn check_keys(&self, known: &Dict) -> Result<(), ConfigError> {
        for (name, value) in &self.values {
            let unknown = |key| ConfigError::UnknownKey {
                key,
                origin: self.origin.clone(),
            };
            let section = known
                .get(name)
                .and_then(Value::as_dict)
                .ok_or_else(|| unknown(name.clone()))?;
            let Some(values) = value.as_dict() else {
                return Err(ConfigError::Invalid {
                    key: name.clone(),
                    problem: format!("{} is not a section with keys", super::values::shown(value)),
                    origin: self.origin.clone(),
                });
            };
            if let Some(key) = values.keys().find(|key| !section.contains_key(*key)) {
                return Err(unknown(format!("{name}.{key}")));
            }
        }
        Ok(())
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.origin.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Map::from([(Profile::Default, self.values.clone())]))
    }
}

/// The file's values, where there is such a file.
fn read_if_there(path: &Path) -> Result<Option<Layer>, ConfigError> {
    match read_file(path) {
        Ok(layer) => Ok(Some(layer)),
        Err(ConfigError::Unreadable { source, .. }) if source.kind() == ErrorKind::NotFound => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The file's values.
fn read_file(path: &Path) -> Result<Layer, ConfigError> {
    let file = path.display().to_string();
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(source) => return Err(ConfigError::Unreadable { file, source }),
    };
    match toml::from_str(&text) {
        Ok(values) => Ok(Layer {
            origin: file,
            values,
        }),
        Err(error) => {
            let before = error
                .span()
                .and_then(|span| text.get(..span.start))
                .unwrap_or_default();
            let line = 1 + before.matches('\n').count();
            let problem = error.message().replace('\n', ", ");
            Err(ConfigError::Malformed {
                file,
                line,
                problem,
            })
        }
    }
}

/// The layers over the defaults, each key checked.
fn merge(layers: Vec<Layer>) -> Result<Config, ConfigError> {
    let defaults = Value::serialize(Config::default()).map_err(ConfigError::from_figment)?;
    let known = defaults
        .into_dict()
        .expect("a configuration is a table of sections");
    let mut figment = Figment::from(Serialized::defaults(Config::default()));
    for layer in layers {
        layer.check_keys(&known)?;
        figment = figment.merge(layer);
    }
    let config: Config = figment.extract().map_err(ConfigError::from_figment)?;
    let Server {
        drain_delay,
        shutdown_grace,
        ..
    } = config.server;
    if drain_delay >= shutdown_grace {
        return Err(ConfigError::drains_too_late(
            drain_delay,
            shutdown_grace,
            &figment,
        ));
    }
    if config.socketio.allow_eio3 {
        return Err(ConfigError::unsupported(
            "socketio.allow_eio3",
            "true",
            &figment,
        ));
    }
    Ok(config)
}

/// Reads `PORT`. `u16` alone would take `+80` too.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_default_file_that_is_not_there_is_no_layer() {
        let directory = tempfile::tempdir().unwrap();
        assert!(
            read_if_there(&directory.path().join(DEFAULT_FILE))
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn a_default_file_that_is_there_but_wrong_is_not_passed_over() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join(DEFAULT_FILE);
        std::fs::write(&file, "[server\n").unwrap();
        assert!(matches!(
            read_if_there(&file),
            Err(ConfigError::Malformed { line: 1, .. })
        ));
    }
}
