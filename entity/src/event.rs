//! The journal: one row per event of a vault, `seq` without gaps from 1.

use sea_orm::entity::prelude::*;

/// A row of this table.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "vault_events")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub vault_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub seq: i64,
    /// The event's name on the wire, such as `source:created`.
    pub kind: String,
    /// The event's JSON exactly as subscribers get it.
    pub payload: String,
    pub created_at: i64,
}

/// Rows are joined by hand where they are: no relations are declared.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
