//! The bounds in effect, for `GET /bounds`: each bounded queue, limit and timeout with its key, its metrics and its outcome.

mod draft;
mod limits;
mod queues;

use crate::{api::BoundDefinition, config::Config};

use limits::{of_journal, of_limits, of_sockets};
use queues::{of_claims, of_connections, of_queues};

/// Returns the bounds of this configuration, in the order in which a mutation and its events pass them.
pub(super) fn effective_bounds(config: &Config) -> Vec<BoundDefinition> {
    let sections = [
        of_connections(&config.server),
        of_queues(&config.actors),
        of_claims(),
        of_sockets(&config.socketio),
        of_limits(&config.limits),
        of_journal(&config.journal),
    ];
    sections.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, time::Duration};

    use toml::Table;

    use crate::api::BoundValue;

    use super::*;

    fn keys() -> Vec<&'static str> {
        let bounds = effective_bounds(&Config::default());
        bounds.iter().filter_map(|bound| bound.key).collect()
    }

    #[test]
    fn every_key_of_a_section_that_only_has_bounds_is_listed_once() {
        let config: Table = Config::default().to_string().parse().unwrap();
        let listed = keys();
        let unique: BTreeSet<_> = listed.iter().collect();
        assert_eq!(unique.len(), listed.len());
        for section in ["actors", "journal", "limits"] {
            for key in config[section].as_table().unwrap().keys() {
                let key = format!("{section}.{key}");
                assert!(listed.contains(&key.as_str()), "{key}");
            }
        }
    }

    #[test]
    fn every_listed_key_exists() {
        let config: Table = Config::default().to_string().parse().unwrap();
        for key in keys() {
            let (section, name) = key.split_once('.').unwrap();
            assert!(config[section].get(name).is_some(), "{key}");
        }
    }

    #[test]
    fn values_are_those_of_the_configuration() {
        let mut config = Config::default();
        config.actors.vault_mailbox = 7;
        config.actors.join_timeout = Duration::from_millis(1500);
        config.limits.reads_per_second = 0;
        let bounds = effective_bounds(&config);
        let value = |key| {
            let found = bounds.iter().find(|bound| bound.key == Some(key));
            found.unwrap().value
        };
        assert_eq!(value("actors.vault_mailbox"), BoundValue::Limit(7.0));
        assert_eq!(value("actors.join_timeout"), BoundValue::Limit(1.5));
        assert_eq!(value("limits.reads_per_second"), BoundValue::Unlimited);
    }
}
