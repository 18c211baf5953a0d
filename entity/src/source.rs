//! Table `sources`: the current state of each source.

use sea_orm::entity::prelude::*;

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sources")]
pub struct Model {
    /// A cuid.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub vault_id: String,
    pub title: String,
    pub file_url: String,
    pub file_key: Option<String>,
    /// Bytes.
    pub file_size: Option<i64>,
    pub mime_type: String,
    /// The `seq` of the last event about the source, which is its ETag.
    pub seq: i64,
    /// The `seq` of the event that created the source. Listings are paged by `(vault_id, created_seq)`.
    pub created_seq: i64,
    pub created_at: i64,
    pub updated_at: i64,
}

/// No relations are declared; queries join tables explicitly.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
