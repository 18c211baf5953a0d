//! One transaction: reads, decides, numbers, and writes the requests of several vaults together.
//!
//! Each vault's head is moved by `UPDATE … WHERE head = expected`, so that row is the vault's lock. When a head has moved,
//! another process has written: the transaction is rolled back, the vault is reloaded from the journal, and its batch is
//! decided again on the current state.

use std::{collections::HashMap, panic::AssertUnwindSafe};

use futures_util::FutureExt;
use sea_orm::DbErr;

use crate::domain::Timestamp;

use super::{
    batch_context,
    commit_probe::CommitProbe,
    decide,
    error::JournalError,
    insert_rows,
    lookup::{self, ReloadedVault},
    pending_rows::{PendingRows, RowClaim},
    purge,
    request::{BatchRequest, CommitOutcome, CommittedEvent, WriteRequest},
    socket_rows::{self, TakenSockets},
    sql_executor::SqlExecutor,
    statements::SqlScript,
    writer_connection::{TransactionMode, WriterConnection},
};

/// The reason why a transaction is not known to be committed.
#[derive(Debug)]
pub(super) enum TransactionError {
    /// It was rolled back.
    RolledBack(DbErr),
    /// The connection was lost during the commit.
    CommitUnknown(UnknownCommit),
}

/// A transaction whose commit was not answered.
#[derive(Debug)]
pub(super) struct UnknownCommit {
    pub error: DbErr,
    /// Finds out whether the commit happened.
    pub probe: Option<CommitProbe>,
    /// The outcomes if it happened.
    pub outcomes: Vec<CommitOutcome>,
}

/// A transaction before its commit.
enum FilledTransaction {
    Ready {
        outcomes: Vec<CommitOutcome>,
        probe: Option<CommitProbe>,
        /// Statements to be executed with the commit.
        remaining: SqlScript,
    },
    /// A row that a decision relies on was changed by another process.
    Conflict,
}

/// Writes all requests in one transaction and returns one outcome for each.
///
/// # Errors
/// When nothing was written, or the outcome of the commit is unknown.
pub(super) async fn write(
    writer: &WriterConnection,
    requests: &mut [WriteRequest],
) -> Result<Vec<CommitOutcome>, TransactionError> {
    loop {
        let begun = writer.begin(TransactionMode::Write).await;
        begun.map_err(TransactionError::RolledBack)?;
        // A row with impossible content may cause a panic, which is handled like any other failure.
        let filled = AssertUnwindSafe(fill(writer, requests))
            .catch_unwind()
            .await;
        match filled.unwrap_or_else(|_| Err(DbErr::Custom("panic in a transaction".to_owned()))) {
            Ok(FilledTransaction::Ready {
                outcomes,
                probe,
                remaining,
            }) => {
                let error = match writer.commit(remaining).await {
                    Ok(()) => return Ok(outcomes),
                    Err(error) => error,
                };
                if !JournalError::from(error.clone()).affects_all_writes() {
                    // The database has answered and rejected the commit.
                    writer.rollback().await;
                    return Err(TransactionError::RolledBack(error));
                }
                return Err(TransactionError::CommitUnknown(UnknownCommit {
                    error,
                    probe,
                    outcomes,
                }));
            }
            Ok(FilledTransaction::Conflict) => {
                writer.rollback().await;
                let reloaded = reload_vaults(writer, requests).await;
                reloaded.map_err(TransactionError::RolledBack)?;
            }
            Err(error) => {
                // PostgreSQL answers COMMIT after a failed statement with success and rolls back. Roll back explicitly.
                writer.rollback().await;
                return Err(TransactionError::RolledBack(error));
            }
        }
    }
}

/// Decides all requests and writes their rows.
async fn fill(
    txn: &impl SqlExecutor,
    requests: &[WriteRequest],
) -> Result<FilledTransaction, DbErr> {
    let named = batch_context::load(txn, requests).await?;
    let keys = batch_context::idempotency_keys(requests);
    let mut answers = lookup::remembered_answers(txn, &keys).await?;
    let mut taken = TakenSockets::delete(txn, requests).await?;
    let mut rows = PendingRows::default();
    let mut outcomes = Vec::with_capacity(requests.len());
    for request in requests {
        let now = Timestamp::now();
        outcomes.push(match request {
            WriteRequest::Batch(batch) => {
                let named = batch_context::for_batch(&named, &batch.mutations);
                decide::decide_batch(batch, named, &mut answers, now, &mut rows)
            }
            WriteRequest::CreateVault(new) => {
                decide::create_vault(new, &mut answers, now, &mut rows)
            }
            WriteRequest::RecordUser(profile) => {
                rows.add_user(profile);
                CommitOutcome::default()
            }
            WriteRequest::StoreSockets(sockets) => {
                rows.add_sockets(sockets);
                CommitOutcome::default()
            }
            WriteRequest::TakeSocket { pid, now } => CommitOutcome {
                taken_socket: taken.take(pid, *now),
                ..CommitOutcome::default()
            },
            WriteRequest::Purge(step) => CommitOutcome {
                purged: purge::purge(txn, step).await?,
                ..CommitOutcome::default()
            },
            WriteRequest::TestWrite => {
                socket_rows::test_write(txn).await?;
                CommitOutcome::default()
            }
        });
    }
    if rows.claim(txn).await? == RowClaim::Conflict {
        return Ok(FilledTransaction::Conflict);
    }
    let probe = rows.take_probe();
    let remaining = insert_rows::write(txn, rows).await?;
    Ok(FilledTransaction::Ready {
        outcomes,
        probe,
        remaining,
    })
}

/// Reloads the vaults of all batches and notes the events that other processes have written.
async fn reload_vaults(
    writer: &WriterConnection,
    requests: &mut [WriteRequest],
) -> Result<(), DbErr> {
    for request in requests {
        let WriteRequest::Batch(BatchRequest { vault, missed, .. }) = request else {
            continue;
        };
        writer.begin(TransactionMode::Snapshot).await?;
        let update = lookup::update_since(writer, &vault.id, vault.head).await;
        writer.rollback().await;
        let ReloadedVault {
            vault: current,
            missed: records,
        } = update?;
        for record in records {
            let state_change = record
                .state_change()
                .map_err(|e| DbErr::Json(e.to_string()))?;
            missed.push(CommittedEvent {
                record,
                state_change,
            });
        }
        match current {
            Some(current) => *vault = current,
            None => vault.members = HashMap::new().into(),
        }
    }
    Ok(())
}
