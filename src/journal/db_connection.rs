//! One pooled connection to SQLite or PostgreSQL, owned by its user.

use futures_util::{Stream, TryStreamExt};
use sea_orm::{
    DatabaseConnection, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Value,
    sqlx::{
        self, Arguments, AssertSqlSafe, Database, Either, Encode, Executor, Postgres, Sqlite, Type,
        pool::PoolConnection,
    },
};

use super::statements::SqlText;

/// A connection taken from a pool.
pub(super) enum DbConnection {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(PoolConnection<Postgres>),
}

/// The combined result of the statements in one [`SqlText`].
pub(super) struct StatementOutcome {
    pub result: ExecResult,
    pub rows: Vec<QueryResult>,
}

impl DbConnection {
    /// Takes a connection from a pool.
    ///
    /// # Errors
    /// When the pool has no connection within its timeout.
    pub(super) async fn acquire(pool: &DatabaseConnection) -> Result<Self, DbErr> {
        match pool.get_database_backend() {
            DbBackend::Sqlite => {
                let connection = pool.get_sqlite_connection_pool().acquire().await;
                connection.map(Self::Sqlite)
            }
            _ => {
                let connection = pool.get_postgres_connection_pool().acquire().await;
                connection.map(Self::Postgres)
            }
        }
        .map_err(|error| DbErr::Conn(RuntimeErr::SqlxError(error.into())))
    }

    /// Executes a text and returns its rows and the number of affected rows. The first `uncounted` statements do not count
    /// as affecting rows.
    ///
    /// # Errors
    /// When the database rejects a statement. The statements before it were executed.
    pub(super) async fn run(
        &mut self,
        text: SqlText,
        uncounted: usize,
    ) -> Result<StatementOutcome, DbErr> {
        let SqlText { sql, values } = text;
        let sql = AssertSqlSafe(sql);
        match self {
            Self::Sqlite(connection) => {
                let query = sqlx::query_with(sql, arguments::<Sqlite>(values)?);
                collect(connection.fetch_many(query), uncounted).await
            }
            // A command without values is not worth preparing: that costs one more round trip.
            Self::Postgres(connection) if values.is_empty() => {
                collect(connection.fetch_many(sqlx::raw_sql(sql)), uncounted).await
            }
            Self::Postgres(connection) => {
                let query = sqlx::query_with(sql, arguments::<Postgres>(values)?);
                collect(connection.fetch_many(query), uncounted).await
            }
        }
    }

    /// Closes the connection. On PostgreSQL it is dropped without a Terminate message, because the server may be unreachable.
    pub(super) async fn close(self) {
        match self {
            Self::Sqlite(connection) => {
                // The connection is discarded either way, so the result does not matter.
                let _ = connection.close().await;
            }
            Self::Postgres(connection) => drop(connection.detach()),
        }
    }
}

/// Converts the values of a statement. The journal's rows contain only text and integers.
fn arguments<DB: Database>(values: Vec<Value>) -> Result<DB::Arguments, DbErr>
where
    Option<String>: for<'q> Encode<'q, DB> + Type<DB>,
    Option<i64>: for<'q> Encode<'q, DB> + Type<DB>,
{
    let mut arguments = DB::Arguments::default();
    for value in values {
        let added = match value {
            Value::String(text) => arguments.add(text),
            Value::BigInt(number) => arguments.add(number),
            // The type of a LIMIT.
            Value::BigUnsigned(limit) => {
                arguments.add(limit.map(|limit| i64::try_from(limit).unwrap_or(i64::MAX)))
            }
            other => {
                return Err(DbErr::Type(format!(
                    "cannot bind a value of type {other:?}"
                )));
            }
        };
        added.map_err(|error| DbErr::Type(error.to_string()))?;
    }
    Ok(arguments)
}

async fn collect<D, R>(
    results: impl Stream<Item = Result<Either<D, R>, sqlx::Error>>,
    uncounted: usize,
) -> Result<StatementOutcome, DbErr>
where
    D: Default + Extend<D> + Into<ExecResult>,
    R: Into<QueryResult>,
{
    let (mut total, mut rows) = (D::default(), Vec::new());
    let mut finished_statements = 0;
    let mut results = std::pin::pin!(results);
    loop {
        let next = results.try_next().await;
        match next.map_err(|error| DbErr::Exec(RuntimeErr::SqlxError(error.into())))? {
            None => break,
            Some(Either::Right(row)) => rows.push(row.into()),
            Some(Either::Left(result)) => {
                finished_statements += 1;
                if finished_statements > uncounted {
                    total.extend([result]);
                }
            }
        }
    }
    Ok(StatementOutcome {
        result: total.into(),
        rows,
    })
}
