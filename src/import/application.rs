//! The application's database: finds the configured tables and reads their rows in order, all of one moment.
//!
//! PostgreSQL keeps a cursor for each table in one read-only transaction. SQLite has no cursors; the rows are copied into
//! temporary tables, sorted once, and the application's file is free again before the first row is written.

use std::time::Duration;

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, Statement,
};

use crate::{
    config::{DatabaseUrl, ImportConfig},
    journal::{SearchOrder, SessionSettings, begin_read, connect_once},
};

use super::{
    application_table::{ApplicationTable, NameComparison},
    error::ImportError,
    raw_row::RawRow,
    select::{copy_name, quote_table, select_all},
};

/// How long to wait for the connection, which then has the transaction or the temporary tables, or for a lock of the application.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How many rows one query returns.
const PAGE: usize = 2000;

/// PostgreSQL: settings of the transaction with the cursors, which lasts as long as the import and reads every row.
const CURSOR_SETTINGS: &str = "SET LOCAL statement_timeout = 0; \
     SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL cursor_tuple_fraction = 1";

/// The application's database, with the rows of one moment.
pub(super) struct Application {
    url: DatabaseUrl,
    rows: RowAccess,
}

/// How the rows are read.
enum RowAccess {
    /// From cursors of this transaction.
    Cursors(DatabaseTransaction),
    /// From temporary tables of the only connection.
    Copies(DatabaseConnection),
}

impl Application {
    /// Opens the database without changing it, and checks that the configured tables and columns exist.
    ///
    /// # Errors
    /// When it cannot be read, or a table or a required column is missing; all that are missing are named.
    pub(super) async fn open(
        url: &DatabaseUrl,
        config: &ImportConfig,
    ) -> Result<Self, ImportError> {
        let failed = |error: DbErr| ImportError::Application {
            url: url.to_string(),
            source: error.into(),
        };
        let connection = connect(url).await.map_err(failed)?;
        let transaction = begin_read(&connection).await.map_err(failed)?;
        let backend = connection.get_database_backend();
        let (mut selects, mut missing) = (Vec::new(), Vec::new());
        for table in ApplicationTable::ALL {
            let found = column_names(&transaction, table, config).await;
            let names = match backend {
                DbBackend::Sqlite => NameComparison::IgnoringCase,
                _ => NameComparison::Exact,
            };
            match table.resolve(config, &found.map_err(failed)?, names) {
                Ok(columns) => selects.push((table, select_all(backend, table, config, &columns))),
                Err(mut problems) => missing.append(&mut problems),
            }
        }
        if !missing.is_empty() {
            return Err(ImportError::Shape(missing));
        }
        if backend == DbBackend::Postgres {
            transaction
                .execute_unprepared(CURSOR_SETTINGS)
                .await
                .map_err(failed)?;
        }
        for (table, select) in selects {
            let name = copy_name(table);
            let sql = match backend {
                DbBackend::Sqlite => format!("CREATE TEMP TABLE {name} AS {select}"),
                _ => format!("DECLARE {name} NO SCROLL CURSOR FOR {select}"),
            };
            transaction.execute_unprepared(&sql).await.map_err(failed)?;
        }
        let rows = match backend {
            DbBackend::Sqlite => {
                transaction.commit().await.map_err(failed)?;
                RowAccess::Copies(connection)
            }
            _ => RowAccess::Cursors(transaction),
        };
        let url = url.clone();
        Ok(Self { url, rows })
    }

    /// Returns a reader that begins with the first row of a table. PostgreSQL: there may be only one for each table.
    pub(super) fn reader(&self, table: ApplicationTable, config: &ImportConfig) -> RowReader {
        RowReader {
            table,
            columns: table.columns(config).len(),
            page: Vec::new().into_iter(),
            peeked: None,
            position: 0,
        }
    }

    async fn page(
        &self,
        table: ApplicationTable,
        after: i64,
    ) -> Result<Vec<sea_orm::QueryResult>, ImportError> {
        let name = copy_name(table);
        let rows = match &self.rows {
            RowAccess::Cursors(transaction) => {
                let sql = format!("FETCH FORWARD {PAGE} FROM {name}");
                let fetch = Statement::from_string(DbBackend::Postgres, sql);
                transaction.query_all_raw(fetch).await
            }
            RowAccess::Copies(connection) => {
                let sql = format!(
                    "SELECT * FROM temp.{name} WHERE rowid > ? ORDER BY rowid LIMIT {PAGE}"
                );
                let page = Statement::from_sql_and_values(DbBackend::Sqlite, sql, [after.into()]);
                connection.query_all_raw(page).await
            }
        };
        rows.map_err(|error| ImportError::Application {
            url: self.url.to_string(),
            source: error.into(),
        })
    }
}

/// Reads the rows of a table one after the other, in pages.
pub(super) struct RowReader {
    pub(super) table: ApplicationTable,
    columns: usize,
    page: std::vec::IntoIter<RawRow>,
    peeked: Option<RawRow>,
    /// The number of rows read from the database.
    position: i64,
}

impl RowReader {
    /// Returns the next row without taking it; `None` after the last one.
    pub(super) async fn peek(
        &mut self,
        from: &Application,
    ) -> Result<Option<&RawRow>, ImportError> {
        if self.peeked.is_none() {
            self.peeked = self.read(from).await?;
        }
        Ok(self.peeked.as_ref())
    }

    /// Takes the next row; `None` after the last one.
    pub(super) async fn next(&mut self, from: &Application) -> Result<Option<RawRow>, ImportError> {
        match self.peeked.take() {
            Some(row) => Ok(Some(row)),
            None => self.read(from).await,
        }
    }

    async fn read(&mut self, from: &Application) -> Result<Option<RawRow>, ImportError> {
        if let Some(row) = self.page.next() {
            return Ok(Some(row));
        }
        let page = from.page(self.table, self.position).await?;
        self.position += i64::try_from(page.len()).expect("a page has few rows");
        let rows: Vec<_> = page
            .iter()
            .map(|row| RawRow::read(row, self.columns))
            .collect();
        self.page = rows.into_iter();
        Ok(self.page.next())
    }
}

async fn connect(url: &DatabaseUrl) -> Result<DatabaseConnection, DbErr> {
    let settings = SessionSettings::for_application(url.schema(), SearchOrder::SchemaFirst);
    connect_once(url.driver_url(), TIMEOUT, settings, |sqlite| {
        sqlite.read_only(true)
    })
    .await
}

/// Returns the names of a table's columns; none if there is no such table.
async fn column_names(
    db: &impl ConnectionTrait,
    table: ApplicationTable,
    config: &ImportConfig,
) -> Result<Vec<String>, DbErr> {
    let name = table.name(config);
    let backend = db.get_database_backend();
    let statement = match (backend, name.as_str().split_once('.')) {
        (DbBackend::Sqlite, Some((schema, table))) => Statement::from_sql_and_values(
            backend,
            "SELECT name FROM pragma_table_info(?, ?) ORDER BY cid",
            [table.into(), schema.into()],
        ),
        (DbBackend::Sqlite, None) => Statement::from_sql_and_values(
            backend,
            "SELECT name FROM pragma_table_info(?) ORDER BY cid",
            [name.as_str().into()],
        ),
        _ => Statement::from_sql_and_values(
            backend,
            "SELECT CAST(attname AS text) FROM pg_attribute \
             WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
            [quote_table(name).into()],
        ),
    };
    let rows = db.query_all_raw(statement).await?;
    rows.iter().map(|row| row.try_get_by_index(0)).collect()
}
