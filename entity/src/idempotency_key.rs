//! Table `idempotency_keys`: answers to requests with an idempotency key, kept for 24 hours.

use sea_orm::entity::prelude::*;

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "idempotency_keys")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: String,
    /// The path of the request.
    #[sea_orm(primary_key, auto_increment = false)]
    pub path: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    /// The digest of the request's content, with defaults filled in.
    pub fingerprint: String,
    pub seq: i64,
    /// The resource in the answer, as JSON.
    pub answer: String,
    pub created_at: i64,
}

/// No relations are declared; queries join tables explicitly.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
