//! Rows of a result, from each kind of connection.

use std::sync::Arc;

use entity::{event, head, idempotency_key, source, stored_socket, user, vault};
use rusqlite::types;
use sea_orm::{DbErr, QueryResult, TryGetable};

/// A row of a result. Values are taken out of it by the names of their columns.
pub(super) enum SqlRow {
    /// A row that sqlx has read.
    Driver(QueryResult),
    /// A row of the writing connection to SQLite.
    Sqlite(SqliteRow),
}

/// A row of the writing connection to SQLite.
pub(super) struct SqliteRow {
    /// The names of the columns.
    pub columns: Arc<[String]>,
    /// One value for each column.
    pub values: Vec<types::Value>,
}

impl SqlRow {
    /// Removes and returns the value of a column.
    ///
    /// # Errors
    /// When there is no such column, or it has a value of another type.
    pub(super) fn take<T: SqlColumn>(&mut self, name: &str) -> Result<T, DbErr> {
        match self {
            Self::Driver(row) => row.try_get("", name),
            Self::Sqlite(SqliteRow { columns, values }) => {
                let position = columns.iter().position(|column| column == name);
                let value = position.and_then(|position| values.get_mut(position));
                let value = value.ok_or_else(|| DbErr::Type(format!("no column {name:?}")))?;
                let (value, found) = (
                    std::mem::replace(value, types::Value::Null),
                    value.data_type(),
                );
                T::from_sqlite(value).ok_or_else(|| {
                    DbErr::Type(format!("column {name:?} has a value of type {found}"))
                })
            }
        }
    }
}

/// A type of a column of the journal: text or an integer, or one of them that may be absent.
pub(super) trait SqlColumn: TryGetable {
    /// Converts a value of SQLite: `None` for one of another type.
    fn from_sqlite(value: types::Value) -> Option<Self>;
}

impl SqlColumn for String {
    fn from_sqlite(value: types::Value) -> Option<Self> {
        match value {
            types::Value::Text(text) => Some(text),
            types::Value::Null
            | types::Value::Integer(_)
            | types::Value::Real(_)
            | types::Value::Blob(_) => None,
        }
    }
}

impl SqlColumn for i64 {
    fn from_sqlite(value: types::Value) -> Option<Self> {
        match value {
            types::Value::Integer(number) => Some(number),
            types::Value::Null
            | types::Value::Real(_)
            | types::Value::Text(_)
            | types::Value::Blob(_) => None,
        }
    }
}

impl<T: SqlColumn> SqlColumn for Option<T> {
    fn from_sqlite(value: types::Value) -> Option<Self> {
        match value {
            types::Value::Null => Some(None),
            value => T::from_sqlite(value).map(Some),
        }
    }
}

/// A type that is read from a row.
pub(super) trait FromSqlRow: Sized {
    /// The columns to select. A query names them, because a later version may add others: PostgreSQL refuses a prepared
    /// `SELECT *` whose result has changed.
    const COLUMNS: &'static str;

    /// Reads the row.
    ///
    /// # Errors
    /// When a column is missing or has a value of another type.
    fn from_row(row: SqlRow) -> Result<Self, DbErr>;
}

/// Implements [`FromSqlRow`] for structs whose fields have the names of their columns.
macro_rules! from_sql_row {
    ($($row:ty { $first:ident $(, $column:ident)* })+) => {$(
        impl FromSqlRow for $row {
            const COLUMNS: &'static str = concat!(stringify!($first) $(, ", ", stringify!($column))*);

            fn from_row(mut row: SqlRow) -> Result<Self, DbErr> {
                Ok(Self {
                    $first: row.take(stringify!($first))?,
                    $($column: row.take(stringify!($column))?),*
                })
            }
        }
    )+};
}

from_sql_row! {
    event::Model { vault_id, seq, kind, payload, created_at }
    head::Model { vault_id, head }
    idempotency_key::Model { user_id, path, key, fingerprint, seq, answer, created_at }
    source::Model {
        id, vault_id, title, file_url, file_key, file_size, mime_type, seq, created_seq, created_at, updated_at
    }
    stored_socket::Model { pid, state, expires }
    user::Model { id, name, email, created_at, updated_at }
    vault::Model { id, name, created_name, created_by, created_at, updated_at, deleted_at }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(values: [types::Value; 2]) -> SqlRow {
        SqlRow::Sqlite(SqliteRow {
            columns: ["vault_id".to_owned(), "head".to_owned()].into(),
            values: values.into(),
        })
    }

    #[test]
    fn value_of_another_type_is_an_error_that_names_the_column() {
        let text = || types::Value::from("v".to_owned());
        let read = head::Model::from_row(row([text(), 7.into()])).unwrap();
        assert_eq!((read.vault_id.as_str(), read.head), ("v", 7));
        for wrong in [text(), types::Value::Null, 7.5.into()] {
            let error = head::Model::from_row(row([text(), wrong])).unwrap_err();
            assert!(error.to_string().contains("\"head\""), "{error}");
        }
        let absent = row([types::Value::Null, 7.into()]).take::<Option<String>>("vault_id");
        assert_eq!(absent.unwrap(), None);
        row([text(), 7.into()]).take::<i64>("seq").unwrap_err();
    }
}
