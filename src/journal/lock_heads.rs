//! Locks the heads of a transaction's vaults before anything is decided, and brings the states of the vaults up to date.
//!
//! The row of a vault in `vault_heads` is the vault's lock: a transaction that holds it decides on the present state, so that
//! nothing has to be rolled back because another node has written. SQLite has one lock for all, taken by BEGIN.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use entity::head;
use sea_orm::{DbBackend, DbErr};

use crate::domain::{Members, Seq, VaultId};

use super::{
    deadlines::TIMEOUT,
    lookup,
    request::{BatchBase, BatchRequest, CommittedEvent, WriteRequest},
    sql_executor::{SqlExecutor, SqlText},
    statements::{query_rows, select},
};

/// How many missed events are read one by one. A vault that is further behind, or ahead of its head, is read as a whole: its batch
/// is decided on the present state, and the caller loads the vault again.
const MAX_MISSED: u64 = 1024;

/// How long a batch waits for its head before others are tried. Longer than the transactions of all nodes that wait in front of it,
/// unless one of them has stopped.
const BRIEF_WAIT: Duration = Duration::from_millis(250);

/// What to do about a head that another transaction has locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LockMode {
    /// Leave the vault out, so that the other vaults do not wait for it.
    Skip,
    /// Wait as [`Wait`](Self::Wait) does, but only for [`BRIEF_WAIT`].
    WaitBriefly,
    /// Wait until it is free, in the order of all that wait, or until the lock timeout.
    Wait,
}

impl LockMode {
    /// Returns the mode of a committer, which writes several vaults. On SQLite the lock of the file is the lock of every head, and
    /// BEGIN has waited for it.
    pub(super) fn of_committer(backend: DbBackend) -> Self {
        match backend {
            DbBackend::Sqlite => Self::Wait,
            _ => Self::Skip,
        }
    }
}

/// Locks the heads of all batches. Returns the vaults that were left out.
///
/// # Errors
/// When the database rejects a statement, or a lock is not free within the lock timeout.
pub(super) async fn lock(
    txn: &impl SqlExecutor,
    requests: &mut [WriteRequest],
    mode: LockMode,
) -> Result<HashSet<VaultId>, DbErr> {
    let ids = requests.iter().filter_map(WriteRequest::vault);
    let ids: Vec<_> = ids.map(|id| [id.as_str().into()]).collect();
    let tail = match (txn.backend(), mode) {
        (DbBackend::Sqlite, _) => ")",
        // All nodes lock in one order.
        (_, LockMode::Wait | LockMode::WaitBriefly) => ") ORDER BY vault_id FOR NO KEY UPDATE",
        (_, LockMode::Skip) => ") ORDER BY vault_id FOR NO KEY UPDATE SKIP LOCKED",
    };
    let sql = select::<head::Model>("FROM vault_heads WHERE vault_id IN (VALUES");
    let locked: Vec<head::Model> = match mode {
        LockMode::Skip | LockMode::Wait => query_rows(txn, &sql, &ids, tail).await?,
        LockMode::WaitBriefly => {
            set_lock_timeout(txn, BRIEF_WAIT).await?;
            let locked = query_rows(txn, &sql, &ids, tail).await?;
            set_lock_timeout(txn, TIMEOUT).await?;
            locked
        }
    };
    let heads = locked
        .into_iter()
        .map(|row| (row.vault_id, Seq::from_row(row.head)));
    let heads: HashMap<_, _> = heads.collect();
    let mut skipped = HashSet::new();
    for request in requests {
        let WriteRequest::Batch(batch) = request else {
            continue;
        };
        match (heads.get(batch.vault.id.as_str()), mode, txn.backend()) {
            (Some(head), _, _) => catch_up(txn, batch, *head).await?,
            (None, LockMode::Skip, DbBackend::Postgres) => {
                // Locked, or purged: only a lock that waits shows which.
                skipped.insert(batch.vault.id.clone());
            }
            (None, _, _) => batch.vault.members = Members::default().into(),
        }
    }
    Ok(skipped)
}

/// Sets how long the statements of this transaction wait for a lock.
async fn set_lock_timeout(txn: &impl SqlExecutor, limit: Duration) -> Result<(), DbErr> {
    let sql = format!("SET LOCAL lock_timeout = {}", limit.as_millis());
    match txn.backend() {
        DbBackend::Postgres => txn.execute(SqlText::command(&sql)).await.map(drop),
        // BEGIN has waited for the lock of the file.
        _ => Ok(()),
    }
}

/// Brings the vault of a batch to its present head, and notes the events that it has missed.
async fn catch_up(
    txn: &impl SqlExecutor,
    batch: &mut BatchRequest,
    head: Seq,
) -> Result<(), DbErr> {
    let known = batch.vault.head;
    if head == known {
        return Ok(());
    }
    // A head that went back has no distance.
    let distance = head.0.checked_sub(known.0);
    if let Some(distance) = distance
        && distance <= MAX_MISSED
    {
        let records = lookup::records(txn, &batch.vault.id, known, distance as usize).await?;
        // Events that were trimmed are missing.
        if records.len() as u64 == distance {
            for record in records {
                let state_change = record
                    .state_change()
                    .map_err(|error| DbErr::Json(error.to_string()))?;
                batch.vault.apply(record.seq, &state_change);
                batch.missed.push(CommittedEvent {
                    record,
                    state_change,
                });
            }
            return Ok(());
        }
    }
    batch.base = match (distance, batch.base) {
        // An attempt that was rolled back has found the lower head.
        (Some(_), rewound @ BatchBase::Rewound { .. }) => rewound,
        (Some(_), BatchBase::Continued | BatchBase::FarAhead) => BatchBase::FarAhead,
        (None, _) => BatchBase::Rewound { head },
    };
    match lookup::vault(txn, &batch.vault.id).await? {
        Some(vault) => batch.vault = vault,
        None => batch.vault.members = Members::default().into(),
    }
    Ok(())
}
