//! What is kept of a socket whose process stops, until it comes back. A row is taken away by whoever takes it up.

use sea_orm::entity::prelude::*;

/// A row of this table.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "kept_sockets")]
pub struct Model {
    /// The word by which its client asks for it.
    #[sea_orm(primary_key, auto_increment = false)]
    pub pid: String,
    /// Whatever its service needs to go on with it, as JSON.
    pub state: String,
    /// From then on it is of no use.
    pub expires: i64,
}

/// Rows are joined by hand where they are: no relations are declared.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
