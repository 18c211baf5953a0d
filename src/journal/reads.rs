//! Reads of single vaults and sources for the HTTP API, and of ranges of a journal. `listings.rs` has the listings.
//!
//! Each read uses one snapshot, so that its rows and its `seq` belong together. Each read has a reader; for a user who is
//! not a member the result is `None`, as for a vault that never existed.

use entity::{head, member, source, user, vault};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, ExprTrait, QueryFilter, QuerySelect,
    QueryTrait, sea_query::Expr,
};

use crate::domain::{
    Role, Seq, Source, SourceId, Timestamp, UserId, UserProfile, VaultId, VaultView,
};

use super::{database, error::JournalError, handle::Journal, lookup, record::JournalRecord, rows};

/// Events of a vault and the head that was read with them.
#[derive(Debug)]
pub struct EventRows {
    pub rows: Vec<JournalRecord>,
    pub seq: Seq,
}

/// A range of events of a vault.
#[derive(Debug)]
pub enum EventRange {
    /// The events after the requested seq, up to the limit.
    Available(EventRows),
    /// Events after the requested seq were trimmed.
    Trimmed {
        /// The smallest seq whose later events are all kept.
        since: Seq,
    },
}

impl Journal {
    /// Returns a vault from the view of a member.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn vault(
        &self,
        id: &VaultId,
        reader: &UserId,
    ) -> Result<Option<VaultView>, JournalError> {
        let (id, reader) = (id.clone(), reader.clone());
        self.list(|db| async move {
            let txn = database::begin_read(&db).await?;
            let Some(ReaderAccess { role, seq }) = reader_access(&txn, &id, &reader).await? else {
                return Ok(None);
            };
            let row = vault::Entity::find_by_id(id.as_str()).one(&txn).await?;
            txn.commit().await?;
            Ok(row.map(|row| vault_view(row, role, seq)))
        })
        .await
    }

    /// Returns a source of a vault that the reader is a member of.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn source(
        &self,
        id: &SourceId,
        reader: &UserId,
    ) -> Result<Option<Source>, JournalError> {
        let (id, reader) = (id.clone(), reader.clone());
        self.list(|db| async move {
            let txn = database::begin_read(&db).await?;
            let Some(row) = source::Entity::find_by_id(id.as_str()).one(&txn).await? else {
                return Ok(None);
            };
            let source = rows::source(row);
            let is_member = reader_access(&txn, &source.vault_id, &reader)
                .await?
                .is_some();
            txn.commit().await?;
            Ok(is_member.then_some(source))
        })
        .await
    }

    /// Returns the vault of a source of which the user is a member. It uses one query, because the response time must not
    /// depend on whether the source exists. A source never moves to another vault.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn vault_of_source(
        &self,
        id: &SourceId,
        user: &UserId,
    ) -> Result<Option<VaultId>, JournalError> {
        let (id, user) = (id.clone(), user.clone());
        self.read(|db| async move {
            let same_vault = Expr::col((member::Entity, member::Column::VaultId))
                .equals((source::Entity, source::Column::VaultId));
            let membership = member::Entity::find()
                .filter(same_vault)
                .filter(member::Column::UserId.eq(user.as_str()))
                .select_only()
                .column(member::Column::UserId);
            let vault: Option<String> = source::Entity::find_by_id(id.as_str())
                .filter(Expr::exists(membership.into_query()))
                .select_only()
                .column(source::Column::VaultId)
                .into_tuple()
                .one(&db)
                .await?;
            Ok(vault.map(VaultId::from_row))
        })
        .await
    }

    /// Returns whether a user is a member of a vault.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn is_member(&self, id: &VaultId, user: &UserId) -> Result<bool, JournalError> {
        let key = (id.to_string(), user.to_string());
        self.read(|db| async move {
            let membership = member::Entity::find_by_id(key).one(&db).await?;
            Ok(membership.is_some())
        })
        .await
    }

    /// Returns at most `limit` events of a vault after the seq `since`, oldest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn events(
        &self,
        id: &VaultId,
        reader: &UserId,
        since: Seq,
        limit: usize,
    ) -> Result<Option<EventRange>, JournalError> {
        let (id, reader) = (id.clone(), reader.clone());
        self.list(|db| async move {
            let txn = database::begin_read(&db).await?;
            let Some(ReaderAccess { seq, .. }) = reader_access(&txn, &id, &reader).await? else {
                return Ok(None);
            };
            let rows = lookup::records(&txn, &id, since, limit).await?;
            txn.commit().await?;
            // Events have no gaps, so a missing first event was trimmed, and all before it.
            let kept_since = match rows.first() {
                Some(first) => Seq(first.seq.0 - 1),
                None => seq,
            };
            Ok(Some(if since >= kept_since {
                EventRange::Available(EventRows { rows, seq })
            } else {
                EventRange::Trimmed { since: kept_since }
            }))
        })
        .await
    }

    /// Returns a recorded user.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn user(&self, id: &UserId) -> Result<Option<UserProfile>, JournalError> {
        let id = id.clone();
        self.read(|db| async move {
            let row = user::Entity::find_by_id(id.as_str()).one(&db).await?;
            Ok(row.map(rows::user_profile))
        })
        .await
    }
}

/// The role of a member and the vault's head.
pub(super) struct ReaderAccess {
    pub role: Role,
    pub seq: Seq,
}

/// Returns the access of a reader, or `None` when they are not a member.
pub(super) async fn reader_access(
    db: &impl ConnectionTrait,
    id: &VaultId,
    reader: &UserId,
) -> Result<Option<ReaderAccess>, DbErr> {
    let key = (id.to_string(), reader.to_string());
    let Some(row) = member::Entity::find_by_id(key).one(db).await? else {
        return Ok(None);
    };
    let head = head::Entity::find_by_id(id.as_str()).one(db).await?;
    let role = rows::role(&row.role)?;
    Ok(head.map(|head| ReaderAccess {
        role,
        seq: Seq::from_row(head.head),
    }))
}

pub(super) fn vault_view(row: vault::Model, role: Role, seq: Seq) -> VaultView {
    VaultView {
        id: VaultId::from_row(row.id),
        name: row.name,
        role,
        seq,
        created_at: Timestamp(row.created_at),
        updated_at: Timestamp(row.updated_at),
    }
}
