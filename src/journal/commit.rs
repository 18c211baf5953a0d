//! Commits requests in as few transactions as possible, so that one request cannot fail others.
//!
//! A transaction that fails is retried in parts. No transaction is cancelled: a commit whose future is dropped may still have
//! happened. On PostgreSQL a connection that does not answer is dropped, and the outcome of a commit that was sent is looked up.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use sea_orm::DbErr;
use tracing::{debug, error, warn};

use super::{
    commit_probe::CommitStatus,
    error::JournalError,
    lock_heads::LockMode,
    request::{BatchBase, BatchRequest, CommitOutcome, WriteRequest},
    sql_executor::SqlExecutor,
    transaction::{self, RequestOutcome, TransactionError, UnknownCommit},
    writer_connection::WriterConnection,
};

/// The result of one request. A request with an error was not written, or its outcome is unknown.
pub(super) type RequestResult = Result<RequestOutcome, JournalError>;

/// Commits requests, and continues after a panic. The outcome of all requests is unknown then.
pub(super) async fn commit_or_recover(
    writer: &WriterConnection,
    requests: &mut [WriteRequest],
) -> Vec<RequestResult> {
    let count = requests.len();
    let results = recover(writer, count, commit(writer, requests)).await;
    results.unwrap_or_else(|unknown| vec![unknown; count].into_iter().map(Err).collect())
}

/// Returns the output of work on `requests` requests, and continues after a panic in it, because the journal cannot work without
/// its writers.
///
/// # Errors
/// `Unknown` after a panic.
pub(super) async fn recover<T>(
    writer: &WriterConnection,
    requests: usize,
    work: impl Future<Output = T>,
) -> Result<T, JournalError> {
    match AssertUnwindSafe(work).catch_unwind().await {
        Ok(output) => Ok(output),
        Err(_) => {
            // The panic hook has logged the panic itself.
            warn!(
                requests,
                "committer panicked; its requests may or may not be committed"
            );
            writer.discard_connection().await;
            let cause = DbErr::Custom("panic".to_owned());
            Err(JournalError::Unknown(cause.into()))
        }
    }
}

/// Writes all requests in one transaction. When it fails because of one of them, writes each alone.
async fn commit(writer: &WriterConnection, requests: &mut [WriteRequest]) -> Vec<RequestResult> {
    let mode = LockMode::of_committer(writer.backend());
    match attempt(writer, requests, mode).await {
        Ok(results) => results,
        Err(error) if error.affects_all_writes() => {
            requests.iter().map(|_| Err(error.clone())).collect()
        }
        Err(error) => {
            debug!(%error, requests = requests.len(), "transaction failed; retrying requests one by one");
            let mut results = Vec::with_capacity(requests.len());
            let mut outage: Option<JournalError> = None;
            for request in requests {
                if let Some(error) = &outage {
                    results.push(Err(error.for_unattempted()));
                    continue;
                }
                let result = retry_alone(writer, request, mode).await;
                let error = result.as_ref().err();
                outage = error.filter(|error| error.affects_all_writes()).cloned();
                results.push(result);
            }
            results
        }
    }
}

/// Writes one request again. A batch that fails is deferred if another node may lock its head: each of its mutations would wait
/// for the lock, and the other vaults of the committer with it.
async fn retry_alone(
    writer: &WriterConnection,
    request: &mut WriteRequest,
    mode: LockMode,
) -> RequestResult {
    match mode {
        LockMode::Wait | LockMode::WaitBriefly => commit_alone(writer, request, mode).await,
        LockMode::Skip => match attempt_one(writer, request, mode).await {
            Err(JournalError::Fault(_)) if request.vault().is_some() => {
                Ok(RequestOutcome::Deferred)
            }
            result => result,
        },
    }
}

/// Writes one request. When it is a batch that fails, writes its mutations one by one, so that one cannot fail the others.
pub(super) async fn commit_alone(
    writer: &WriterConnection,
    request: &mut WriteRequest,
    mode: LockMode,
) -> RequestResult {
    let cause = match attempt_one(writer, request, mode).await {
        Err(JournalError::Fault(cause)) => cause,
        result => return result,
    };
    match request {
        WriteRequest::Batch(batch) => {
            // A mutation that finds its head locked would be refused, although those before it are written.
            let mode = match mode {
                LockMode::Skip => LockMode::Skip,
                LockMode::WaitBriefly | LockMode::Wait => LockMode::Wait,
            };
            let outcome = commit_mutations(writer, batch, mode).await;
            Ok(RequestOutcome::Written(outcome))
        }
        WriteRequest::CreateVault(_)
        | WriteRequest::RecordUser(_)
        | WriteRequest::StoreSockets(_)
        | WriteRequest::TakeSocket { .. }
        | WriteRequest::Purge(_)
        | WriteRequest::TestWrite => Err(JournalError::Fault(cause)),
    }
}

