//! The SQL that reads a table of the application.
//!
//! Every column is read as text, whatever its type. Rows are sorted by the bytes of their ids, so that the tables can be merged
//! by vault, and within a vault by time of creation, which becomes the order of its sources.

use sea_orm::DbBackend;

use crate::config::{ImportConfig, TableName};

use super::application_table::ApplicationTable;

/// Returns the name of the temporary copy, or of the cursor, of a table.
pub(super) fn copy_name(table: ApplicationTable) -> String {
    format!("vaultcast_import_{}", table.plural())
}

/// Returns the query for all rows of a table. `columns` are those that it has; the others are NULL.
pub(super) fn select_all(
    backend: DbBackend,
    table: ApplicationTable,
    config: &ImportConfig,
    columns: &[Option<String>],
) -> String {
    let selected = columns.iter().enumerate().map(|(n, column)| match column {
        Some(name) => format!("CAST({} AS text) AS c{n}", quote(name)),
        None => format!("CAST(NULL AS text) AS c{n}"),
    });
    let order = table.order().iter().filter_map(|position| {
        let name = quote(columns[*position].as_deref()?);
        let is_time = *position == table.created_at();
        Some(sort_key(backend, &name, is_time))
    });
    format!(
        "SELECT {} FROM {} ORDER BY {}",
        selected.collect::<Vec<_>>().join(", "),
        quote_table(table.name(config)),
        order.collect::<Vec<_>>().join(", ")
    )
}

/// Returns the expression by which rows are sorted.
fn sort_key(backend: DbBackend, column: &str, is_time: bool) -> String {
    match (backend, is_time) {
        // A column of SQLite may contain numbers (milliseconds, as Prisma writes them) beside texts.
        (DbBackend::Sqlite, true) => format!(
            "CASE WHEN typeof({column}) IN ('integer', 'real') THEN {column} \
             ELSE (julianday({column}) - 2440587.5) * 86400000 END"
        ),
        (DbBackend::Sqlite, false) => format!("CAST({column} AS text) COLLATE BINARY"),
        (_, true) => column.to_owned(),
        (_, false) => format!("CAST({column} AS text) COLLATE \"C\""),
    }
}

/// Quotes the name of a table, with its schema.
pub(super) fn quote_table(name: &TableName) -> String {
    let parts: Vec<_> = name.as_str().split('.').map(quote).collect();
    parts.join(".")
}

/// Quotes an identifier, which keeps its case. The names of columns come from the database and may contain any character.
fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn select(backend: DbBackend, columns: &[Option<&str>]) -> String {
        let columns: Vec<_> = columns.iter().map(|name| name.map(str::to_owned)).collect();
        let config = ImportConfig {
            member_table: "app.VaultUser".parse().unwrap(),
            ..ImportConfig::default()
        };
        select_all(backend, ApplicationTable::Members, &config, &columns)
    }

    #[test]
    fn rows_are_read_as_text_in_the_order_of_vault_time_and_id() {
        let all = [
            Some("id"),
            Some("vault"),
            Some("user"),
            Some("role"),
            Some("at"),
            None,
        ];
        assert_eq!(
            select(DbBackend::Postgres, &all),
            "SELECT CAST(\"id\" AS text) AS c0, CAST(\"vault\" AS text) AS c1, CAST(\"user\" AS text) AS c2, \
             CAST(\"role\" AS text) AS c3, CAST(\"at\" AS text) AS c4, CAST(NULL AS text) AS c5 \
             FROM \"app\".\"VaultUser\" ORDER BY CAST(\"vault\" AS text) COLLATE \"C\", \"at\", CAST(\"id\" AS text) COLLATE \"C\""
        );
    }

    #[test]
    fn column_that_the_table_lacks_sorts_nothing() {
        let some = [None, Some("vault"), Some("user"), Some("role"), None, None];
        let sql = select(DbBackend::Sqlite, &some);
        assert!(
            sql.ends_with("ORDER BY CAST(\"vault\" AS text) COLLATE BINARY"),
            "{sql}"
        );
    }
}
