//! Decides which events and deleted vaults have expired.
//!
//! A vault keeps a maximum number of events, and none older than a maximum age. Only the oldest events expire, so the rest
//! has no gaps; a vault's newest event never expires. All rows of a deleted vault expire when its deletion exceeds the
//! maximum age.

use std::time::Duration;

use entity::{event, idempotency_key};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, QueryFilter, QueryOrder,
    QuerySelect, Statement,
};

use crate::domain::{Seq, Timestamp, VaultId};

/// Limits for the journal of each vault. An event that exceeds either limit expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Maximum number of events of one vault (`journal.retain_events`).
    pub events: u64,
    /// Maximum age of an event, and how long the rows of a deleted vault are kept (`journal.retain_for`).
    pub age: Duration,
}

/// The head of a vault and the start of its journal.
#[derive(Debug)]
pub(super) struct RetentionRow {
    pub id: VaultId,
    pub head: Seq,
    deleted_at: Option<Timestamp>,
    /// `None` for a vault without events.
    oldest: Option<EventTime>,
}

/// The seq and the time of an event.
#[derive(Clone, Copy, Debug)]
pub(super) struct EventTime {
    pub seq: Seq,
    pub at: Timestamp,
}

impl Retention {
    /// Returns whether all rows of this vault have expired because it was deleted long ago.
    pub(super) fn is_purgeable(&self, vault: &RetentionRow, now: Timestamp) -> bool {
        vault.deleted_at.is_some_and(|at| self.exceeds_age(at, now))
    }

    /// Returns whether the vault's oldest event has expired.
    pub(super) fn has_expired_events(&self, vault: &RetentionRow, now: Timestamp) -> bool {
        vault
            .oldest
            .is_some_and(|oldest| self.is_expired(vault.head, oldest, now))
    }

    /// Returns whether an event of a vault with this head has expired, provided that all events before it have.
    pub(super) fn is_expired(&self, head: Seq, event: EventTime, now: Timestamp) -> bool {
        let exceeds_count = head.0.saturating_sub(event.seq.0) >= self.events;
        event.seq < head && (exceeds_count || self.exceeds_age(event.at, now))
    }

    fn exceeds_age(&self, at: Timestamp, now: Timestamp) -> bool {
        let age = i64::try_from(self.age.as_millis()).unwrap_or(i64::MAX);
        now.0.saturating_sub(at.0) > age
    }
}

/// Returns whether a remembered answer was given until this time.
pub(super) async fn has_answers_until(
    db: &impl ConnectionTrait,
    until: Timestamp,
) -> Result<bool, DbErr> {
    let first = idempotency_key::Entity::find()
        .select_only()
        .column(idempotency_key::Column::CreatedAt)
        .filter(idempotency_key::Column::CreatedAt.lte(until.0))
        .limit(1)
        .into_tuple::<i64>()
        .one(db)
        .await?;
    Ok(first.is_some())
}

/// Returns at most `limit` vaults in the order of their ids, starting after the id `after`.
pub(super) async fn retention_rows(
    db: &impl ConnectionTrait,
    after: Option<&VaultId>,
    limit: u64,
) -> Result<Vec<RetentionRow>, DbErr> {
    #[derive(FromQueryResult)]
    struct OldestEventRow {
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
    let rows = OldestEventRow::find_by_statement(statement).all(db).await?;
    let convert = |row: OldestEventRow| RetentionRow {
        id: VaultId::from_row(row.vault_id),
        head: Seq::from_row(row.head),
        deleted_at: row.deleted_at.map(Timestamp),
        oldest: (row.oldest.zip(row.oldest_at)).map(event_time),
    };
    Ok(rows.into_iter().map(convert).collect())
}

/// Returns seq and time of at most `limit` events of a vault, oldest first.
pub(super) async fn oldest_events(
    db: &impl ConnectionTrait,
    id: &VaultId,
    limit: u64,
) -> Result<Vec<EventTime>, DbErr> {
    let rows: Vec<(i64, i64)> = event::Entity::find()
        .select_only()
        .columns([event::Column::Seq, event::Column::CreatedAt])
        .filter(event::Column::VaultId.eq(id.as_str()))
        .order_by_asc(event::Column::Seq)
        .limit(limit)
        .into_tuple()
        .all(db)
        .await?;
    Ok(rows.into_iter().map(event_time).collect())
}

fn event_time((seq, at): (i64, i64)) -> EventTime {
    EventTime {
        seq: Seq::from_row(seq),
        at: Timestamp(at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETENTION: Retention = Retention {
        events: 3,
        age: Duration::from_millis(100),
    };
    const NOW: Timestamp = Timestamp(1000);

    /// Returns the expired events of a vault with five events, of which those up to `last_old` exceed the maximum age.
    fn expired(last_old: u64) -> Vec<u64> {
        let (young, old) = (Timestamp(900), Timestamp(899));
        let is_expired = |seq: &u64| {
            let event = EventTime {
                seq: Seq(*seq),
                at: if *seq <= last_old { old } else { young },
            };
            RETENTION.is_expired(Seq(5), event, NOW)
        };
        (1..=5).filter(is_expired).collect()
    }

    #[test]
    fn event_expires_when_it_exceeds_either_limit_but_the_newest_never_does() {
        assert_eq!(expired(0), [1, 2]);
        assert_eq!(expired(1), [1, 2]);
        assert_eq!(expired(4), [1, 2, 3, 4]);
        assert_eq!(expired(5), [1, 2, 3, 4]);
    }

    #[test]
    fn deleted_vault_becomes_purgeable_after_the_maximum_age() {
        let mut vault = RetentionRow {
            id: VaultId::generate(),
            head: Seq(1),
            deleted_at: None,
            oldest: Some(event_time((1, 0))),
        };
        assert!(!RETENTION.is_purgeable(&vault, NOW));
        vault.deleted_at = Some(Timestamp(900));
        assert!(!RETENTION.is_purgeable(&vault, NOW));
        assert!(RETENTION.is_purgeable(&vault, Timestamp(NOW.0 + 1)));
    }
}
