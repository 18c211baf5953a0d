//! Table `vault_events`: the journal, one row per event. A vault's events have the seqs 1, 2, … without gaps.

use sea_orm::entity::prelude::*;

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "vault_events")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub vault_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub seq: i64,
    /// The event's name on the wire, such as `source:created`.
    pub kind: String,
    /// The event's JSON exactly as subscribers receive it.
    pub payload: String,
    pub created_at: i64,
}

/// No relations are declared; queries join tables explicitly.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
