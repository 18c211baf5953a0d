//! What a POST with an `Idempotency-Key` answered, kept for 24 hours.

use sea_orm::entity::prelude::*;

/// A row of this table.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "idempotency_keys")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: String,
    /// The path it was posted to.
    #[sea_orm(primary_key, auto_increment = false)]
    pub path: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    /// What the request asked for, defaults filled in, as a digest.
    pub fingerprint: String,
    pub seq: i64,
    /// The resource that was answered, as JSON.
    pub answer: String,
    pub created_at: i64,
}

/// Rows are joined by hand where they are: no relations are declared.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
