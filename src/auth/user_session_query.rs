//! The query for sessions and their users in the tables of an application.
//!
//! Every column is read as text, whatever its type. Only the columns by which rows are found are compared in their own
//! types, so that their indexes are used.

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, Statement, Value};

use super::user_session_lookups::MAX_BATCH;
use crate::config::{AuthConfig, ColumnName, TableName};

/// The numbers of tokens in a statement.
const STATEMENT_SIZES: [usize; 3] = [1, 8, MAX_BATCH];

/// Matches every UUID that PostgreSQL writes.
const UUID_PATTERN: &str = "'^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$'";

/// The query for sessions and their users by the tokens of the sessions.
#[derive(Clone, Debug)]
pub(super) struct UserSessionQuery {
    backend: DbBackend,
    /// Selects from the table `wanted` of tokens, each with its index.
    select: String,
}

/// The types of the columns by which rows are found, of their base types for domains. SQLite compares values of all types.
#[derive(Clone, Debug, Default)]
struct KeyTypes {
    token: String,
    session_user: String,
    user_id: String,
}

impl UserSessionQuery {
    /// Returns the query for the configured tables. Reads the types of their columns from PostgreSQL.
    pub(super) async fn prepare(
        config: &AuthConfig,
        db: &DatabaseConnection,
    ) -> Result<Self, DbErr> {
        let backend = db.get_database_backend();
        let types = match backend {
            DbBackend::Postgres => KeyTypes::read(config, db).await?,
            _ => KeyTypes::default(),
        };
        Ok(Self::new(config, backend, &types))
    }

    fn new(config: &AuthConfig, backend: DbBackend, types: &KeyTypes) -> Self {
        let [token, user, expires] = config.session_columns.each_ref().map(quote_column);
        let [id, name, email] = config.user_columns.each_ref().map(quote_column);
        let (sessions, users) = (
            quote_table(&config.session_table),
            quote_table(&config.user_table),
        );
        let is_token = types.is_token(&format!("s.{token}"));
        let is_user = types.is_user(&format!("u.{id}"), &format!("s.{user}"));
        let select = format!(
            "SELECT wanted.n AS n, CAST(u.{id} AS text) AS id, CAST(u.{name} AS text) AS name, \
             CAST(u.{email} AS text) AS email, CAST(s.{expires} AS text) AS expires \
             FROM wanted JOIN {sessions} AS s ON {is_token} JOIN {users} AS u ON {is_user}"
        );
        Self { backend, select }
    }

    /// Returns the statement for these tokens. The last one is repeated up to a number of tokens for which the database
    /// has a prepared statement.
    pub(super) fn statement(&self, mut tokens: Vec<String>) -> Statement {
        let size = STATEMENT_SIZES
            .into_iter()
            .find(|size| *size >= tokens.len());
        let last = tokens.last().cloned().unwrap_or_default();
        tokens.resize(size.unwrap_or(tokens.len()), last);
        let placeholder = |n: usize| match self.backend {
            DbBackend::Postgres => format!("('{n}', ${})", n + 1),
            _ => format!("('{n}', ?)"),
        };
        let rows: Vec<_> = (0..tokens.len()).map(placeholder).collect();
        let (rows, select) = (rows.join(", "), &self.select);
        let sql = format!("WITH wanted(n, token) AS (VALUES {rows}) {select}");
        let values = tokens.into_iter().map(Value::from);
        Statement::from_sql_and_values(self.backend, sql, values)
    }
}

impl KeyTypes {
    async fn read(config: &AuthConfig, db: &DatabaseConnection) -> Result<Self, DbErr> {
        let type_of = |column: &ColumnName, table: &TableName| {
            let (column, table) = (quote_column(column), quote_table(table));
            format!(
                "(SELECT format_type(CASE typtype WHEN 'd' THEN typbasetype ELSE oid END, NULL) FROM pg_type \
                 WHERE oid = pg_typeof((SELECT t.{column} FROM {table} AS t LIMIT 0)))"
            )
        };
        let [token, user, _] = &config.session_columns;
        let [id, ..] = &config.user_columns;
        let (sessions, users) = (&config.session_table, &config.user_table);
        let (token, user, id) = (
            type_of(token, sessions),
            type_of(user, sessions),
            type_of(id, users),
        );
        let sql = format!("SELECT {token} AS token, {user} AS session_user_id, {id} AS user_id");
        let row = db
            .query_one_raw(Statement::from_string(DbBackend::Postgres, sql))
            .await?;
        let row = row.ok_or_else(|| DbErr::RecordNotFound("the types of columns".to_owned()))?;
        Ok(Self {
            token: row.try_get("", "token")?,
            session_user: row.try_get("", "session_user_id")?,
            user_id: row.try_get("", "user_id")?,
        })
    }

