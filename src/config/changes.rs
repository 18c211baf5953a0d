//! What is different in another configuration, and how much of it a running service takes over.

use std::fmt;

use toml::{Table, Value};

use super::{Config, Server, Telemetry};

/// A key with another value, as it is shown to those who run the service: without passwords.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The key in dotted form.
    pub key: String,
    /// What it was.
    pub from: String,
    /// What it is.
    pub to: String,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, from, to } = self;
        match from == to {
            true => write!(f, "{key}: {from} with another password"),
            false => write!(f, "{key}: {from} -> {to}"),
        }
    }
}

impl Config {
    /// This configuration with all of another that a service can take over while it runs. The rest has to wait for a
    /// restart: what is bound or opened at the start, whose sessions count, and what clients were told when they came.
    pub fn adopt(&self, other: &Self) -> Self {
        Self {
            server: Server {
                bind: self.server.bind,
                ..other.server.clone()
            },
            actors: other.actors.clone(),
            journal: other.journal.clone(),
            limits: other.limits.clone(),
            telemetry: Telemetry {
                log_format: self.telemetry.log_format,
                ..other.telemetry.clone()
            },
            ..self.clone()
        }
    }

    /// What is different in another configuration, key by key.
    pub fn changes(&self, other: &Self) -> Vec<Change> {
        let (before, after) = (self.table(), other.table());
        let keys = before.iter().flat_map(|(section, keys)| {
            let keys = keys.as_table().into_iter().flatten();
            keys.map(move |(key, value)| (section, key, value))
        });
        keys.filter_map(|(section, key, from)| {
            let (to, key) = (&after[section][key], format!("{section}.{key}"));
            let is_another = from != to || self.hides_another(other, &key);
            let [from, to] = [from, to].map(Value::to_string);
            is_another.then_some(Change { key, from, to })
        })
        .collect()
    }

    /// Whether the value of a key that does not show all of it is another.
    fn hides_another(&self, other: &Self, key: &str) -> bool {
        match key {
            "database.url" => self.database.url != other.database.url,
            "auth.database_url" => self.auth.database_url != other.auth.database_url,
            _ => false,
        }
    }

    fn table(&self) -> Table {
        Table::try_from(self).expect("every section is a table of plain values")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(text: &str) -> (Config, Config) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let other = Config::load(Some(file.path()), [("HOME", "/")]).unwrap();
        (Config::default(), other)
    }

    fn lines(from: &Config, to: &Config) -> Vec<String> {
        let changes = from.changes(to);
        changes.iter().map(Change::to_string).collect()
    }

    #[test]
    fn a_change_reads_as_the_file_does() {
        let (before, after) = changed(
            "[server]\nallowed_origins = [\"https://a.example\"]\n[actors]\nvault_idle = \"90s\"\n\
             [limits]\nsockets = 7\n",
        );
        assert_eq!(
            lines(&before, &after),
            [
                r#"actors.vault_idle: "5m" -> "1m 30s""#,
                "limits.sockets: 0 -> 7",
                r#"server.allowed_origins: [] -> ["https://a.example"]"#,
            ]
        );
        assert!(lines(&after, &after).is_empty());
    }

    #[test]
    fn a_password_is_a_change_and_is_not_shown() {
        let url = |password| format!("[database]\nurl = \"postgres://ana:{password}@db/v\"\n");
        let (_, before) = changed(&url("hunter1"));
        let (_, after) = changed(&url("hunter2"));
        assert_eq!(
            lines(&before, &after),
            [r#"database.url: "postgres://ana:***@db/v" with another password"#]
        );
    }

    #[test]
    fn what_was_opened_at_the_start_is_not_taken_over_and_the_rest_is() {
        let (before, after) = changed(
            "[server]\nbind = \"127.0.0.1:1\"\nmax_body = 5\ndrain_rate = 9\n[admin]\nbind = \"\"\n\
             [auth]\nrecheck = \"1s\"\n[socketio]\nping_interval = \"1s\"\n[actors]\ncommit_batch = 1\n\
             [journal]\nretain_events = 1\n[limits]\nsockets = 7\n[database]\nmigrate = false\n",
        );
        let keys = |from: &Config, to: &Config| -> Vec<_> {
            from.changes(to)
                .into_iter()
                .map(|change| change.key)
                .collect()
        };
        let adopted = before.adopt(&after);
        assert_eq!(
            keys(&before, &adopted),
            [
                "actors.commit_batch",
                "journal.retain_events",
                "limits.sockets",
                "server.drain_rate",
                "server.max_body",
            ]
        );
        assert_eq!(
            keys(&adopted, &after),
            [
                "admin.bind",
                "auth.recheck",
                "database.migrate",
                "server.bind",
                "socketio.ping_interval",
            ]
        );
    }
}
