//! Listings for the HTTP API: the vaults of a user, and the members and sources of a vault, one page at a time.
//!
//! A page begins after the last row of the page before, by a unique key that never changes. So rows that are added or
//! deleted between two pages make no other row appear twice or not at all. Each page is read from one snapshot.

use entity::{head, member, source, user, vault};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, ExprTrait, QueryFilter, QueryOrder,
    QuerySelect, sea_query::Expr,
};
use std::collections::HashMap;

use crate::domain::{
    Member, MemberView, Membership, Seq, Source, Timestamp, User, UserId, VaultId, VaultView,
    ids::MembershipId,
};

use super::{
    database,
    error::JournalError,
    handle::Journal,
    reads::{ReaderAccess, reader_access, vault_view},
    rows,
};

/// One row more than a page has shows whether there is another page.
const EXTRA_ROW: u64 = 1;

/// One page of rows.
#[derive(Debug)]
pub struct Page<T, K> {
    pub rows: Vec<T>,
    /// The key of the last row, if there is another page.
    pub next: Option<K>,
}

/// One page of a vault's rows, and the `seq` that they reflect.
#[derive(Debug)]
pub struct Listing<T, K> {
    pub rows: Vec<T>,
    pub seq: Seq,
    /// The key of the last row, if there is another page.
    pub next: Option<K>,
}

/// The key of members in a listing: the time at which they joined and, for equal times, the id of their membership.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberKey {
    pub joined_at: Timestamp,
    pub id: MembershipId,
}

impl<T, K> Page<T, K> {
    /// Returns the page of at most `limit` rows, of which one more were requested.
    fn new(mut found: Vec<T>, limit: usize, key: impl FnOnce(&T) -> K) -> Self {
        let has_more = found.len() > limit;
        found.truncate(limit);
        Self {
            next: found.last().filter(|_| has_more).map(key),
            rows: found,
        }
    }
}

