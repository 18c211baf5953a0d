//! Who belongs to a vault, and as what.

use sea_orm::entity::prelude::*;

/// A row of this table.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "vault_users")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub vault_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: String,
    /// The membership's own cuid, as the application's `VaultUser` has one.
    pub id: String,
    /// `owner`, `contributor` or `viewer`.
    pub role: String,
    pub created_at: i64,
    pub updated_at: i64,
}

/// Rows are joined by hand where they are: no relations are declared.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
