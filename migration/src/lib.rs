//! The database schema of vaultcast for SQLite and PostgreSQL, one file per migration.
//!
//! A released migration is never edited; later changes are new migrations.

use sea_orm_migration::prelude::*;

pub use sea_orm_migration::MigratorTraitSelf;

mod m20261123_000001_initial_schema;
mod m20261123_000002_stored_sockets;
mod m20261127_000003_listing_indexes;

/// The table that lists the applied migrations.
pub const MIGRATION_TABLE: &str = "vaultcast_migrations";

/// The same in databases of earlier versions: the default of sea-orm, which other applications may use too.
pub const EARLIER_MIGRATION_TABLE: &str = "seaql_migrations";

/// The names of all tables and indexes of vaultcast. A database without applied migrations must contain none of them.
pub const RELATIONS: &[&str] = &[
    "epoch",
    "idempotency_keys",
    "idempotency_keys_age",
    "sources",
    "sources_vault_created",
    "stored_sockets",
    "stored_sockets_expires",
    "users",
    "users_email",
    "vault_events",
    "vault_heads",
    "vault_users",
    "vault_users_joined",
    "vault_users_user",
    "vault_users_user_vault",
    "vaults",
];

/// Returns all migrations, oldest first.
pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![
        Box::new(m20261123_000001_initial_schema::InitialSchema),
        Box::new(m20261123_000002_stored_sockets::StoredSockets),
        Box::new(m20261127_000003_listing_indexes::ListingIndexes),
    ]
}

/// Applies and reverts migrations.
#[derive(Clone, Copy, Debug)]
pub struct Migrator {
    /// The table that lists the applied migrations: [`MIGRATION_TABLE`] or [`EARLIER_MIGRATION_TABLE`].
    pub table: &'static str,
}

impl MigratorTraitSelf for Migrator {
    fn migrations(&self) -> Vec<Box<dyn MigrationTrait>> {
        migrations()
    }

    fn migration_table_name(&self) -> DynIden {
        self.table.into_iden()
    }
}
