//! The differences between two configurations, and which of them a running service can apply.

use std::fmt;

use toml::{Table, Value};

use super::effective::Config;
use super::server::ServerConfig;
use super::telemetry::TelemetryConfig;

/// A key with a changed value, displayed without passwords.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigChange {
    /// The key in dotted form.
    pub key: String,
    /// The value before.
    pub from: String,
    /// The value after.
    pub to: String,
}

impl fmt::Display for ConfigChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, from, to } = self;
        match from == to {
            true => write!(f, "{key}: {from} (password changed)"),
            false => write!(f, "{key}: {from} -> {to}"),
        }
    }
}

impl Config {
    /// Returns this configuration with the values of `other` for all keys that a running service can change. The other
    /// keys need a restart: the listeners and databases are open, sessions are already verified by `auth`, and the
    /// handshakes have sent the values of `socketio` to the clients.
    pub fn merge_reloadable(&self, other: &Self) -> Self {
        Self {
            server: ServerConfig {
                bind: self.server.bind,
                base_path: self.server.base_path.clone(),
                ..other.server.clone()
            },
            actors: other.actors.clone(),
            journal: other.journal.clone(),
            limits: other.limits.clone(),
            telemetry: TelemetryConfig {
                log_format: self.telemetry.log_format,
                ..other.telemetry.clone()
            },
            ..self.clone()
        }
    }

    /// Returns the keys whose values differ in `other`.
    pub fn changes_to(&self, other: &Self) -> Vec<ConfigChange> {
        let (before, after) = (self.to_table(), other.to_table());
        let keys = before.iter().flat_map(|(section, keys)| {
            let keys = keys.as_table().into_iter().flatten();
            keys.map(move |(key, value)| (section, key, value))
        });
        keys.filter_map(|(section, key, from)| {
            let (to, key) = (&after[section][key], format!("{section}.{key}"));
            let is_changed = from != to || self.differs_in_hidden_part(other, &key);
            let [from, to] = [from, to].map(Value::to_string);
            is_changed.then_some(ConfigChange { key, from, to })
        })
        .collect()
    }

    /// Returns whether a value that is displayed without its password differs.
    fn differs_in_hidden_part(&self, other: &Self, key: &str) -> bool {
        match key {
            "database.url" => self.database.url != other.database.url,
            "cluster.bus" => self.cluster.bus != other.cluster.bus,
            "auth.database_url" => self.auth.database_url != other.auth.database_url,
            _ => false,
        }
    }

    fn to_table(&self) -> Table {
        Table::try_from(self).expect("each section serializes to a TOML table")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Reload {
        before: Config,
        after: Config,
    }

    /// Returns the reload of a file with this text by a service that runs on the defaults.
    fn reload(text: &str) -> Reload {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let after = Config::load(Some(file.path()), [("HOME", "/")]).unwrap();
        Reload {
            before: Config::default(),
            after,
        }
    }

    fn displayed_changes(from: &Config, to: &Config) -> Vec<String> {
        let changes = from.changes_to(to);
        changes.iter().map(ConfigChange::to_string).collect()
    }

    #[test]
    fn change_is_displayed_in_the_syntax_of_the_file() {
        let Reload { before, after } = reload(
            "[server]\nallowed_origins = [\"https://a.example\"]\n[actors]\nvault_idle = \"90s\"\n\
             [limits]\nsockets = 7\n",
        );
        assert_eq!(
            displayed_changes(&before, &after),
            [
                r#"actors.vault_idle: "5m" -> "1m 30s""#,
                "limits.sockets: 0 -> 7",
                r#"server.allowed_origins: [] -> ["https://a.example"]"#,
            ]
        );
        assert!(displayed_changes(&after, &after).is_empty());
    }

    #[test]
    fn changed_password_is_reported_but_not_displayed() {
        let url = |password| format!("[database]\nurl = \"postgres://ana:{password}@db/v\"\n");
        let before = reload(&url("hunter1")).after;
        let after = reload(&url("hunter2")).after;
        assert_eq!(
            displayed_changes(&before, &after),
            [r#"database.url: "postgres://ana:***@db/v" (password changed)"#]
        );
    }

    #[test]
    fn reload_applies_all_keys_except_those_that_need_a_restart() {
        let Reload { before, after } = reload(
            "[server]\nbind = \"127.0.0.1:1\"\nbase_path = \"/v1\"\nmax_body = 5\ndrain_rate = 9\n[admin]\nbind = \"\"\n\
             [auth]\nrecheck = \"1s\"\n[socketio]\nping_interval = \"1s\"\n[actors]\ncommit_batch = 1\n\
             [journal]\nretain_events = 1\n[limits]\nsockets = 7\n[database]\nmigrate = false\n",
        );
        let keys = |from: &Config, to: &Config| -> Vec<_> {
            from.changes_to(to)
                .into_iter()
                .map(|change| change.key)
                .collect()
        };
        let merged = before.merge_reloadable(&after);
        assert_eq!(
            keys(&before, &merged),
            [
                "actors.commit_batch",
                "journal.retain_events",
                "limits.sockets",
                "server.drain_rate",
                "server.max_body",
            ]
        );
        assert_eq!(
            keys(&merged, &after),
            [
                "admin.bind",
                "auth.recheck",
                "database.migrate",
                "server.base_path",
                "server.bind",
                "socketio.ping_interval",
            ]
        );
    }
}
