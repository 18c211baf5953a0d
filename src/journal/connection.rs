//! One connection, of either kind, that is held by whoever has it.

use futures_util::{Stream, TryStreamExt};
use sea_orm::{
    DatabaseConnection, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Value,
    sqlx::{
        self, Arguments, AssertSqlSafe, Database, Either, Encode, Executor, Postgres, Sqlite, Type,
        pool::PoolConnection,
    },
};

/// A connection out of a pool.
pub(super) enum Connection {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(PoolConnection<Postgres>),
}

/// What statements came to.
pub(super) struct Outcome {
    pub done: ExecResult,
    pub rows: Vec<QueryResult>,
}

impl Connection {
    /// Takes a connection out of a pool.
    ///
    /// # Errors
    /// When there is none to be had.
    pub(super) async fn of(pool: &DatabaseConnection) -> Result<Self, DbErr> {
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

    /// Executes statements, which SQLite takes several of in one text, and gives back what they came to, but for the first
    /// `unheard` of them.
    ///
    /// # Errors
    /// When the database refuses one: those before it were executed.
    pub(super) async fn run(
        &mut self,
        sql: String,
        values: Vec<Value>,
        unheard: usize,
    ) -> Result<Outcome, DbErr> {
        let sql = AssertSqlSafe(sql);
        match self {
            Self::Sqlite(connection) => {
                let query = sqlx::query_with(sql, arguments::<Sqlite>(values)?);
                outcome(connection.fetch_many(query), unheard).await
            }
            // A word of its own is not worth preparing, which would be a way there and back.
            Self::Postgres(connection) if values.is_empty() => {
                outcome(connection.fetch_many(sqlx::raw_sql(sql)), unheard).await
            }
            Self::Postgres(connection) => {
                let query = sqlx::query_with(sql, arguments::<Postgres>(values)?);
                outcome(connection.fetch_many(query), unheard).await
            }
        }
    }

    /// Closes it, without a word where the other end may be gone.
    pub(super) async fn close(self) {
        match self {
            Self::Sqlite(connection) => {
                // It is of no use any more, however it ends.
                let _ = connection.close().await;
            }
            Self::Postgres(connection) => drop(connection.detach()),
        }
    }
}

/// The values of a statement. The journal's rows hold texts and whole numbers.
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
            // As a limit is one.
            Value::BigUnsigned(limit) => {
                arguments.add(limit.map(|limit| i64::try_from(limit).unwrap_or(i64::MAX)))
            }
            other => return Err(DbErr::Type(format!("{other:?} is nothing to bind"))),
        };
        added.map_err(|error| DbErr::Type(error.to_string()))?;
    }
    Ok(arguments)
}

async fn outcome<D, R>(
    results: impl Stream<Item = Result<Either<D, R>, sqlx::Error>>,
    unheard: usize,
) -> Result<Outcome, DbErr>
where
    D: Default + Extend<D> + Into<ExecResult>,
    R: Into<QueryResult>,
{
    let (mut done, mut rows) = (D::default(), Vec::new());
    let mut heard = 0;
    let mut results = std::pin::pin!(results);
    loop {
        let next = results.try_next().await;
        match next.map_err(|error| DbErr::Exec(RuntimeErr::SqlxError(error.into())))? {
            None => break,
            Some(Either::Right(row)) => rows.push(row.into()),
            Some(Either::Left(one)) => {
                heard += 1;
                if heard > unheard {
                    done.extend([one]);
                }
            }
        }
    }
    Ok(Outcome {
        done: done.into(),
        rows,
    })
}
