//! SQL for many rows at once. The number of statements is what a transaction costs (each is a hop to the
//! connection's thread), so rows travel together, in runs whose lengths are powers of two: few different
//! texts, which the connection finds prepared.

use sea_orm::{ConnectionTrait, DbErr, Statement, Value};

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

fn longest_power_of_two(n: usize) -> usize {
    1 << n.ilog2()
}

/// `($1, $2), ($3, $4)`: both databases number their parameters so.
fn tuples(rows: usize, columns: usize) -> String {
    let row = |r: usize| {
        let parameters: Vec<_> = (1..=columns)
            .map(|c| format!("${}", r * columns + c))
            .collect();
        format!("({})", parameters.join(", "))
    };
    (0..rows).map(row).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_numbered_through_all_rows() {
        assert_eq!(tuples(2, 3), "($1, $2, $3), ($4, $5, $6)");
    }

    #[test]
    fn runs_are_powers_of_two() {
        assert_eq!([1, 2, 3, 7, 8].map(longest_power_of_two), [1, 2, 2, 4, 8]);
    }
}