    /// Returns the condition that a column contains the wanted token.
    fn is_token(&self, column: &str) -> String {
        match self.token.as_str() {
            "uuid" => format!(
                "{column} = CASE WHEN wanted.token ~ {UUID_PATTERN} THEN CAST(wanted.token AS uuid) END"
            ),
            name if is_text(name) || name.is_empty() => format!("{column} = wanted.token"),
            _ => format!("CAST({column} AS text) = wanted.token"),
        }
    }

    /// Returns the condition that the columns contain the same user id.
    fn is_user(&self, id: &str, user: &str) -> String {
        let (left, right) = (self.user_id.as_str(), self.session_user.as_str());
        let are_comparable = left == right
            || is_text(left) && is_text(right)
            || is_integer(left) && is_integer(right);
        match are_comparable {
            true => format!("{id} = {user}"),
            false => format!("CAST({id} AS text) = CAST({user} AS text)"),
        }
    }
}

fn is_text(name: &str) -> bool {
    matches!(name, "text" | "character varying" | "character" | "name") || name.ends_with("citext")
}

fn is_integer(name: &str) -> bool {
    matches!(name, "smallint" | "integer" | "bigint")
}

fn quote_table(name: &TableName) -> String {
    let parts: Vec<_> = name.as_str().split('.').map(quote).collect();
    parts.join(".")
}

fn quote_column(name: &ColumnName) -> String {
    quote(name.as_str())
}

/// Quotes an identifier, which keeps its case. [`TableName`] and [`ColumnName`] cannot contain a quotation mark.
fn quote(name: &str) -> String {
    format!("\"{name}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(config: &AuthConfig, backend: DbBackend) -> UserSessionQuery {
        UserSessionQuery::new(config, backend, &KeyTypes::default())
    }

    #[test]
    fn query_uses_the_configured_tables_and_columns() {
        let config = AuthConfig {
            session_table: "auth.sessions".parse().unwrap(),
            session_columns: ["session_token", "user_id", "ends"].map(|name| name.parse().unwrap()),
            ..AuthConfig::default()
        };
        let statement = query(&config, DbBackend::Sqlite).statement(vec!["a".to_owned()]);
        assert_eq!(
            statement.sql,
            r#"WITH wanted(n, token) AS (VALUES ('0', ?)) SELECT wanted.n AS n, CAST(u."id" AS text) AS id, CAST(u."name" AS text) AS name, CAST(u."email" AS text) AS email, CAST(s."ends" AS text) AS expires FROM wanted JOIN "auth"."sessions" AS s ON s."session_token" = wanted.token JOIN "User" AS u ON u."id" = s."user_id""#
        );
    }

    #[test]
    fn statements_have_few_sizes_and_repeat_the_last_token() {
        let query = query(&AuthConfig::default(), DbBackend::Postgres);
        for (tokens, size) in [
            (1, 1),
            (2, 8),
            (8, 8),
            (9, MAX_BATCH),
            (MAX_BATCH, MAX_BATCH),
        ] {
            let tokens: Vec<_> = (0..tokens).map(|n| n.to_string()).collect();
            let last = tokens.last().cloned().map(Value::from);
            let statement = query.statement(tokens);
            let values = statement.values.unwrap().0;
            assert_eq!((values.len(), values.last()), (size, last.as_ref()));
            let rows = format!("('{}', ${size})) SELECT", size - 1);
            assert!(statement.sql.contains(&rows), "{}", statement.sql);
        }
    }
}
