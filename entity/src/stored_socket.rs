//! Table `stored_sockets`: the recovery state of sockets whose process has stopped. A row is deleted when a process takes it.

use sea_orm::entity::prelude::*;

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "stored_sockets")]
pub struct Model {
    /// The secret by which the client identifies the socket when it reconnects.
    #[sea_orm(primary_key, auto_increment = false)]
    pub pid: String,
    /// The state that recovery needs, as JSON.
    pub state: String,
    /// The time from which the row is ignored.
    pub expires: i64,
}

/// No relations are declared; queries join tables explicitly.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
