//! Migrations: applies them, reverts them, and compares those in the database with those in this binary.
//!
//! All pending migrations are one transaction: a start that fails leaves nothing behind. On PostgreSQL a lock makes
//! nodes that start at the same time wait for each other.

use migration::MigratorTraitSelf;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr,
    SqliteTransactionMode, TransactionOptions, TransactionTrait,
};

use super::{
    database::Database,
    database_error::DatabaseError,
    migration_checks::{prepare_schema, refuse_foreign_relations, refuse_tables_elsewhere},
    migration_steps::{MigrationStatus, MigrationStep, migration_steps, migrator},
};

/// The advisory lock of migrations in a PostgreSQL database: `vaultcas` as a number.
const MIGRATION_LOCK: i64 = 0x7661_756c_7463_6173;

impl Database {
    /// Applies all pending migrations. Makes the schema of the URL if it is missing. Writes nothing if nothing is pending,
    /// because the database user may lack the permission.
    ///
    /// # Errors
    /// When the database does not allow it, or a migration fails. The database is unchanged then.
    pub async fn migrate(&self) -> Result<(), DatabaseError> {
        let schema = self.schema.clone();
        let migrate = |db| async move { Ok(apply_pending(&db, schema.as_deref()).await) };
        self.first_writer().run(migrate).await?
    }

    /// Checks that the schema of the URL has tables, or that no earlier version has made them in another one.
    ///
    /// # Errors
    /// When the tables of an earlier version are in another schema, or the database does not answer.
    pub async fn check_schema(&self) -> Result<(), DatabaseError> {
        let Some(schema) = self.schema.clone() else {
            return Ok(());
        };
        let check = |db| async move { Ok(refuse_tables_elsewhere(&db, &schema).await) };
        self.first_writer().run(check).await?
    }

    /// Reverts the migration that was applied last.
    ///
    /// # Errors
    /// When the migration fails. The database is unchanged then.
    pub async fn revert_last(&self) -> Result<(), DatabaseError> {
        let revert = |db: DatabaseConnection| async move {
            let txn = begin(&db).await?;
            let migrator = migrator(&txn).await?;
            migrator.down(&txn, Some(1)).await?;
            txn.commit().await
        };
        Ok(self.first_writer().run(revert).await?)
    }

    /// Returns all migrations, oldest first, followed by those that only the database knows. Writes nothing, not even the
    /// table of applied migrations, because the database user may lack the permission.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn migrations(&self) -> Result<Vec<MigrationStep>, DbErr> {
        let steps = |db: DatabaseConnection| async move { migration_steps(&db).await };
        self.first_writer().run(steps).await
    }
}

async fn apply_pending(db: &DatabaseConnection, schema: Option<&str>) -> Result<(), DatabaseError> {
    if !has_pending(&migration_steps(db).await?) {
        return Ok(());
    }
    let txn = begin(db).await?;
    let migrated = apply_in_transaction(&txn, schema).await;
    match migrated {
        Ok(()) => txn.commit().await?,
        Err(_) => txn.rollback().await?,
    }
    migrated
}

async fn apply_in_transaction(
    txn: &DatabaseTransaction,
    schema: Option<&str>,
) -> Result<(), DatabaseError> {
    // Another node may have migrated while this one waited for the lock.
    let steps = migration_steps(txn).await?;
    if !has_pending(&steps) {
        return Ok(());
    }
    prepare_schema(txn, schema).await?;
    refuse_foreign_relations(txn, &steps).await?;
    migrator(txn).await?.up(txn, None).await?;
    Ok(())
}

fn has_pending(steps: &[MigrationStep]) -> bool {
    let mut pending = steps.iter().map(|step| step.status);
    pending.any(|status| status == MigrationStatus::Pending)
}

/// Begins a transaction that no other process's migrations can overlap.
async fn begin(db: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    let txn = db
        .begin_with_options(TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        })
        .await?;
    if txn.get_database_backend() != DbBackend::Sqlite {
        // The migrations of another node may take longer than other locks.
        let lock = format!(
            "SELECT set_config('lock_timeout', '1min', true); SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"
        );
        txn.execute_unprepared(&lock).await?;
    }
    Ok(txn)
}