/// Writes each mutation of a batch in a transaction of its own, up to an error that would also fail the next one.
async fn commit_mutations(
    writer: &WriterConnection,
    batch: &mut BatchRequest,
    mode: LockMode,
) -> CommitOutcome {
    let mut combined = CommitOutcome {
        missed: batch.missed.len(),
        base: batch.base,
        events: std::mem::take(&mut batch.missed),
        ..CommitOutcome::default()
    };
    let mut stopped_by: Option<JournalError> = None;
    let (mut faults, mutations) = (Vec::new(), batch.mutations.len());
    for mutation in batch.mutations.drain(..) {
        if let Some(error) = &stopped_by {
            combined.results.push(Err(error.for_unattempted().into()));
            continue;
        }
        let mut single = WriteRequest::Batch(BatchRequest {
            vault: batch.vault.clone(),
            missed: Vec::new(),
            base: batch.base,
            mutations: vec![mutation],
        });
        let attempt = attempt_one(writer, &mut single, mode).await;
        match attempt.and_then(RequestOutcome::into_written) {
            Ok(mut outcome) => {
                combined.events.append(&mut outcome.events);
                combined.results.append(&mut outcome.results);
                if combined.base == BatchBase::Continued {
                    combined.base = outcome.base;
                }
                let after = outcome.vault;
                batch.vault = after.expect("the outcome of a batch contains the vault");
            }
            Err(error) => {
                combined.results.push(Err(error.clone().into()));
                if error.is_fault() {
                    faults.push(error);
                } else {
                    stopped_by = Some(error);
                }
            }
        }
    }
    if let Some(error) = faults.first() {
        // Each caller receives its own error; the log has one line for the batch.
        let failed = faults.len();
        error!(vault.id = %batch.vault.id, %error, failed, mutations, "mutations could not be written");
    }
    combined.vault = Some(batch.vault.clone());
    combined
}

async fn attempt_one(
    writer: &WriterConnection,
    request: &mut WriteRequest,
    mode: LockMode,
) -> RequestResult {
    let mut results = attempt(writer, std::slice::from_mut(request), mode).await?;
    results.pop().expect("one request has one result")
}

/// Writes one transaction. When its commit was not answered, queries the database for the outcome.
///
/// # Errors
/// When the transaction was rolled back before its commit.
async fn attempt(
    writer: &WriterConnection,
    requests: &mut [WriteRequest],
    mode: LockMode,
) -> Result<Vec<RequestResult>, JournalError> {
    match transaction::write(writer, requests, mode).await {
        Ok(outcomes) => Ok(outcomes.into_iter().map(Ok).collect()),
        Err(TransactionError::RolledBack(error)) => {
            let error = JournalError::from(error);
            if error.affects_all_writes() {
                writer.discard_connection().await;
            }
            Err(error)
        }
        Err(TransactionError::CommitUnknown(unknown)) => Ok(resolve_commit(writer, unknown).await),
    }
}

/// Finds out whether a commit happened whose answer was lost.
async fn resolve_commit(writer: &WriterConnection, unknown: UnknownCommit) -> Vec<RequestResult> {
    let UnknownCommit {
        error,
        probe,
        outcomes,
    } = unknown;
    warn!(%error, "commit failed; checking whether it was applied");
    writer.discard_connection().await;
    let status = match probe {
        Some(probe) => probe.commit_status(writer).await,
        // The transaction contained only users, sockets, or purge steps. Callers may treat these as not written: users are
        // recorded again, and a socket that is not recovered loses no event.
        None => CommitStatus::RolledBack,
    };
    results_of(status, &error, outcomes)
}

/// Returns the results of a transaction whose commit was not answered. A deferred batch was never part of it.
fn results_of(
    status: CommitStatus,
    error: &DbErr,
    outcomes: Vec<RequestOutcome>,
) -> Vec<RequestResult> {
    let result_of = |outcome| match (outcome, status) {
        (RequestOutcome::Deferred, _) => Ok(RequestOutcome::Deferred),
        (written @ RequestOutcome::Written(_), CommitStatus::Committed) => Ok(written),
        (RequestOutcome::Written(_), CommitStatus::RolledBack) => Err(error.clone().into()),
        (RequestOutcome::Written(_), CommitStatus::Unknown) => {
            Err(JournalError::Unknown(error.clone().into()))
        }
    };
    outcomes.into_iter().map(result_of).collect()
}

#[cfg(test)]
mod tests {
    use sea_orm::RuntimeErr;

    use super::*;

    #[test]
    fn deferred_batch_has_no_part_in_an_unknown_commit() {
        for status in [
            CommitStatus::Committed,
            CommitStatus::RolledBack,
            CommitStatus::Unknown,
        ] {
            let error = DbErr::Conn(RuntimeErr::Internal("no answer".to_owned()));
            let outcomes = vec![
                RequestOutcome::Written(CommitOutcome::default()),
                RequestOutcome::Deferred,
            ];
            let results = results_of(status, &error, outcomes);
            let expected = match &results[0] {
                Ok(_) => CommitStatus::Committed,
                Err(JournalError::Unavailable(_)) => CommitStatus::RolledBack,
                Err(error) => {
                    assert!(matches!(error, JournalError::Unknown(_)), "{error}");
                    CommitStatus::Unknown
                }
            };
            assert_eq!(status, expected);
            assert!(matches!(results[1], Ok(RequestOutcome::Deferred)));
        }
    }
}
