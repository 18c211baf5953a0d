//! A person, recorded the first time a session or an owner names them.

use sea_orm::entity::prelude::*;

/// A row of this table.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "users")]
pub struct Model {
    /// The id of the application beside us: claim `id`, else `sub`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub name: Option<String>,
    pub email: Option<String>,
    /// Milliseconds since 1970, as all times of the database.
    pub created_at: i64,
    pub updated_at: i64,
}

/// Rows are joined by hand where they are: no relations are declared.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
