//! Sockets that outlive their process: what is kept of them when it stops in order, taken by whoever they come
//! back to, and whether the journal still has what they lack.
//!
//! A row is of use once. It is looked for beside the writer, so that who asks for what is not there writes nothing, and
//! taken by a `DELETE … RETURNING`: of two processes that ask at the same time one gets it.

use std::collections::{BTreeSet, HashMap};

use entity::kept_socket;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, QueryFilter, QuerySelect,
};

use crate::domain::{Seq, Timestamp, VaultId};

use super::{Journal, JournalError, database, statements::query_rows, work::Work};

/// What is kept of a socket that is to come back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptSocket {
    /// The word by which its client asks for it.
    pub pid: String,
    /// What its service needs to go on with it: JSON, which the journal does not look into.
    pub state: String,
    /// From then on nobody gets it.
    pub expires: Timestamp,
}

impl Journal {
    /// Keeps sockets, all in one transaction. What was kept under one of their pids before gives way; of the same pid
    /// twice the last counts.
    ///
    /// # Errors
    /// When the database does not answer. None of them was kept then, unless the connection was lost during the commit:
    /// to keep them again does no harm.
    pub async fn keep_sockets(&self, sockets: Vec<KeptSocket>) -> Result<(), JournalError> {
        self.write(0, Work::Keep(sockets)).await.map(drop)
    }

    /// Takes what is kept under a pid, which nobody gets a second time. `None` when there is nothing, or it has expired.
    ///
    /// # Errors
    /// When the database does not answer. What was kept may be lost then, for the connection may have been lost during
    /// the commit; nobody else got it.
    pub async fn take_socket(
        &self,
        pid: &str,
        now: Timestamp,
    ) -> Result<Option<String>, JournalError> {
        if pid.contains('\0') {
            return Ok(None); // a client may say so, but PostgreSQL has no such text
        }
        let pid = pid.to_owned();
        let wanted = pid.clone();
        let look = |db| async move { is_kept(&db, &wanted, now).await };
        if !self.read(look).await? {
            return Ok(None);
        }
        Ok(self.write(0, Work::Take { pid, now }).await?.taken)
    }

    /// Whether somebody who heard these vaults, each up to a place, can go on hearing all of them: nothing after
    /// these places was trimmed, and none of them lies ahead. The event at a place has to be there too, for he may have to
    /// be told that it was his last; so has the end of a vault that was deleted.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn can_resume(&self, places: &[(VaultId, Seq)]) -> Result<bool, JournalError> {
        let first = Seq::ZERO.next();
        let row = |(id, after): &(VaultId, Seq)| {
            let needed = (*after).max(first).to_row();
            [id.as_str().into(), after.to_row().into(), needed.into()]
        };
        let places: Vec<[_; 3]> = places.iter().map(row).collect();
        self.read(|db| async move {
            #[derive(FromQueryResult)]
            struct Lacking {}
            let txn = database::begin_read(&db).await?;
            let lacking: Vec<Lacking> = query_rows(
                &txn,
                "SELECT p.column1 FROM (VALUES",
                &places,
                // Nested, so that each place is two looks at an index: PostgreSQL joins by reading whole tables.
                ") AS p WHERE NOT COALESCE((SELECT h.head >= p.column2 AND (h.head = 0 OR \
                 (SELECT COUNT(*) FROM vault_events e WHERE e.vault_id = h.vault_id AND e.seq = p.column3) > 0) \
                 FROM vault_heads h WHERE h.vault_id = p.column1), FALSE)",
            )
            .await?;
            txn.commit().await?;
            Ok(lacking.is_empty())
        })
        .await
    }
}

async fn is_kept(db: &impl ConnectionTrait, pid: &str, now: Timestamp) -> Result<bool, DbErr> {
    let found = kept_socket::Entity::find_by_id(pid)
        .select_only()
        .column(kept_socket::Column::Pid)
        .filter(kept_socket::Column::Expires.gt(now.0))
        .into_tuple::<String>()
        .one(db)
        .await?;
    Ok(found.is_some())
}

/// Whether there are some that expired by then.
pub(super) async fn has_expired(
    db: &impl ConnectionTrait,
    until: Timestamp,
) -> Result<bool, DbErr> {
    let one = kept_socket::Entity::find()
        .select_only()
        .column(kept_socket::Column::Pid)
        .filter(kept_socket::Column::Expires.lte(until.0))
        .limit(1)
        .into_tuple::<String>()
        .one(db)
        .await?;
    Ok(one.is_some())
}

/// What a transaction took away, until each is given to the first who asked for it.
pub(super) struct Taken(HashMap<String, kept_socket::Model>);

impl Taken {
    /// Takes away whatever these works ask for, all at once.
    ///
    /// # Errors
    /// When the database refuses.
    pub(super) async fn of(txn: &impl ConnectionTrait, works: &[Work]) -> Result<Self, DbErr> {
        let asked = works.iter().filter_map(|work| match work {
            Work::Take { pid, .. } => Some(pid.as_str()),
            Work::Batch { .. }
            | Work::NewVault(_)
            | Work::User(_)
            | Work::Keep(_)
            | Work::Sweep(_) => None,
        });
        let pids: BTreeSet<_> = asked.collect();
        let pids: Vec<_> = pids.into_iter().map(|pid| [pid.into()]).collect();
        let rows: Vec<kept_socket::Model> = query_rows(
            txn,
            "DELETE FROM kept_sockets WHERE pid IN (VALUES",
            &pids,
            ") RETURNING pid, state, expires",
        )
        .await?;
        let by_pid = |row: kept_socket::Model| (row.pid.clone(), row);
        Ok(Self(rows.into_iter().map(by_pid).collect()))
    }

    /// What was kept under a pid, unless it has expired or somebody else has it.
    pub(super) fn take(&mut self, pid: &str, now: Timestamp) -> Option<String> {
        let row = self.0.remove(pid)?;
        (row.expires > now.0).then_some(row.state)
    }
}
