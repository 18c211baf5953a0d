//! Checks before the first migration: a schema in which tables may be created, and no tables of the same names.

use migration::{EARLIER_MIGRATION_TABLE, RELATIONS};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DbBackend, DbErr, FromQueryResult, Statement,
};

use super::{
    database_error::DatabaseError,
    migration_steps::{MigrationStatus, MigrationStep, is_ours, migration_steps},
    session_settings::quote_identifier,
};

/// What to do about tables of the same names on PostgreSQL, and on SQLite.
const USE_ANOTHER_SCHEMA: &str =
    "give vaultcast a schema of its own with ?schema=vaultcast in the URL, or another database";
const USE_ANOTHER_FILE: &str = "give vaultcast another file";

/// What the database user may do.
#[derive(FromQueryResult)]
struct Permissions {
    database: String,
    user: String,
    /// The schema in which tables are created; `None` if no schema of the search path exists.
    schema: Option<String>,
    may_create_tables: Option<bool>,
    may_create_schemas: bool,
    is_read_only: bool,
}

const PERMISSIONS: &str = r#"SELECT current_database()::text AS database, current_user::text AS "user",
    current_schema()::text AS schema, has_schema_privilege(current_schema(), 'CREATE') AS may_create_tables,
    has_database_privilege(current_database(), 'CREATE') AS may_create_schemas,
    current_setting('transaction_read_only') = 'on' AS is_read_only"#;

/// Checks that tables may be created; makes the schema of the URL if it is missing. Does nothing on SQLite.
///
/// # Errors
/// When the database is read-only or the user lacks a permission.
pub(super) async fn prepare_schema(
    db: &impl ConnectionTrait,
    schema: Option<&str>,
) -> Result<(), DatabaseError> {
    if db.get_database_backend() == DbBackend::Sqlite {
        return Ok(());
    }
    let query = Statement::from_string(db.get_database_backend(), PERMISSIONS);
    let permissions = Permissions::find_by_statement(query).one(db).await?;
    let permissions =
        permissions.ok_or_else(|| DbErr::RecordNotFound("the permissions".to_owned()))?;
    match permissions.check(schema)? {
        None => Ok(()),
        Some(missing) => {
            let create = format!("CREATE SCHEMA {}", quote_identifier(missing));
            db.execute_unprepared(&create).await?;
            Ok(())
        }
    }
}

impl Permissions {
    /// Returns the schema that must be created; the search path contains no other one then.
    fn check(self, wanted: Option<&str>) -> Result<Option<&str>, DatabaseError> {
        let Self { database, user, .. } = self;
        if self.is_read_only {
            return Err(DatabaseError::ReadOnly { database });
        }
        match (self.schema, wanted) {
            (Some(_), _) if self.may_create_tables == Some(true) => Ok(None),
            (Some(schema), _) => Err(DatabaseError::NoPermission { schema, user }),
            (None, Some(wanted)) if self.may_create_schemas => Ok(Some(wanted)),
            (None, Some(wanted)) => {
                let schema = wanted.to_owned();
                Err(DatabaseError::MissingSchema { schema, user })
            }
            (None, None) => Err(DatabaseError::NoSchema { user }),
        }
    }
}

/// Refuses a database without migrations in which a table, index, view or type has the name of one of vaultcast's.
///
/// # Errors
/// When there is one.
pub(super) async fn refuse_foreign_relations(
    db: &impl ConnectionTrait,
    steps: &[MigrationStep],
) -> Result<(), DatabaseError> {
    if !is_empty(steps) {
        return Ok(());
    }
    let names = foreign_relations(db).await?;
    if names.is_empty() {
        return Ok(());
    }
    let fix = match db.get_database_backend() {
        DbBackend::Sqlite => USE_ANOTHER_FILE,
        _ => USE_ANOTHER_SCHEMA,
    };
    Err(DatabaseError::ForeignRelations { names, fix })
}

/// Refuses a schema of the URL without tables of vaultcast, while those of an earlier version are in the schema in which it
/// made them: that version ignored `?schema=`. The service would otherwise start without its vaults.
///
/// # Errors
/// When there are such tables.
pub(super) async fn refuse_tables_elsewhere(
    db: &impl ConnectionTrait,
    wanted: &str,
) -> Result<(), DatabaseError> {
    if !is_empty(&migration_steps(db).await?) {
        return Ok(());
    }
    // An index or view, or a table that cannot be read, is not one of an earlier version.
    let sql = format!(
        "SELECT n.nspname::text AS schema FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relname = '{EARLIER_MIGRATION_TABLE}' AND c.relkind = 'r' AND n.nspname IN ('public', current_user) \
         AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')"
    );
    let query = Statement::from_string(db.get_database_backend(), sql);
    for row in db.query_all_raw(query).await? {
        let found: String = row.try_get("", "schema")?;
        let table = format!("{}.{EARLIER_MIGRATION_TABLE}", quote_identifier(&found));
        if is_ours(db, &table).await? {
            let wanted = wanted.to_owned();
            return Err(DatabaseError::TablesElsewhere { found, wanted });
        }
    }
    Ok(())
}

/// Returns whether no migration is applied.
fn is_empty(steps: &[MigrationStep]) -> bool {
    let mut statuses = steps.iter().map(|step| step.status);
    statuses.all(|status| status == MigrationStatus::Pending)
}

/// Refuses a SQLite file that contains tables of the same names, before the file is opened for writing: that would put
/// it into WAL mode. A file that cannot be read is reported later.
pub(super) async fn refuse_foreign_file(url: &str) -> Result<(), DatabaseError> {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(1)
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts(|sqlite| sqlite.read_only(true).create_if_missing(false));
    let Ok(db) = Database::connect(options).await else {
        return Ok(());
    };
    let checked = match migration_steps(&db).await {
        Ok(steps) => refuse_foreign_relations(&db, &steps).await,
        Err(_) => Ok(()),
    };
    db.close().await?;
    checked
}

/// Returns the tables, indexes, views and types with names of vaultcast's relations: `table users`.
async fn foreign_relations(db: &impl ConnectionTrait) -> Result<Vec<String>, DbErr> {
    let names: Vec<_> = RELATIONS.iter().map(|name| format!("'{name}'")).collect();
    let names = names.join(", ");
    let sql = match db.get_database_backend() {
        // SQLite compares names without case.
        DbBackend::Sqlite => format!(
            "SELECT type || ' ' || name AS found FROM sqlite_master WHERE lower(name) IN ({names}) ORDER BY rowid"
        ),
        // A table also has a type of its name.
        _ => format!(
            "SELECT CASE WHEN t.typtype <> 'c' OR c.relkind = 'c' THEN 'type ' WHEN c.relkind IN ('v', 'm') THEN 'view ' ELSE 'table ' END \
             || t.typname AS found FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace \
             LEFT JOIN pg_class c ON c.oid = t.typrelid \
             WHERE n.nspname = current_schema() AND t.typname IN ({names}) \
             UNION ALL SELECT 'index ' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE n.nspname = current_schema() AND c.relkind IN ('i', 'I', 'S') AND c.relname IN ({names}) ORDER BY 1"
        ),
    };
    let query = Statement::from_string(db.get_database_backend(), sql);
    let rows = db.query_all_raw(query).await?;
    rows.iter().map(|row| row.try_get("", "found")).collect()
}
