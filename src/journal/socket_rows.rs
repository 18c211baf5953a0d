//! SQL for the table of stored sockets.
//!
//! A row is taken by `DELETE … RETURNING`: of two processes that request it at the same time, one gets it.

use std::collections::{BTreeSet, HashMap};

use entity::stored_socket;
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect};

use crate::domain::Timestamp;

use super::{
    request::WriteRequest,
    sql_executor::SqlExecutor,
    statements::{execute, query_rows},
};

/// Returns whether an unexpired row exists under a pid.
pub(super) async fn exists(
    db: &impl ConnectionTrait,
    pid: &str,
    now: Timestamp,
) -> Result<bool, DbErr> {
    let found = stored_socket::Entity::find_by_id(pid)
        .select_only()
        .column(stored_socket::Column::Pid)
        .filter(stored_socket::Column::Expires.gt(now.0))
        .into_tuple::<String>()
        .one(db)
        .await?;
    Ok(found.is_some())
}

/// Returns whether a row expired until this time.
pub(super) async fn has_expired(
    db: &impl ConnectionTrait,
    until: Timestamp,
) -> Result<bool, DbErr> {
    let first = stored_socket::Entity::find()
        .select_only()
        .column(stored_socket::Column::Pid)
        .filter(stored_socket::Column::Expires.lte(until.0))
        .limit(1)
        .into_tuple::<String>()
        .one(db)
        .await?;
    Ok(first.is_some())
}

/// Writes a row and deletes it again. The commit then has something to write, even though nothing changes.
///
/// # Errors
/// When the database rejects a statement.
pub(super) async fn test_write(txn: &impl SqlExecutor) -> Result<(), DbErr> {
    // No socket has such a pid. A random one does not conflict with that of another process.
    let pid = format!("test write {}", cuid::cuid1());
    let insert = "INSERT INTO stored_sockets (pid, state, expires) VALUES ($1, '', 0)";
    execute(txn, insert, [pid.as_str().into()]).await?;
    let delete = "DELETE FROM stored_sockets WHERE pid = $1";
    execute(txn, delete, [pid.into()]).await?;
    Ok(())
}

/// Rows that a transaction has deleted, each to be returned to the first request for it.
pub(super) struct TakenSockets(HashMap<String, stored_socket::Model>);

impl TakenSockets {
    /// Deletes all rows that these requests name, in one statement.
    ///
    /// # Errors
    /// When the database rejects the statement.
    pub(super) async fn delete(
        txn: &impl SqlExecutor,
        requests: &[WriteRequest],
    ) -> Result<Self, DbErr> {
        let requested = requests.iter().filter_map(|request| match request {
            WriteRequest::TakeSocket { pid, .. } => Some(pid.as_str()),
            WriteRequest::Batch(_)
            | WriteRequest::CreateVault(_)
            | WriteRequest::RecordUser(_)
            | WriteRequest::StoreSockets(_)
            | WriteRequest::Purge(_)
            | WriteRequest::TestWrite => None,
        });
        let pids: BTreeSet<_> = requested.collect();
        let pids: Vec<_> = pids.into_iter().map(|pid| [pid.into()]).collect();
        let rows: Vec<stored_socket::Model> = query_rows(
            txn,
            "DELETE FROM stored_sockets WHERE pid IN (VALUES",
            &pids,
            ") RETURNING pid, state, expires",
        )
        .await?;
        let by_pid = |row: stored_socket::Model| (row.pid.clone(), row);
        Ok(Self(rows.into_iter().map(by_pid).collect()))
    }

    /// Returns the state under a pid, unless it has expired or was returned before.
    pub(super) fn take(&mut self, pid: &str, now: Timestamp) -> Option<String> {
        let row = self.0.remove(pid)?;
        (row.expires > now.0).then_some(row.state)
    }
}
