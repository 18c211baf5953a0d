//! SQL for many rows at once. The number of statements is what a transaction costs (each is a hop to the
//! connection's thread), so rows travel together: a few rows in one run, many in runs whose lengths are powers of
//! two. So there are few different texts, which the connection finds prepared.

use std::fmt::Write;

use sea_orm::{ConnectionTrait, DbBackend, DbErr, FromQueryResult, Statement, Value};

/// The longest run. SQLite binds at most 32,766 values in one statement, and no row here has more than 11.
const LONGEST_RUN: usize = 256;

/// So few rows are one run, whatever their number.
const SHORT_RUN: usize = 16;

/// Statements that are executed one after the other. SQLite takes them as one text, in one hop.
pub(super) struct Script {
    backend: DbBackend,
    statements: Vec<(String, Vec<Value>)>,
}

impl Script {
    /// An empty script for this database.
    pub(super) fn of(db: &impl ConnectionTrait) -> Self {
        Self {
            backend: db.get_database_backend(),
            statements: Vec::new(),
        }
    }

    /// `head (…), (…), … tail` for all rows, each a list of values of the same length.
    pub(super) fn rows<const N: usize>(&mut self, head: &str, rows: Vec<[Value; N]>, tail: &str) {
        let mut rows = rows.into_iter();
        while rows.len() > 0 {
            let run = run_of(rows.len());
            let sql = format!("{head} {} {tail}", tuples(self.backend, run, N));
            let values = rows.by_ref().take(run).flatten().collect();
            self.statements.push((sql, values));
        }
    }

    /// Whether there is nothing in it.
    pub(super) fn is_empty(&self) -> bool {
        self.statements.is_empty()
    }

    /// Executes all of it, and counts the rows that it touched.
    ///
    /// # Errors
    /// When the database refuses; some statements may have been executed then.
    pub(super) async fn execute(self, db: &impl ConnectionTrait) -> Result<u64, DbErr> {
        let (backend, mut touched) = (self.backend, 0);
        for (sql, values) in self.texts() {
            let statement = Statement::from_sql_and_values(backend, sql, values);
            touched += db.execute_raw(statement).await?.rows_affected();
        }
        Ok(touched)
    }

    /// All of it and then one more, as texts to be executed one after the other.
    pub(super) fn followed_by(mut self, last: &str) -> Vec<(String, Vec<Value>)> {
        self.statements.push((last.to_owned(), Vec::new()));
        self.texts()
    }

    fn texts(self) -> Vec<(String, Vec<Value>)> {
        if self.backend != DbBackend::Sqlite || self.statements.is_empty() {
            return self.statements;
        }
        let (texts, values): (Vec<_>, Vec<_>) = self.statements.into_iter().unzip();
        vec![(texts.join("; "), values.into_iter().flatten().collect())]
    }
}

/// Executes `head (…), (…), … tail` for all rows, each a list of values of the same length, and counts the rows
/// that it touched.
///
/// # Errors
/// When the database refuses; some runs may have been executed then.
pub(super) async fn execute_rows<const N: usize>(
    db: &impl ConnectionTrait,
    head: &str,
    rows: Vec<[Value; N]>,
    tail: &str,
) -> Result<u64, DbErr> {
    let mut script = Script::of(db);
    script.rows(head, rows, tail);
    script.execute(db).await
}

/// Executes one statement and counts the rows that it touched.
///
/// # Errors
/// When the database refuses.
pub(super) async fn execute(
    db: &impl ConnectionTrait,
    sql: &str,
    values: impl IntoIterator<Item = Value>,
) -> Result<u64, DbErr> {
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    Ok(db.execute_raw(statement).await?.rows_affected())
}

/// Queries `head (…), (…), … tail` for all keys, each a list of values of the same length. The last key stands in for
/// those that lack to a power of two.
///
/// # Errors
/// When the database refuses or a row is not as it should be.
pub(super) async fn query_rows<M: FromQueryResult, const N: usize>(
    db: &impl ConnectionTrait,
    head: &str,
    keys: &[[Value; N]],
    tail: &str,
) -> Result<Vec<M>, DbErr> {
    let mut found = Vec::new();
    for run in keys.chunks(LONGEST_RUN) {
        let Some(last) = run.last() else { continue };
        let length = run.len().next_power_of_two();
        let backend = db.get_database_backend();
        let sql = format!("{head} {} {tail}", tuples(backend, length, N));
        let lacking = std::iter::repeat_n(last, length - run.len());
        let values: Vec<_> = run.iter().chain(lacking).flatten().cloned().collect();
        let statement = Statement::from_sql_and_values(backend, sql, values);
        found.append(&mut M::find_by_statement(statement).all(db).await?);
    }
    Ok(found)
}

/// How many of `n` rows travel in the next run.
fn run_of(n: usize) -> usize {
    if n <= SHORT_RUN {
        n
    } else {
        (1 << n.ilog2()).min(LONGEST_RUN)
    }
}

/// `($1, $2), ($3, $4)`, or `(?, ?), (?, ?)`: SQLite looks a named parameter up among all others each time that one is
/// bound.
fn tuples(backend: DbBackend, rows: usize, columns: usize) -> String {
    let mut text = String::with_capacity(rows * columns * 6);
    for parameter in 1..=rows * columns {
        let before = match (parameter, (parameter - 1) % columns) {
            (1, _) => "(",
            (_, 0) => "), (",
            _ => ", ",
        };
        text.push_str(before);
        match backend {
            DbBackend::Sqlite => text.push('?'),
            _ => write!(text, "${parameter}").expect("a String takes everything"),
        }
    }
    text.push(')');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_numbered_through_all_rows() {
        let postgres = |rows, columns| tuples(DbBackend::Postgres, rows, columns);
        assert_eq!(postgres(2, 3), "($1, $2, $3), ($4, $5, $6)");
        assert_eq!(postgres(2, 1), "($1), ($2)");
        assert_eq!(tuples(DbBackend::Sqlite, 2, 2), "(?, ?), (?, ?)");
    }

    #[test]
    fn a_few_rows_are_one_run_and_many_are_powers_of_two() {
        assert_eq!(
            [1, 2, 3, 16, 17, 63, 64, 1000].map(run_of),
            [1, 2, 3, 16, 16, 32, 64, 256]
        );
    }
}
