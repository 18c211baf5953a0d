//! SQL for many rows at once. The number of statements is what a transaction costs (each is a hop to the
//! connection's thread), so rows travel together, in runs whose lengths are powers of two: few different
//! texts, which the connection finds prepared.

use std::fmt::Write;

use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, Statement, Value};

/// The longest run. SQLite binds at most 32,766 values in one statement, and no row here has more than 11.
const LONGEST_RUN: usize = 256;

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
    let mut touched = 0;
    let mut rows = rows.into_iter();
    while rows.len() > 0 {
        let run = longest_power_of_two(rows.len()).min(LONGEST_RUN);
        let sql = format!("{head} {} {tail}", tuples(run, N));
        let values: Vec<Value> = rows.by_ref().take(run).flatten().collect();
        let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
        touched += db.execute_raw(statement).await?.rows_affected();
    }
    Ok(touched)
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
        let sql = format!("{head} {} {tail}", tuples(length, N));
        let lacking = std::iter::repeat_n(last, length - run.len());
        let values: Vec<_> = run.iter().chain(lacking).flatten().cloned().collect();
        let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
        found.append(&mut M::find_by_statement(statement).all(db).await?);
    }
    Ok(found)
}

fn longest_power_of_two(n: usize) -> usize {
    1 << n.ilog2()
}

/// `($1, $2), ($3, $4)`: both databases number their parameters so.
fn tuples(rows: usize, columns: usize) -> String {
    let mut text = String::with_capacity(rows * columns * 6);
    for parameter in 1..=rows * columns {
        let before = match (parameter, (parameter - 1) % columns) {
            (1, _) => "($",
            (_, 0) => "), ($",
            _ => ", $",
        };
        text.push_str(before);
        write!(text, "{parameter}").expect("a String takes everything");
    }
    text.push(')');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_numbered_through_all_rows() {
        assert_eq!(tuples(2, 3), "($1, $2, $3), ($4, $5, $6)");
        assert_eq!(tuples(2, 1), "($1), ($2)");
    }

    #[test]
    fn runs_are_powers_of_two() {
        assert_eq!([1, 2, 3, 7, 8].map(longest_power_of_two), [1, 2, 2, 4, 8]);
    }
}
