//! Table `vaults`: the original and the current properties of each vault. A deleted vault keeps its row as a tombstone.

use sea_orm::entity::prelude::*;

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "vaults")]
pub struct Model {
    /// A cuid.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// The current name.
    pub name: String,
    /// The original name, with which a replay of the journal starts.
    pub created_name: String,
    /// The user id of the first owner, who is added without an event: the head of a new vault is 0.
    pub created_by: String,
    pub created_at: i64,
    pub updated_at: i64,
    /// The time of the vault's last event, if that deleted it.
    pub deleted_at: Option<i64>,
}

/// No relations are declared; queries join tables explicitly.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
