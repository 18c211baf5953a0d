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
    request::{BatchRequest, CommitOutcome, WriteRequest},
    transaction::{self, RequestOutcome, TransactionError, UnknownCommit},
    writer_connection::WriterConnection,
};

/// The result of one request.
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
    match attempt(writer, requests, LockMode::Skip).await {
        Ok(outcomes) => outcomes.into_iter().map(Ok).collect(),
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
                let result = commit_alone(writer, request, LockMode::Skip).await;
                let error = result.as_ref().err();
                outage = error.filter(|error| error.affects_all_writes()).cloned();
                results.push(result);
            }
            results
        }
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
            let outcome = commit_mutations(writer, batch).await;
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
async fn commit_mutations(writer: &WriterConnection, batch: &mut BatchRequest) -> CommitOutcome {
    let mut combined = CommitOutcome {
        missed: batch.missed.len(),
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
            mutations: vec![mutation],
        });
        let attempt = attempt_one(writer, &mut single, LockMode::Wait).await;
        match attempt.and_then(RequestOutcome::into_written) {
            Ok(mut outcome) => {
                combined.events.append(&mut outcome.events);
                combined.results.append(&mut outcome.results);
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
    combined
}

async fn attempt_one(
    writer: &WriterConnection,
    request: &mut WriteRequest,
    mode: LockMode,
) -> RequestResult {
    let mut outcomes = attempt(writer, std::slice::from_mut(request), mode).await?;
    Ok(outcomes.pop().expect("one request has one outcome"))
}

/// Writes one transaction. When its commit was not answered, queries the database for the outcome.
async fn attempt(
    writer: &WriterConnection,
    requests: &mut [WriteRequest],
    mode: LockMode,
) -> Result<Vec<RequestOutcome>, JournalError> {
    match transaction::write(writer, requests, mode).await {
        Ok(outcomes) => Ok(outcomes),
        Err(TransactionError::RolledBack(error)) => {
            let error = JournalError::from(error);
            if error.affects_all_writes() {
                writer.discard_connection().await;
            }
            Err(error)
        }
        Err(TransactionError::CommitUnknown(unknown)) => resolve_commit(writer, unknown).await,
    }
}

/// Finds out whether a commit happened whose answer was lost.
async fn resolve_commit(
    writer: &WriterConnection,
    unknown: UnknownCommit,
) -> Result<Vec<RequestOutcome>, JournalError> {
    let UnknownCommit {
        error,
        probe,
        outcomes,
    } = unknown;
    warn!(%error, "commit failed; checking whether it was applied");
    writer.discard_connection().await;
    // Without a probe the transaction contained only users, sockets, or purge steps. Callers may treat these as not
    // written: users are recorded again, and a socket that is not recovered loses no event.
    let Some(probe) = probe else {
        return Err(error.into());
    };
    match probe.commit_status(writer).await {
        CommitStatus::Committed => Ok(outcomes),
        CommitStatus::RolledBack => Err(error.into()),
        CommitStatus::Unknown => Err(JournalError::Unknown(error.into())),
    }
}
