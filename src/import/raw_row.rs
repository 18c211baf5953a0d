//! A row of the application as text, before it is checked.

use sea_orm::QueryResult;

/// The value of one column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RawValue {
    Null,
    Text(String),
    /// Bytes that are not UTF-8, which SQLite may hold in a column of text.
    NotText,
}

/// A row, with its columns in the order of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RawRow {
    pub columns: Vec<RawValue>,
}

impl RawRow {
    /// Reads the first `count` columns of a row.
    pub(super) fn read(row: &QueryResult, count: usize) -> Self {
        let value = |index| match row.try_get_by_index::<Option<String>>(index) {
            Ok(Some(text)) => RawValue::Text(text),
            Ok(None) => RawValue::Null,
            Err(_) => RawValue::NotText,
        };
        Self {
            columns: (0..count).map(value).collect(),
        }
    }

    /// Returns the text of a column, if it has one.
    pub(super) fn text(&self, index: usize) -> Option<&str> {
        match &self.columns[index] {
            RawValue::Text(text) => Some(text),
            RawValue::Null | RawValue::NotText => None,
        }
    }
}
