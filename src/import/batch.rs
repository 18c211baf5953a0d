//! Rows of the service that are written in one transaction.

use std::collections::HashSet;

use entity::{event, head, member, source, user, vault};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel,
    QueryFilter,
    sea_query::{Expr, OnConflict},
};

use crate::domain::{Seq, VaultId};

/// How many rows a transaction has before it is written; one with many members may have more.
const ROWS_PER_TRANSACTION: usize = 5000;

/// How many rows a statement inserts: eleven values each, and SQLite accepts 32,766.
const ROWS_PER_STATEMENT: usize = 1000;

/// A move of a vault's head over events that the import has made.
#[derive(Clone, Debug)]
pub(super) struct ImportHeadMove {
    pub vault: VaultId,
    pub from: Seq,
    pub to: Seq,
}

/// Rows to be written.
#[derive(Default)]
pub(super) struct ImportBatch {
    /// Users of the application.
    pub users: Vec<user::Model>,
    /// Users that only memberships name.
    pub referenced_users: Vec<user::Model>,
    pub vaults: Vec<vault::Model>,
    pub heads: Vec<head::Model>,
    pub members: Vec<member::Model>,
    pub sources: Vec<source::Model>,
    pub events: Vec<event::Model>,
    pub head_moves: Vec<ImportHeadMove>,
    /// The ids of the memberships and sources.
    ids: HashSet<String>,
}

/// Why a batch was not written. The transaction was rolled back.
#[derive(Debug)]
pub(super) enum ImportBatchError {
    Database(DbErr),
    /// The head of the vault has another value than expected.
    HeadMoved(VaultId),
}

impl From<DbErr> for ImportBatchError {
    fn from(error: DbErr) -> Self {
        Self::Database(error)
    }
}

impl ImportBatch {
    /// Returns whether the batch should be written before more is added.
    pub(super) fn is_full(&self) -> bool {
        let rows = self.users.len() + self.members.len() + self.sources.len() + self.events.len();
        rows >= ROWS_PER_TRANSACTION
    }

    /// Records the id of a membership or a source. Returns whether it is new in this batch.
    pub(super) fn add_id(&mut self, id: &str) -> bool {
        self.ids.insert(id.to_owned())
    }

    /// Executes the statements.
    ///
    /// # Errors
    /// When a vault's head was moved by another process, or the database rejects a statement.
    pub(super) async fn write(self, txn: &impl ConnectionTrait) -> Result<(), ImportBatchError> {
        for ImportHeadMove { vault, from, to } in self.head_moves {
            let moved = head::Entity::update_many()
                .col_expr(head::Column::Head, Expr::value(to.to_row()))
                .filter(head::Column::VaultId.eq(vault.as_str()))
                .filter(head::Column::Head.eq(from.to_row()))
                .exec(txn)
                .await?;
            if moved.rows_affected != 1 {
                return Err(ImportBatchError::HeadMoved(vault));
            }
        }
        insert(txn, self.events, None).await?;
        insert(txn, self.sources, None).await?;
        let completed = [user::Column::Name, user::Column::Email].map(|column| {
            let name = match column {
                user::Column::Name => "name",
                _ => "email",
            };
            let value = format!("COALESCE(users.{name}, excluded.{name})");
            (column, Expr::cust(value))
        });
        let mut complete = OnConflict::column(user::Column::Id);
        complete.values(completed);
        insert(txn, self.users, Some(complete)).await?;
        let mut keep = OnConflict::column(user::Column::Id);
        keep.do_nothing();
        insert(txn, self.referenced_users, Some(keep)).await?;
        insert(txn, self.vaults, None).await?;
        insert(txn, self.heads, None).await?;
        insert(txn, self.members, None).await?;
        Ok(())
    }
}

/// Inserts rows of one table.
async fn insert<M, A>(
    txn: &impl ConnectionTrait,
    rows: Vec<M>,
    on_conflict: Option<OnConflict>,
) -> Result<(), DbErr>
where
    M: IntoActiveModel<A>,
    A: ActiveModelTrait,
{
    let mut rows = rows
        .into_iter()
        .map(IntoActiveModel::into_active_model)
        .peekable();
    while rows.peek().is_some() {
        let mut insert = A::Entity::insert_many(rows.by_ref().take(ROWS_PER_STATEMENT));
        if let Some(on_conflict) = &on_conflict {
            insert = insert.on_conflict(on_conflict.clone());
        }
        insert.exec_without_returning(txn).await?;
    }
    Ok(())
}
