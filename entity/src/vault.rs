//! A vault: what it was created with, and what it is now. A deleted one stays as a tombstone.

use sea_orm::entity::prelude::*;

/// A row of this table.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "vaults")]
pub struct Model {
    /// A cuid.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// Its name now.
    pub name: String,
    /// Its name when it was created, where replaying the journal begins.
    pub created_name: String,
    /// Its first owner, who has no event of his own: a new vault stands at sequence number 0.
    pub created_by: String,
    pub created_at: i64,
    pub updated_at: i64,
    /// Set once, by the vault's last event.
    pub deleted_at: Option<i64>,
}

/// Rows are joined by hand where they are: no relations are declared.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
