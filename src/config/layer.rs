//! One layer of settings: some values and the place where they were set.
//!
//! figment merges the layers and remembers for each value the layer that it came from. Unknown keys are rejected per
//! layer before the merge, against the built-in defaults, which contain every key.

use std::io::ErrorKind;
use std::path::Path;

use figment::util::nest;
use figment::value::{Dict, Map, Value};
use figment::{Metadata, Profile, Provider};

use super::error::ConfigError;
use super::field::display_value;

/// Some values and the file or variable that set them.
pub(super) struct Layer {
    origin: String,
    values: Dict,
}

impl Layer {
    /// Returns the layer of the variable `name`, which sets `key` (in dotted form).
    pub(super) fn from_variable(name: &str, key: &str, value: Value) -> Self {
        let values = match nest(key, value) {
            Value::Dict(_, values) => values,
            // Only an empty key is not nested in a dictionary.
            value => Dict::from([(String::new(), value)]),
        };
        Self {
            origin: name.to_owned(),
            values,
        }
    }

    /// Reads the layer of a TOML file.
    pub(super) fn read_file(path: &Path) -> Result<Self, ConfigError> {
        let file = path.display().to_string();
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(source) => return Err(ConfigError::Unreadable { file, source }),
        };
        match toml::from_str(&text) {
            Ok(values) => Ok(Self {
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

    /// Reads the layer of a TOML file; `None` if the file does not exist.
    pub(super) fn read_file_if_present(path: &Path) -> Result<Option<Self>, ConfigError> {
        match Self::read_file(path) {
            Ok(layer) => Ok(Some(layer)),
            Err(ConfigError::Unreadable { source, .. }) if source.kind() == ErrorKind::NotFound => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Rejects the first key that is not in `known`.
    pub(super) fn check_keys(&self, known: &Dict) -> Result<(), ConfigError> {
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
                    problem: format!("{} is not a section with keys", display_value(value)),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_default_file_is_not_a_layer() {
        let directory = tempfile::tempdir().unwrap();
        let layer = Layer::read_file_if_present(&directory.path().join("config.toml"));
        assert!(layer.unwrap().is_none());
    }

    #[test]
    fn malformed_default_file_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("config.toml");
        std::fs::write(&file, "[server\n").unwrap();
        assert!(matches!(
            Layer::read_file_if_present(&file),
            Err(ConfigError::Malformed { line: 1, .. })
        ));
    }
}
