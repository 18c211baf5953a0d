//! What members read, each answer from one snapshot: rows and the `seq` that they reflect belong together.
//!
//! Every read is made for somebody; who is no member gets `None`, as for a vault that never was.

use entity::{head, member, source, user, vault};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait,
};
use std::collections::HashMap;

use crate::domain::{
    Role, Seq, Source, SourceId, Timestamp, User, UserId, VaultId,
    event::{Member, MemberView, VaultView},
    vault::Membership,
};

use super::{Journal, JournalError, database, lookup, record::Record, rows};

/// Rows of a vault and the place in its order that they reflect.
#[derive(Debug)]
pub struct Listing<T> {
    pub rows: Vec<T>,
    pub seq: Seq,
    /// Where the next page begins, when there is one.
    pub next: Option<Seq>,
}

/// A stretch of a vault's journal.
#[derive(Debug)]
pub enum Stretch {
    /// Every event after the place asked for, up to a number of them.
    Kept(Listing<Record>),
    /// Events after the place asked for are no longer kept.
    Trimmed,
}

impl Journal {
    /// The vaults of a user, oldest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn vaults_of(&self, user: &UserId) -> Result<Vec<VaultView>, JournalError> {
        let user = user.clone();
        self.read(|db| async move {
            let txn = database::begin_read(&db).await?;
            let mine = member::Entity::find()
                .filter(member::Column::UserId.eq(user.as_str()))
                .all(&txn)
                .await?;
            // Not by a list of ids: a database binds only so many values.
            let ids = || {
                let mine = member::Entity::find().filter(member::Column::UserId.eq(user.as_str()));
                let ids = mine.select_only().column(member::Column::VaultId);
                ids.into_query()
            };
            let heads: HashMap<_, _> = head::Entity::find()
                .filter(head::Column::VaultId.in_subquery(ids()))
                .all(&txn)
                .await?
                .into_iter()
                .map(|row| (row.vault_id, row.head))
                .collect();
            let vaults = vault::Entity::find()
                .filter(vault::Column::Id.in_subquery(ids()))
                .order_by_asc(vault::Column::CreatedAt)
                .order_by_asc(vault::Column::Id)
                .all(&txn)
                .await?;
            txn.commit().await?;
            let roles: HashMap<_, _> = mine
                .into_iter()
                .map(|row| (row.vault_id, row.role))
                .collect();
            let view = |row: vault::Model| {
                let (Some(role), Some(head)) = (roles.get(&row.id), heads.get(&row.id)) else {
                    return Err(DbErr::RecordNotFound(format!("head of vault {}", row.id)));
                };
                Ok(vault_view(row, rows::role(role)?, Seq::from_row(*head)))
            };
            vaults.into_iter().map(view).collect()
        })
        .await
    }

    /// A vault as one of its members sees it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn vault(
        &self,
        id: &VaultId,
        reader: &UserId,
    ) -> Result<Option<VaultView>, JournalError> {
        let (id, reader) = (id.clone(), reader.clone());
        self.read(|db| async move {
            let txn = database::begin_read(&db).await?;
            let Some((role, seq)) = admit(&txn, &id, &reader).await? else {
                return Ok(None);
            };
            let row = vault::Entity::find_by_id(id.as_str()).one(&txn).await?;
            txn.commit().await?;
            Ok(row.map(|row| vault_view(row, role, seq)))
        })
        .await
    }

    /// The members of a vault, who came first first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn members(
        &self,
        id: &VaultId,
        reader: &UserId,
    ) -> Result<Option<Listing<MemberView>>, JournalError> {
        let (id, reader) = (id.clone(), reader.clone());
        self.read(|db| async move {
            let txn = database::begin_read(&db).await?;
            let Some((_, seq)) = admit(&txn, &id, &reader).await? else {
                return Ok(None);
            };
            let members = member::Entity::find()
                .filter(member::Column::VaultId.eq(id.as_str()))
                .order_by_asc(member::Column::CreatedAt)
                .order_by_asc(member::Column::UserId)
                .all(&txn)
                .await?;
            let ids = member::Entity::find()
                .filter(member::Column::VaultId.eq(id.as_str()))
                .select_only()
                .column(member::Column::UserId);
            let mut users: HashMap<_, _> = user::Entity::find()
                .filter(user::Column::Id.in_subquery(ids.into_query()))
                .all(&txn)
                .await?
                .into_iter()
                .map(|row| (row.id.clone(), rows::user(row)))
                .collect();
            txn.commit().await?;
            let view = |row: member::Model| {
                let user = users.remove(&row.user_id).unwrap_or_else(|| User {
                    id: UserId::from_row(row.user_id),
                    name: None,
                    email: None,
                });
                let membership = Membership {
                    role: rows::role(&row.role)?,
                    created_at: Timestamp(row.created_at),
                };
                Ok(MemberView::from(&Member { user, membership }))
            };
            let rows = members
                .into_iter()
                .map(view)
                .collect::<Result<_, DbErr>>()?;
            let next = None;
            Ok(Some(Listing { rows, seq, next }))
        })
        .await
    }

    /// At most `limit` sources of a vault, newest first, created before the place `before`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn sources(
        &self,
        id: &VaultId,
        reader: &UserId,
        before: Option<Seq>,
        limit: usize,
    ) -> Result<Option<Listing<Source>>, JournalError> {
        let (id, reader) = (id.clone(), reader.clone());
        self.read(|db| async move {
            let txn = database::begin_read(&db).await?;
            let Some((_, seq)) = admit(&txn, &id, &reader).await? else {
                return Ok(None);
            };
            let mut wanted = source::Entity::find()
                .filter(source::Column::VaultId.eq(id.as_str()))
                .order_by_desc(source::Column::CreatedSeq)
                // One more than asked for tells whether there is another page.
                .limit(limit as u64 + 1);
            if let Some(before) = before {
                wanted = wanted.filter(source::Column::CreatedSeq.lt(before.to_row()));
            }
            let found = wanted.all(&txn).await?;
            txn.commit().await?;
            let more = found.len() > limit;
            let rows: Vec<_> = found.into_iter().take(limit).map(rows::source).collect();
            let next = rows.last().filter(|_| more).map(|last| last.created_seq);
            Ok(Some(Listing { rows, seq, next }))
        })
        .await
    }

    /// A source of a vault that the reader is a member of.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn source(
        &self,
        id: &SourceId,
        reader: &UserId,
    ) -> Result<Option<Source>, JournalError> {
        let (id, reader) = (id.clone(), reader.clone());
        self.read(|db| async move {
            let txn = database::begin_read(&db).await?;
            let Some(row) = source::Entity::find_by_id(id.as_str()).one(&txn).await? else {
                return Ok(None);
            };
            let source = rows::source(row);
            let admitted = admit(&txn, &source.vault_id, &reader).await?.is_some();
            txn.commit().await?;
            Ok(admitted.then_some(source))
        })
        .await
    }

    /// The vault that a source is in; a source never moves to another.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn vault_of(&self, id: &SourceId) -> Result<Option<VaultId>, JournalError> {
        let id = id.clone();
        self.read(|db| async move {
            let vault: Option<String> = source::Entity::find_by_id(id.as_str())
                .select_only()
                .column(source::Column::VaultId)
                .into_tuple()
                .one(&db)
                .await?;
            Ok(vault.map(VaultId::from_row))
        })
        .await
    }

    /// At most `limit` events of a vault after the place `since`, oldest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn events(
        &self,
        id: &VaultId,
        reader: &UserId,
        since: Seq,
        limit: usize,
    ) -> Result<Option<Stretch>, JournalError> {
        let (id, reader) = (id.clone(), reader.clone());
        self.read(|db| async move {
            let txn = database::begin_read(&db).await?;
            let Some((_, seq)) = admit(&txn, &id, &reader).await? else {
                return Ok(None);
            };
            let rows = lookup::records(&txn, &id, since, limit).await?;
            txn.commit().await?;
            // Without gaps from 1: when the one right after is missing, it was trimmed.
            let whole = match rows.first() {
                Some(first) => first.seq == since.next(),
                None => since >= seq,
            };
            let next = None;
            Ok(Some(if whole {
                Stretch::Kept(Listing { rows, seq, next })
            } else {
                Stretch::Trimmed
            }))
        })
        .await
    }

    /// A user as recorded.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn user(&self, id: &UserId) -> Result<Option<User>, JournalError> {
        let id = id.clone();
        self.read(|db| async move {
            let row = user::Entity::find_by_id(id.as_str()).one(&db).await?;
            Ok(row.map(rows::user))
        })
        .await
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), JournalError> {
        self.read(|db| async move { db.ping().await }).await
    }
}

/// The reader's role and the vault's head, when he is a member.
async fn admit(
    db: &impl ConnectionTrait,
    id: &VaultId,
    reader: &UserId,
) -> Result<Option<(Role, Seq)>, DbErr> {
    let key = (id.to_string(), reader.to_string());
    let Some(row) = member::Entity::find_by_id(key).one(db).await? else {
        return Ok(None);
    };
    let head = head::Entity::find_by_id(id.as_str()).one(db).await?;
    let role = rows::role(&row.role)?;
    Ok(head.map(|head| (role, Seq::from_row(head.head))))
}

fn vault_view(row: vault::Model, role: Role, seq: Seq) -> VaultView {
    VaultView {
        id: VaultId::from_row(row.id),
        name: row.name,
        role,
        seq,
        created_at: Timestamp(row.created_at),
        updated_at: Timestamp(row.updated_at),
    }
}
