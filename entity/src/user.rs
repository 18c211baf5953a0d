//! Table `users`: users, recorded when a session or an owner first names them.

use sea_orm::entity::prelude::*;

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "users")]
pub struct Model {
    /// The id in the application: the claim `id`, otherwise `sub`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub name: Option<String>,
    pub email: Option<String>,
    /// Milliseconds since 1970, like all times in the database.
    pub created_at: i64,
    /// When the application issued the session that name and email come from; 0 without such a session, or if it has no
    /// date.
    pub updated_at: i64,
}

/// No relations are declared; queries join tables explicitly.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