impl Journal {
    /// Returns at most `limit` vaults of a user after the vault `after`, in the order of their ids. Ids grow with time,
    /// so this is the order in which the vaults were created.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn vaults_of_user(
        &self,
        user: &UserId,
        after: Option<&VaultId>,
        limit: usize,
    ) -> Result<Page<VaultView, VaultId>, JournalError> {
        let (user, after) = (user.clone(), after.cloned());
        self.list(|db| async move {
            let txn = database::begin_read(&db).await?;
            let mut query = member::Entity::find()
                .filter(member::Column::UserId.eq(user.as_str()))
                .order_by_asc(member::Column::VaultId)
                .limit(limit as u64 + EXTRA_ROW);
            if let Some(after) = after {
                query = query.filter(member::Column::VaultId.gt(after.as_str()));
            }
            let found = query.all(&txn).await?;
            let key = |last: &member::Model| VaultId::from_row(last.vault_id.clone());
            let Page { rows, next } = Page::new(found, limit, key);
            let ids: Vec<_> = rows.iter().map(|row| row.vault_id.as_str()).collect();
            let mut heads = heads(&txn, &ids).await?;
            let mut vaults = vaults(&txn, &ids).await?;
            txn.commit().await?;
            let view = |row: member::Model| {
                let id = &row.vault_id;
                let (Some(vault), Some(head)) = (vaults.remove(id), heads.remove(id)) else {
                    return Err(DbErr::RecordNotFound(format!("head of vault {id}")));
                };
                Ok(vault_view(vault, rows::role(&row.role)?, head))
            };
            let rows = rows.into_iter().map(view).collect::<Result<_, _>>()?;
            Ok(Page { rows, next })
        })
        .await
    }

    /// Returns at most `limit` members of a vault after the member with the key `after`, in the order in which they joined.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn members(
        &self,
        id: &VaultId,
        reader: &UserId,
        after: Option<&MemberKey>,
        limit: usize,
    ) -> Result<Option<Listing<MemberView, MemberKey>>, JournalError> {
        let (id, reader, after) = (id.clone(), reader.clone(), after.cloned());
        self.list(|db| async move {
            let txn = database::begin_read(&db).await?;
            let Some(ReaderAccess { seq, .. }) = reader_access(&txn, &id, &reader).await? else {
                return Ok(None);
            };
            let mut query = member::Entity::find()
                .filter(member::Column::VaultId.eq(id.as_str()))
                .order_by_asc(member::Column::CreatedAt)
                .order_by_asc(member::Column::Id)
                .limit(limit as u64 + EXTRA_ROW);
            if let Some(MemberKey { joined_at, id }) = after {
                let key = [member::Column::CreatedAt, member::Column::Id].map(Expr::col);
                let after = [Expr::value(joined_at.0), Expr::value(id.as_str())];
                query = query.filter(Expr::tuple(key).gt(Expr::tuple(after)));
            }
            let found = query.all(&txn).await?;
            let key = |last: &member::Model| MemberKey {
                joined_at: Timestamp(last.created_at),
                id: MembershipId::from_row(last.id.clone()),
            };
            let Page { rows, next } = Page::new(found, limit, key);
            let ids: Vec<_> = rows.iter().map(|row| row.user_id.as_str()).collect();
            let mut users = users(&txn, &ids).await?;
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
            let rows = rows.into_iter().map(view).collect::<Result<_, DbErr>>()?;
            Ok(Some(Listing { rows, seq, next }))
        })
        .await
    }

    /// Returns at most `limit` sources of a vault that were created before the seq `before`, newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn sources(
        &self,
        id: &VaultId,
        reader: &UserId,
        before: Option<Seq>,
        limit: usize,
    ) -> Result<Option<Listing<Source, Seq>>, JournalError> {
        let (id, reader) = (id.clone(), reader.clone());
        self.list(|db| async move {
            let txn = database::begin_read(&db).await?;
            let Some(ReaderAccess { seq, .. }) = reader_access(&txn, &id, &reader).await? else {
                return Ok(None);
            };
            let mut query = source::Entity::find()
                .filter(source::Column::VaultId.eq(id.as_str()))
                .order_by_desc(source::Column::CreatedSeq)
                .limit(limit as u64 + EXTRA_ROW);
            if let Some(before) = before {
                query = query.filter(source::Column::CreatedSeq.lt(before.to_row()));
            }
            let found = query.all(&txn).await?;
            txn.commit().await?;
            let page = Page::new(found, limit, |last| Seq::from_row(last.created_seq));
            let rows = page.rows.into_iter().map(rows::source).collect();
            let next = page.next;
            Ok(Some(Listing { rows, seq, next }))
        })
        .await
    }
}

/// Returns the heads of the vaults with these ids.
async fn heads(db: &impl ConnectionTrait, ids: &[&str]) -> Result<HashMap<String, Seq>, DbErr> {
    let heads = head::Entity::find().filter(head::Column::VaultId.is_in(ids.iter().copied()));
    let by_id = |row: head::Model| (row.vault_id, Seq::from_row(row.head));
    Ok(heads.all(db).await?.into_iter().map(by_id).collect())
}

/// Returns the vaults with these ids.
async fn vaults(
    db: &impl ConnectionTrait,
    ids: &[&str],
) -> Result<HashMap<String, vault::Model>, DbErr> {
    let vaults = vault::Entity::find().filter(vault::Column::Id.is_in(ids.iter().copied()));
    let by_id = |row: vault::Model| (row.id.clone(), row);
    Ok(vaults.all(db).await?.into_iter().map(by_id).collect())
}

/// Returns the recorded users with these ids.
async fn users(db: &impl ConnectionTrait, ids: &[&str]) -> Result<HashMap<String, User>, DbErr> {
    let users = user::Entity::find().filter(user::Column::Id.is_in(ids.iter().copied()));
    let by_id = |row: user::Model| (row.id.clone(), rows::user(row));
    Ok(users.all(db).await?.into_iter().map(by_id).collect())
}
