//! The settings of a PostgreSQL session, which a role or a database may have set to other values (`ALTER ROLE … SET`).
//!
//! They are SQL commands instead of startup parameters, because a pooler such as PgBouncer refuses or drops those. The driver
//! itself sets `client_encoding`, `DateStyle` and `TimeZone`.

use std::sync::Arc;

use sea_orm::sqlx::{self, AssertSqlSafe, Executor, PgConnection};
use tokio::sync::Notify;

use super::deadlines::{ANSWER_DEADLINE, TIMEOUT};

/// Timeouts of the server that are turned off. Older servers lack some of them.
const SERVER_TIMEOUTS: [&str; 3] = [
    "statement_timeout",
    "transaction_timeout",
    "idle_session_timeout",
];

/// SQL commands that run once on each new PostgreSQL connection.
#[derive(Clone, Debug)]
pub struct SessionSettings {
    commands: String,
    /// Is notified of each new connection.
    connected: Option<Arc<Notify>>,
}

/// Where the tables of the application are searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SearchOrder {
    /// In the schema of the URL, then along the search path of the database user.
    SchemaFirst,
    /// Along the search path of the database user, then in the schema of the URL.
    SchemaLast,
}

impl SessionSettings {
    /// Returns the settings for the tables of vaultcast: in `schema`, or in the first schema of the search path.
    ///
    /// Statements have deadlines of their own, so those of the server are off, and transactions need
    /// READ COMMITTED: a row that another node changes is read again once its lock is free.
    pub fn for_journal(schema: Option<&str>) -> Self {
        let search_path = schema.map(|name| {
            let name = quote_identifier(name);
            format!("SET search_path = {name}; ")
        });
        Self::new(format!(
            "{}SET lock_timeout = {}; SET idle_in_transaction_session_timeout = {}; \
             SET default_transaction_isolation = 'read committed'; SET standard_conforming_strings = on{}",
            search_path.unwrap_or_default(),
            TIMEOUT.as_millis(),
            // The server releases the locks of a client that has vanished.
            ANSWER_DEADLINE.as_millis(),
            SERVER_TIMEOUTS.map(turn_off).concat(),
        ))
    }

    /// Returns the settings for the tables of an application, or `None` if nothing is to be set.
    pub fn for_application(schema: Option<&str>, order: SearchOrder) -> Option<Self> {
        let schema = quote_literal(&quote_identifier(schema?));
        let present = "NULLIF(current_setting('search_path'), '')";
        let search_path = match order {
            SearchOrder::SchemaFirst => format!("{schema}, {present}"),
            SearchOrder::SchemaLast => format!("{present}, {schema}"),
        };
        Some(Self::new(format!(
            "SELECT set_config('search_path', concat_ws(', ', {search_path}), false)"
        )))
    }

    fn new(commands: String) -> Self {
        let connected = None;
        Self {
            commands,
            connected,
        }
    }

    /// Returns settings that also report each connection to which they were applied.
    pub(super) fn reporting(self, connected: Arc<Notify>) -> Self {
        let connected = Some(connected);
        Self { connected, ..self }
    }

    /// Applies the settings to a connection.
    ///
    /// # Errors
    /// When the connection fails.
    pub async fn apply(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let commands = sqlx::raw_sql(AssertSqlSafe(self.commands.clone()));
        connection.execute(commands).await?;
        if let Some(connected) = &self.connected {
            connected.notify_one();
        }
        Ok(())
    }
}

/// Returns a further command that turns a timeout off, if the server has it.
fn turn_off(timeout: &str) -> String {
    format!(
        "; SELECT set_config('{timeout}', '0', false) WHERE current_setting('{timeout}', true) IS NOT NULL"
    )
}

/// Quotes an identifier, which keeps its case.
pub(super) fn quote_identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Quotes a text in a form that does not depend on `standard_conforming_strings`.
fn quote_literal(text: &str) -> String {
    let escaped = text.replace('\\', r"\\").replace('\'', r"\'");
    format!("E'{escaped}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schema_name_cannot_end_its_quotation() {
        let sql = SessionSettings::for_journal(Some(r#"a"; DROP"#)).commands;
        assert!(
            sql.starts_with(r#"SET search_path = "a""; DROP"; SET"#),
            "{sql}"
        );
        let settings = SessionSettings::for_application(Some(r"a'\"), SearchOrder::SchemaLast);
        let expected = r#"SELECT set_config('search_path', concat_ws(', ', NULLIF(current_setting('search_path'), ''), E'"a\'\\"'), false)"#;
        assert_eq!(settings.unwrap().commands, expected);
        assert!(SessionSettings::for_application(None, SearchOrder::SchemaFirst).is_none());
    }
}
