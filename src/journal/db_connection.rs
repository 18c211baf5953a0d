//! The connection of a committer to SQLite or PostgreSQL.

use sea_orm::{
    DatabaseConnection, DbBackend, DbErr, RuntimeErr, Value,
    sqlx::{
        self, Arguments, AssertSqlSafe, Postgres,
        pool::PoolConnection,
        postgres::{PgArguments, PgQueryResult, PgRow},
    },
};

use super::{sql_executor::SqlText, sql_row::SqlRow, sqlite_writer::SqliteWriter};

/// A connection that belongs to a committer.
pub(super) enum DbConnection {
    Sqlite(SqliteWriter),
    Postgres(PoolConnection<Postgres>),
}

impl DbConnection {
    /// Takes a connection from a pool.
    ///
    /// # Errors
    /// When the pool has no connection within its timeout.
    pub(super) async fn acquire(pool: &DatabaseConnection) -> Result<Self, DbErr> {
        match pool.get_database_backend() {
            DbBackend::Sqlite => Ok(Self::Sqlite(SqliteWriter::open(pool).await?)),
            _ => {
                let connection = pool.get_postgres_connection_pool().acquire().await;
                let error = |error: sqlx::Error| RuntimeErr::SqlxError(error.into());
                connection
                    .map(Self::Postgres)
                    .map_err(|cause| DbErr::Conn(error(cause)))
            }
        }
    }

    /// Executes a statement and returns the number of affected rows.
    ///
    /// # Errors
    /// When the database rejects the statement.
    pub(super) async fn execute(&mut self, text: SqlText) -> Result<u64, DbErr> {
        match self {
            Self::Sqlite(writer) => writer.execute(&text),
            Self::Postgres(connection) => {
                let result = execute_on_postgres(connection, text).await?;
                Ok(result.rows_affected())
            }
        }
    }

    /// Executes a statement and returns its rows.
    ///
    /// # Errors
    /// When the database rejects the statement.
    pub(super) async fn query(&mut self, text: SqlText) -> Result<Vec<SqlRow>, DbErr> {
        match self {
            Self::Sqlite(writer) => writer.query(&text),
            Self::Postgres(connection) => {
                let rows = query_postgres(connection, text).await?;
                let rows = rows.into_iter().map(|row| SqlRow::Driver(row.into()));
                Ok(rows.collect())
            }
        }
    }

    /// Closes the connection. On PostgreSQL it is dropped without a Terminate message, because the server may be unreachable.
    pub(super) fn close(self) {
        match self {
            Self::Sqlite(writer) => drop(writer),
            Self::Postgres(connection) => drop(connection.detach()),
        }
    }
}

async fn execute_on_postgres(
    connection: &mut PoolConnection<Postgres>,
    SqlText { sql, values }: SqlText,
) -> Result<PgQueryResult, DbErr> {
    let sql = AssertSqlSafe(sql);
    // A command without values is not worth preparing: that costs one more round trip.
    let result = if values.is_empty() {
        sqlx::raw_sql(sql).execute(&mut **connection).await
    } else {
        let query = sqlx::query_with(sql, arguments(values)?);
        query.execute(&mut **connection).await
    };
    result.map_err(|error| DbErr::Exec(RuntimeErr::SqlxError(error.into())))
}

async fn query_postgres(
    connection: &mut PoolConnection<Postgres>,
    SqlText { sql, values }: SqlText,
) -> Result<Vec<PgRow>, DbErr> {
    let query = sqlx::query_with(AssertSqlSafe(sql), arguments(values)?);
    let rows = query.fetch_all(&mut **connection).await;
    rows.map_err(|error| DbErr::Query(RuntimeErr::SqlxError(error.into())))
}

/// Converts the values of a statement. The journal's rows contain only text and integers.
fn arguments(values: Vec<Value>) -> Result<PgArguments, DbErr> {
    let mut arguments = PgArguments::default();
    for value in values {
        let added = match value {
            Value::String(text) => arguments.add(text),
            Value::BigInt(number) => arguments.add(number),
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
