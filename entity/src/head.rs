//! Table `vault_heads`: the head of each vault. The row is the vault's lock for a transaction. It is narrow, because every
//! commit writes it.

use sea_orm::entity::prelude::*;

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "vault_heads")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub vault_id: String,
    /// The `seq` of the vault's last event; 0 for a new vault.
    pub head: i64,
}

/// No relations are declared; queries join tables explicitly.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
