//! The migrations of this binary and of a database, and the table that lists them.

use migration::{EARLIER_MIGRATION_TABLE, MIGRATION_TABLE, Migrator};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

/// A migration and its status in the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrationStep {
    /// The name, which begins with the date.
    pub name: String,
    pub status: MigrationStatus,
}

/// The status of a migration in a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MigrationStatus {
    /// Applied.
    Applied,
    /// Known to this binary, but not applied.
    Pending,
    /// Applied by a newer version; its changes are unknown to this binary.
    Unknown,
}

/// Returns all migrations, oldest first, followed by those that only the database knows.
///
/// # Errors
/// When the database does not answer.
pub async fn migration_steps(db: &impl ConnectionTrait) -> Result<Vec<MigrationStep>, DbErr> {
    let Migrator { table } = migrator(db).await?;
    let mut applied = applied_versions(db, table).await?;
    let mut steps = Vec::new();
    for known in migration::migrations() {
        let name = known.name().to_owned();
        let before = applied.len();
        applied.retain(|version| *version != name);
        let status = match applied.len() < before {
            true => MigrationStatus::Applied,
            false => MigrationStatus::Pending,
        };
        steps.push(MigrationStep { name, status });
    }
    let unknown = applied.into_iter().map(|name| MigrationStep {
        name,
        status: MigrationStatus::Unknown,
    });
    steps.extend(unknown);
    Ok(steps)
}

/// Returns a migrator that uses the table of this database. Another application may have a table with the name of
/// earlier versions, so that table is used only if it lists migrations of vaultcast.
pub(super) async fn migrator(db: &impl ConnectionTrait) -> Result<Migrator, DbErr> {
    let applied = applied_versions(db, EARLIER_MIGRATION_TABLE).await?;
    let table = match lists_ours(&applied) {
        true => EARLIER_MIGRATION_TABLE,
        false => MIGRATION_TABLE,
    };
    Ok(Migrator { table })
}

/// Returns whether an existing table lists migrations of vaultcast.
pub(super) async fn is_ours(db: &impl ConnectionTrait, table: &str) -> Result<bool, DbErr> {
    Ok(lists_ours(&versions(db, table).await?))
}

fn lists_ours(applied: &[String]) -> bool {
    let mut known = migration::migrations().into_iter();
    known.any(|known| applied.iter().any(|name| name == known.name()))
}

/// Reads the applied migrations; none when their table does not exist.
async fn applied_versions(db: &impl ConnectionTrait, table: &str) -> Result<Vec<String>, DbErr> {
    let backend = db.get_database_backend();
    let find_table = match backend {
        DbBackend::Sqlite => {
            format!("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '{table}'")
        }
        // The table of another application may be unreadable.
        _ => format!(
            "SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE n.nspname = current_schema() AND c.relname = '{table}' \
             AND (c.relname = '{MIGRATION_TABLE}' OR has_table_privilege(c.oid, 'SELECT'))"
        ),
    };
    let find_table = Statement::from_string(backend, find_table);
    if db.query_one_raw(find_table).await?.is_none() {
        return Ok(Vec::new());
    }
    versions(db, table).await
}

async fn versions(db: &impl ConnectionTrait, table: &str) -> Result<Vec<String>, DbErr> {
    let sql = format!("SELECT version FROM {table} ORDER BY version");
    let query = Statement::from_string(db.get_database_backend(), sql);
    let rows = db.query_all_raw(query).await?;
    rows.iter().map(|row| row.try_get("", "version")).collect()
}
