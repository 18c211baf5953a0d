//! One transaction: locks, reads, decides, numbers, and writes the requests of several vaults together.
//!
//! The heads of the vaults are locked first, so that each batch is decided on the present state, whichever process wrote last.
//! A vault whose head is locked by another process can be left out, so that the others do not wait for it.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use sea_orm::DbErr;

use crate::domain::Timestamp;

use super::{
    batch_context,
    commit_error::CommitError,
    commit_probe::CommitProbe,
    decide,
    error::JournalError,
    insert_rows,
    lock_heads::{self, LockMode},
    lookup,
    pending_rows::{PendingRows, RowClaim},
    purge,
    request::{CommitOutcome, WriteRequest},
    socket_rows::{self, TakenSockets},
    sql_executor::SqlExecutor,
    statements::SqlScript,
    writer_connection::WriterConnection,
};

/// What a committed transaction did about one request.
#[derive(Debug)]
pub(super) enum RequestOutcome {
    Written(CommitOutcome),
    /// Nothing: the batch was left to the contended writer. Another transaction holds the head of its vault, or its mutations
    /// have to be written one by one, each of which may wait for the head.
    Deferred,
}

impl RequestOutcome {
    /// Returns what was written.
    ///
    /// # Errors
    /// When the batch was deferred, which is not an outcome of a transaction that waits for the head.
    pub(super) fn into_written(self) -> Result<CommitOutcome, JournalError> {
        match self {
            Self::Written(outcome) => Ok(outcome),
            Self::Deferred => Err(JournalError::Contended(
                DbErr::Custom("the batch could not be written without waiting".to_owned()).into(),
            )),
        }
    }
}

/// The reason why a transaction is not known to be committed.
#[derive(Debug)]
pub(super) enum TransactionError {
    /// It was rolled back.
    RolledBack(DbErr),
    /// COMMIT was sent, and its answer was lost.
    CommitUnknown(UnknownCommit),
}

/// A transaction whose commit was not answered.
#[derive(Debug)]
pub(super) struct UnknownCommit {
    pub error: DbErr,
    /// Finds out whether the commit happened.
    pub probe: Option<CommitProbe>,
    /// The outcomes if it happened.
    pub outcomes: Vec<RequestOutcome>,
}

/// A transaction before its commit.
enum FilledTransaction {
    Ready {
        outcomes: Vec<RequestOutcome>,
        probe: Option<CommitProbe>,
        /// Statements to be executed with the commit.
        remaining: SqlScript,
    },
    /// Another process has used one of the idempotency keys meanwhile.
    Conflict,
}

/// Writes all requests in one transaction and returns one outcome for each.
///
/// # Errors
/// When nothing was written, or the outcome of the commit is unknown.
pub(super) async fn write(
    writer: &WriterConnection,
    requests: &mut [WriteRequest],
    mode: LockMode,
) -> Result<Vec<RequestOutcome>, TransactionError> {
    loop {
        let begun = writer.begin().await;
        begun.map_err(TransactionError::RolledBack)?;
        // A row with impossible content may cause a panic, which is handled like any other failure.
        let filled = AssertUnwindSafe(fill(writer, requests, mode))
            .catch_unwind()
            .await;
        match filled.unwrap_or_else(|_| Err(DbErr::Custom("panic in a transaction".to_owned()))) {
            Ok(FilledTransaction::Ready {
                outcomes,
                probe,
                remaining,
            }) => {
                return match writer.commit(remaining).await {
                    Ok(()) => Ok(outcomes),
                    Err(CommitError::NotCommitted(error)) => {
                        writer.rollback().await;
                        Err(TransactionError::RolledBack(error))
                    }
                    Err(CommitError::Unknown(error)) => {
                        Err(TransactionError::CommitUnknown(UnknownCommit {
                            error,
                            probe,
                            outcomes,
                        }))
                    }
                };
            }
            Ok(FilledTransaction::Conflict) => {
                // The next attempt reads the answer under that key.
                writer.rollback().await;
            }
            Err(error) => {
                // PostgreSQL answers COMMIT after a failed statement with success and rolls back. Roll back explicitly.
                writer.rollback().await;
                return Err(TransactionError::RolledBack(error));
            }
        }
    }
}

/// Locks, decides all requests and writes their rows.
async fn fill(
    txn: &impl SqlExecutor,
    requests: &mut [WriteRequest],
    mode: LockMode,
) -> Result<FilledTransaction, DbErr> {
    let skipped = lock_heads::lock(txn, requests, mode).await?;
    let named = batch_context::load(txn, requests).await?;
    let keys = batch_context::idempotency_keys(requests);
    let mut answers = lookup::remembered_answers(txn, &keys).await?;
    let mut taken = TakenSockets::delete(txn, requests).await?;
    let mut rows = PendingRows::default();
    let mut outcomes = Vec::with_capacity(requests.len());
    for request in &*requests {
        if request.vault().is_some_and(|id| skipped.contains(id)) {
            outcomes.push(RequestOutcome::Deferred);
            continue;
        }
        let now = Timestamp::now();
        let outcome = match request {
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
        };
        outcomes.push(RequestOutcome::Written(outcome));
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
