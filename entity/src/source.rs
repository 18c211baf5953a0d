//! A source as it stands now.

use sea_orm::entity::prelude::*;

/// A row of this table.
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
    /// The `seq` of the event that made the source so: its ETag.
    pub seq: i64,
    /// The `seq` of the event that created it: listings are paged by `(vault_id, created_seq)`.
    pub created_seq: i64,
    pub created_at: i64,
    pub updated_at: i64,
}

/// Rows are joined by hand where they are: no relations are declared.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
