//! vaultcast's database schema, one file per step, for SQLite and PostgreSQL alike.
//! A step that was released is never edited: what changes afterwards is a new step.

pub use sea_orm_migration::prelude::*;

mod m20261123_000001_first_light;
mod m20261123_000002_kept_sockets;

/// All steps, oldest first.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261123_000001_first_light::Migration),
            Box::new(m20261123_000002_kept_sockets::Migration),
        ]
    }
}
