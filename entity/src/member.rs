//! Table `vault_users`: the members of each vault with their roles.

use sea_orm::entity::prelude::*;

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "vault_users")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub vault_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: String,
    /// The cuid of the membership, like the `id` of the application's `VaultUser`.
    pub id: String,
    /// `owner`, `contributor` or `viewer`.
    pub role: String,
    pub created_at: i64,
    pub updated_at: i64,
}

/// No relations are declared; queries join tables explicitly.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
