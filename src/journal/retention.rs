//! How much of its past a vault keeps: so many events, and none that is older than so long. What goes is always the
//! oldest, so that what is left has no gaps; a vault's newest event stays, whatever its age. Of a deleted vault
//! everything goes when that was as long ago.

use std::time::Duration;

use entity::{event, idempotency_key};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, QueryFilter, QueryOrder,
    QuerySelect, Statement,
};

use crate::domain::{Seq, Timestamp, VaultId};

/// How much is kept: an event that passes either bound goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// The most events of one vault (`journal.retain_events`).
    pub events: u64,
    /// The greatest age of an event, and how long a deleted vault leaves traces (`journal.retain_for`).
    pub age: Duration,
}

/// A vault, and how far back its journal goes.
#[derive(Debug)]
pub(super) struct Aged {
    pub id: VaultId,
    pub head: Seq,
    deleted_at: Option<Timestamp>,
    /// The oldest event that is kept; a new vault has none.
    oldest: Option<(Seq, Timestamp)>,
}

impl Retention {
    /// Whether this is a deleted vault of which nothing is kept any longer.
    pub(super) fn is_buried(&self, vault: &Aged, now: Timestamp) -> bool {
        vault.deleted_at.is_some_and(|at| self.is_past(at, now))
    }

    /// Whether a vault's oldest event is to go.
    pub(super) fn has_old(&self, vault: &Aged, now: Timestamp) -> bool {
        vault
            .oldest
            .is_some_and(|(seq, at)| self.is_old(vault.head, seq, at, now))
    }

    /// Whether the event at a place is to go from a vault with this head, should all before it go.
    pub(super) fn is_old(&self, head: Seq, seq: Seq, at: Timestamp, now: Timestamp) -> bool {
        let is_spare = head.0.saturating_sub(seq.0) >= self.events;
        seq < head && (is_spare || self.is_past(at, now))
    }

    fn is_past(&self, at: Timestamp, now: Timestamp) -> bool {
        let age = i64::try_from(self.age.as_millis()).unwrap_or(i64::MAX);
        now.0.saturating_sub(at.0) > age
    }
}

/// Whether there are answers that were given up to then.
pub(super) async fn has_answers(
    db: &impl ConnectionTrait,
    until: Timestamp,
) -> Result<bool, DbErr> {
    let old = idempotency_key::Column::CreatedAt.lte(until.0);
    let one = idempotency_key::Entity::find()
        .select_only()
        .column(idempotency_key::Column::CreatedAt)
        .filter(old)
        .limit(1)
        .into_tuple::<i64>()
        .one(db)
        .await?;
    Ok(one.is_some())
}

/// At most `limit` vaults by id, those after one.
pub(super) async fn aged(
    db: &impl ConnectionTrait,
    after: Option<&VaultId>,
    limit: u64,
) -> Result<Vec<Aged>, DbErr> {
    #[derive(FromQueryResult)]
    struct Row {
        vault_id: String,
        head: i64,
        deleted_at: Option<i64>,
        oldest: Option<i64>,
        oldest_at: Option<i64>,
    }
    let sql = "SELECT h.vault_id, h.head, v.deleted_at, \
         (SELECT MIN(e.seq) FROM vault_events e WHERE e.vault_id = h.vault_id) AS oldest, \
         (SELECT e.created_at FROM vault_events e WHERE e.vault_id = h.vault_id ORDER BY e.seq LIMIT 1) AS oldest_at \
         FROM vault_heads h JOIN vaults v ON v.id = h.vault_id \
         WHERE h.vault_id > $1 ORDER BY h.vault_id LIMIT $2";
    let after = after.map_or("", VaultId::as_str);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let values = [after.into(), limit.into()];
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    let rows = Row::find_by_statement(statement).all(db).await?;
    let vault = |row: Row| Aged {
        id: VaultId::from_row(row.vault_id),
        head: Seq::from_row(row.head),
        deleted_at: row.deleted_at.map(Timestamp),
        oldest: (row.oldest.map(Seq::from_row)).zip(row.oldest_at.map(Timestamp)),
    };
    Ok(rows.into_iter().map(vault).collect())
}

/// Places and times of at most `limit` events of a vault, oldest first.
pub(super) async fn oldest(
    db: &impl ConnectionTrait,
    id: &VaultId,
    limit: u64,
) -> Result<Vec<(Seq, Timestamp)>, DbErr> {
    let rows: Vec<(i64, i64)> = event::Entity::find()
        .select_only()
        .columns([event::Column::Seq, event::Column::CreatedAt])
        .filter(event::Column::VaultId.eq(id.as_str()))
        .order_by_asc(event::Column::Seq)
        .limit(limit)
        .into_tuple()
        .all(db)
        .await?;
    let place = |(seq, at)| (Seq::from_row(seq), Timestamp(at));
    Ok(rows.into_iter().map(place).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEPT: Retention = Retention {
        events: 3,
        age: Duration::from_millis(100),
    };

    /// Which events of a vault with five are to go, each alone, at a time when those up to `aged` are too old.
    fn going(aged: u64) -> Vec<u64> {
        let (young, old) = (Timestamp(900), Timestamp(899));
        let at = |seq| if seq <= aged { old } else { young };
        let goes = |seq: &u64| KEPT.is_old(Seq(5), Seq(*seq), at(*seq), Timestamp(1000));
        (1..=5).filter(goes).collect()
    }

    #[test]
    fn an_event_goes_that_passes_either_bound_but_never_the_newest() {
        assert_eq!(going(0), [1, 2]);
        assert_eq!(going(1), [1, 2]);
        assert_eq!(going(4), [1, 2, 3, 4]);
        assert_eq!(going(5), [1, 2, 3, 4]);
    }

    #[test]
    fn a_deleted_vault_goes_when_it_was_deleted_longer_ago_than_an_event_is_kept() {
        let mut vault = Aged {
            id: VaultId::generate(),
            head: Seq(1),
            deleted_at: None,
            oldest: Some((Seq(1), Timestamp(0))),
        };
        assert!(!KEPT.is_buried(&vault, Timestamp(1000)));
        vault.deleted_at = Some(Timestamp(900));
        assert!(!KEPT.is_buried(&vault, Timestamp(1000)));
        assert!(KEPT.is_buried(&vault, Timestamp(1001)));
    }
}
