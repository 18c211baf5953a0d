//! SQL statements that write or read many rows at once.
//!
//! On PostgreSQL each statement is a round trip. Therefore rows are grouped: a few rows form one run, many rows form runs
//! whose lengths are powers of two. This keeps the number of different texts small, so that the connection finds them
//! prepared.

use std::fmt::Write;

use sea_orm::{DbBackend, DbErr, Value};

use super::{
    sql_executor::{SqlExecutor, SqlText},
    sql_row::FromSqlRow,
};

/// Rows in the longest run. SQLite binds at most 32,766 values per statement, and no row here has more than 11.
const LONGEST_RUN: usize = 256;

/// Up to this number, all rows form one run of their exact number.
pub(super) const SHORT_RUN: usize = 16;

/// Statements that are executed in order.
pub(super) struct SqlScript {
    backend: DbBackend,
    statements: Vec<SqlText>,
}

impl SqlScript {
    /// Creates an empty script for this database.
    pub(super) fn new(db: &impl SqlExecutor) -> Self {
        Self {
            backend: db.backend(),
            statements: Vec::new(),
        }
    }

    /// Adds `head (…), (…), … tail` for all rows.
    pub(super) fn add_rows<const N: usize>(
        &mut self,
        head: &str,
        rows: Vec<[Value; N]>,
        tail: &str,
    ) {
        let mut rows = rows.into_iter();
        while rows.len() > 0 {
            let run = run_length(rows.len());
            let sql = format!("{head} {} {tail}", tuples(self.backend, run, N));
            let values = rows.by_ref().take(run).flatten().collect();
            self.statements.push(SqlText { sql, values });
        }
    }

    /// Returns whether the script contains no statement.
    pub(super) fn is_empty(&self) -> bool {
        self.statements.is_empty()
    }

    /// Executes all statements and returns the number of affected rows.
    ///
    /// # Errors
    /// When the database rejects a statement. The statements before it may have been executed.
    pub(super) async fn execute(self, db: &impl SqlExecutor) -> Result<u64, DbErr> {
        let mut affected = 0;
        for text in self.statements {
            affected += db.execute(text).await?;
        }
        Ok(affected)
    }

    /// Returns all statements.
    pub(super) fn into_statements(self) -> Vec<SqlText> {
        self.statements
    }
}

/// Executes `head (…), (…), … tail` for all rows and returns the number of affected rows.
///
/// # Errors
/// When the database rejects a statement. The runs before it may have been executed.
pub(super) async fn execute_rows<const N: usize>(
    db: &impl SqlExecutor,
    head: &str,
    rows: Vec<[Value; N]>,
    tail: &str,
) -> Result<u64, DbErr> {
    let mut script = SqlScript::new(db);
    script.add_rows(head, rows, tail);
    script.execute(db).await
}

/// Executes `head (…), (…), … tail` for all rows, in one statement with the values before them, and returns the number of affected
/// rows. `head` names these `$1`, `$2` and so on, so this is for PostgreSQL.
///
/// # Errors
/// When the database rejects the statement.
pub(super) async fn execute_with_rows<const N: usize>(
    db: &impl SqlExecutor,
    head: &str,
    mut values: Vec<Value>,
    rows: Vec<[Value; N]>,
    tail: &str,
) -> Result<u64, DbErr> {
    let tuples = numbered_tuples(db.backend(), values.len(), rows.len(), N);
    values.extend(rows.into_iter().flatten());
    execute(db, &format!("{head} {tuples} {tail}"), values).await
}

/// Executes one statement and returns the number of affected rows.
///
/// # Errors
/// When the database rejects the statement.
pub(super) async fn execute(
    db: &impl SqlExecutor,
    sql: &str,
    values: impl IntoIterator<Item = Value>,
) -> Result<u64, DbErr> {
    let (sql, values) = (sql.to_owned(), values.into_iter().collect());
    db.execute(SqlText { sql, values }).await
}

/// Queries `head (…), (…), … tail` for all keys and returns the rows. The last key is repeated to fill a run up to a power of
/// two.
///
/// # Errors
/// When the database rejects a query or a row has an unexpected type.
pub(super) async fn query_rows<M: FromSqlRow, const N: usize>(
    db: &impl SqlExecutor,
    head: &str,
    keys: &[[Value; N]],
    tail: &str,
) -> Result<Vec<M>, DbErr> {
    let mut found = Vec::new();
    for run in keys.chunks(LONGEST_RUN) {
        let Some(last) = run.last() else { continue };
        let length = run.len().next_power_of_two();
        let sql = format!("{head} {} {tail}", tuples(db.backend(), length, N));
        let padding = std::iter::repeat_n(last, length - run.len());
        let values: Vec<_> = run.iter().chain(padding).flatten().cloned().collect();
        found.append(&mut query(db, &sql, values).await?);
    }
    Ok(found)
}

/// Returns `SELECT columns rest` with the columns that a row is read from.
pub(super) fn select<M: FromSqlRow>(rest: &str) -> String {
    format!("SELECT {} {rest}", M::COLUMNS)
}

/// Executes one query and returns its rows.
///
/// # Errors
/// When the database rejects the query or a row has an unexpected type.
pub(super) async fn query<M: FromSqlRow>(
    db: &impl SqlExecutor,
    sql: &str,
    values: impl IntoIterator<Item = Value>,
) -> Result<Vec<M>, DbErr> {
    let (sql, values) = (sql.to_owned(), values.into_iter().collect());
    let rows = db.query(SqlText { sql, values }).await?;
    rows.into_iter().map(M::from_row).collect()
}

/// Returns the length of the next run for `n` remaining rows.
fn run_length(n: usize) -> usize {
    if n <= SHORT_RUN {
        n
    } else {
        (1 << n.ilog2()).min(LONGEST_RUN)
    }
}

/// Returns `($1, $2), ($3, $4)`, or `(?, ?), (?, ?)` on SQLite, which would search all parameters for each numbered one.
fn tuples(backend: DbBackend, rows: usize, columns: usize) -> String {
    numbered_tuples(backend, 0, rows, columns)
}

/// Returns tuples whose numbers follow those of `before` other parameters.
fn numbered_tuples(backend: DbBackend, before: usize, rows: usize, columns: usize) -> String {
    let mut text = String::with_capacity(rows * columns * 6);
    for parameter in 1..=rows * columns {
        let separator = match (parameter, (parameter - 1) % columns) {
            (1, _) => "(",
            (_, 0) => "), (",
            _ => ", ",
        };
        text.push_str(separator);
        match backend {
            DbBackend::Sqlite => text.push('?'),
            _ => write!(text, "${}", before + parameter).expect("writing to a String cannot fail"),
        }
    }
    text.push(')');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameter_numbers_continue_across_rows() {
        let postgres = |rows, columns| tuples(DbBackend::Postgres, rows, columns);
        assert_eq!(postgres(2, 3), "($1, $2, $3), ($4, $5, $6)");
        assert_eq!(postgres(2, 1), "($1), ($2)");
        assert_eq!(tuples(DbBackend::Sqlite, 2, 2), "(?, ?), (?, ?)");
        let after_three = numbered_tuples(DbBackend::Postgres, 3, 2, 2);
        assert_eq!(after_three, "($4, $5), ($6, $7)");
    }

    #[test]
    fn few_rows_form_one_run_and_many_rows_form_powers_of_two() {
        assert_eq!(
            [1, 2, 3, 16, 17, 63, 64, 1000].map(run_length),
            [1, 2, 3, 16, 16, 32, 64, 256]
        );
    }
}
