//! Recovery state of sockets that outlive their process.
//!
//! A process that stops in order stores the state of its sockets. The process to which a client reconnects takes it. It
//! first looks for the row on the read pool, so a request for a missing row writes nothing.

use sea_orm::DbErr;

use crate::domain::{Seq, Timestamp, VaultId};

use super::{
    database,
    error::JournalError,
    handle::Journal,
    request::{StoredSocket, WriteRequest},
    socket_rows,
    sql_row::{FromSqlRow, SqlRow},
    statements::{query_rows, select},
};

/// The position of a subscription in the events of a vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionPosition {
    pub vault: VaultId,
    /// The last event that the subscriber has received.
    pub last_seen: Seq,
}

/// A position that cannot be resumed. That it exists is all that counts.
struct UnresumableRow;

impl FromSqlRow for UnresumableRow {
    const COLUMNS: &'static str = "p.column1";

    fn from_row(_row: SqlRow) -> Result<Self, DbErr> {
        Ok(Self)
    }
}

impl Journal {
    /// Stores the state of sockets in one transaction. A row replaces an earlier one with the same pid; of equal pids in
    /// `sockets` the last counts.
    ///
    /// # Errors
    /// When the database does not answer. Then none was stored, unless the connection was lost during the commit. Storing
    /// them again is safe.
    pub async fn store_sockets(&self, sockets: Vec<StoredSocket>) -> Result<(), JournalError> {
        let request = WriteRequest::StoreSockets(sockets);
        self.write(0, request).await.map(drop)
    }

    /// Takes the state that is stored under a pid, which can be taken once. `None` when there is none or it has expired.
    ///
    /// # Errors
    /// When the database does not answer. The state may be lost then, because the connection may have been lost during the
    /// commit; no other process has it.
    pub async fn take_socket(
        &self,
        pid: &str,
        now: Timestamp,
    ) -> Result<Option<String>, JournalError> {
        if pid.contains('\0') {
            return Ok(None); // PostgreSQL rejects text that contains NUL
        }
        let pid = pid.to_owned();
        let searched = pid.clone();
        let exists = |db| async move { socket_rows::exists(&db, &searched, now).await };
        if !self.read(exists).await? {
            return Ok(None);
        }
        let request = WriteRequest::TakeSocket { pid, now };
        Ok(self.write(0, request).await?.taken_socket)
    }

    /// Returns whether subscriptions at these positions can all be resumed: no later
    /// event was trimmed, and no seq is beyond its vault's head. The journal must contain the last event too, because it may
    /// have removed the subscriber. It must also contain the `vault:deleted` of a deleted vault.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn can_resume(
        &self,
        positions: &[SubscriptionPosition],
    ) -> Result<bool, JournalError> {
        let first = Seq::ZERO.next();
        let row = |position: &SubscriptionPosition| {
            let required = position.last_seen.max(first).to_row();
            [
                position.vault.as_str().into(),
                position.last_seen.to_row().into(),
                required.into(),
            ]
        };
        let rows: Vec<[_; 3]> = positions.iter().map(row).collect();
        self.read(|db| async move {
            let txn = database::begin_read(&db).await?;
            let unresumable: Vec<UnresumableRow> = query_rows(
                &txn,
                &select::<UnresumableRow>("FROM (VALUES"),
                &rows,
                // Subqueries make each position two index lookups. For a join, PostgreSQL would scan whole tables.
                ") AS p WHERE NOT COALESCE((SELECT h.head >= p.column2 AND (h.head = 0 OR \
                 (SELECT COUNT(*) FROM vault_events e WHERE e.vault_id = h.vault_id AND e.seq = p.column3) > 0) \
                 FROM vault_heads h WHERE h.vault_id = p.column1), FALSE)",
            )
            .await?;
            txn.commit().await?;
            Ok(unresumable.is_empty())
        })
        .await
    }
}
