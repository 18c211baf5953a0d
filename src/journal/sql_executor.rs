//! What executes the journal's statements: a pooled connection, a transaction on one, or the writing connection.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement, Value};

use super::sql_row::SqlRow;

/// One SQL statement and the values that it binds.
pub(super) struct SqlText {
    pub sql: String,
    /// The values of `$1`, `$2` and so on, or of `?` in their order.
    pub values: Vec<Value>,
}

impl SqlText {
    /// Returns a command without values.
    pub(super) fn command(sql: &str) -> Self {
        Self {
            sql: sql.to_owned(),
            values: Vec::new(),
        }
    }
}

/// A connection that executes one statement at a time.
pub(super) trait SqlExecutor: Sync {
    /// Returns the kind of database.
    fn backend(&self) -> DbBackend;

    /// Executes a statement and returns the number of affected rows.
    ///
    /// # Errors
    /// When the database rejects the statement or does not answer.
    fn execute(&self, text: SqlText) -> impl Future<Output = Result<u64, DbErr>> + Send;

    /// Executes a statement and returns its rows.
    ///
    /// # Errors
    /// When the database rejects the statement or does not answer.
    fn query(&self, text: SqlText) -> impl Future<Output = Result<Vec<SqlRow>, DbErr>> + Send;
}

impl<C: ConnectionTrait> SqlExecutor for C {
    fn backend(&self) -> DbBackend {
        self.get_database_backend()
    }

    async fn execute(&self, SqlText { sql, values }: SqlText) -> Result<u64, DbErr> {
        let statement = Statement::from_sql_and_values(self.backend(), sql, values);
        Ok(self.execute_raw(statement).await?.rows_affected())
    }

    async fn query(&self, SqlText { sql, values }: SqlText) -> Result<Vec<SqlRow>, DbErr> {
        let statement = Statement::from_sql_and_values(self.backend(), sql, values);
        let rows = self.query_all_raw(statement).await?;
        Ok(rows.into_iter().map(SqlRow::Driver).collect())
    }
}
