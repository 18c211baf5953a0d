//! The committer: the task that owns a writing connection and writes queued requests.
//!
//! Requests of several vaults share one transaction, so that many busy vaults do not each pay for a flush to disk. A
//! transaction that fails is retried in parts, so that one request cannot fail others. No transaction is
//! cancelled: a commit whose future is dropped may still have happened. On PostgreSQL a connection that does not answer is
//! dropped, and the outcome of a commit that was sent is looked up.

use std::{
    panic::AssertUnwindSafe,
    thread,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use sea_orm::DbErr;
use tokio::sync::mpsc;
use tracing::{debug, error, warn};

use super::{
    batch_window::BatchWindow,
    commit_probe::CommitStatus,
    db_thread::DbThread,
    error::JournalError,
    metrics::JournalMetrics,
    request::{BatchRequest, CommitOutcome, WriteRequest},
    transaction::{self, TransactionError, UnknownCommit},
    write_queue::QueuedWrite,
    writer_connection::WriterConnection,
};

/// Maximum number of requests in one transaction.
const MAX_REQUESTS: usize = 256;

/// How often the committer polls its queue for more requests before a transaction, and the pause between polls.
const POLLS: u32 = 6;
const POLL_INTERVAL: Duration = Duration::from_micros(50);

type RequestResult = Result<CommitOutcome, JournalError>;

/// Writes requests until every sender is dropped or the connections close. Holds `db_thread`, so that the thread outlives
/// the last request.
pub(super) async fn run(
    db_thread: DbThread,
    mut queue: mpsc::Receiver<QueuedWrite>,
    metrics: JournalMetrics,
) {
    let writer = WriterConnection::new(&db_thread);
    let mut closing = writer.closing();
    let (mut queued, mut window) = (Vec::new(), BatchWindow::default());
    loop {
        let received = tokio::select! {
            received = queue.recv_many(&mut queued, MAX_REQUESTS) => received,
            () = &mut closing => 0,
        };
        if received == 0 {
            return;
        }
        collect_more(&mut window, &mut queued, &mut queue);
        let answered = queued.len();
        let outage = write_queued(&writer, queued.drain(..), &metrics).await;
        // Requests that arrived meanwhile have waited as long, and would wait as long again for the same error.
        while let Some(outage) = &outage
            && let Ok(QueuedWrite { reply, .. }) = queue.try_recv()
        {
            let _ = reply.send(Err(outage.for_unattempted()));
        }
        window.open(answered, queue.len(), MAX_REQUESTS);
    }
}

/// Collects requests that arrive within a moment, as long as the window expects more. Sleeps instead of awaiting: the
/// requests come from other threads, this thread has nothing else to do, and one wake-up for each request would cost more
/// than a few polls.
fn collect_more(
    window: &mut BatchWindow,
    queued: &mut Vec<QueuedWrite>,
    queue: &mut mpsc::Receiver<QueuedWrite>,
) {
    for poll in 0.. {
        while queued.len() < MAX_REQUESTS
            && let Ok(request) = queue.try_recv()
        {
            queued.push(request);
        }
        if window.is_complete(queued.len()) {
            return;
        }
        if poll == POLLS {
            return window.time_out();
        }
        thread::sleep(POLL_INTERVAL);
    }
}

/// Writes requests together and answers them. Returns the error of an outage, if there is one.
async fn write_queued(
    writer: &WriterConnection,
    queued: impl Iterator<Item = QueuedWrite>,
    metrics: &JournalMetrics,
) -> Option<JournalError> {
    let mut timers = Vec::new();
    let (mut requests, replies): (Vec<_>, Vec<_>) = queued
        .map(|queued| {
            timers.push(metrics.mailbox.message_taken(queued.queued_at));
            (queued.request, queued.reply)
        })
        .unzip();
    metrics.batch_requests.observe(requests.len() as f64);
    for mutations in requests.iter().map(|request| request.mutations().len()) {
        if mutations > 0 {
            metrics.batch_mutations.observe(mutations as f64);
        }
    }
    let started = Instant::now();
    let results = commit_or_recover(writer, &mut requests).await;
    metrics
        .commit_seconds
        .observe(started.elapsed().as_secs_f64());
    drop(timers);
    for result in &results {
        metrics.request_finished(result);
    }
    let outage = find_outage(&results);
    for (reply, result) in replies.into_iter().zip(results) {
        // The caller may have stopped waiting; the request was handled nevertheless.
        let _ = reply.send(result);
    }
    outage
}

fn find_outage(results: &[RequestResult]) -> Option<JournalError> {
    let mut errors = results.iter().filter_map(|result| result.as_ref().err());
    errors.rfind(|error| error.affects_all_writes()).cloned()
}

/// Commits requests, and continues after a panic, because the journal cannot work without its committer. The outcome of the
/// requests is unknown then.
async fn commit_or_recover(
    writer: &WriterConnection,
    requests: &mut [WriteRequest],
) -> Vec<RequestResult> {
    let count = requests.len();
    let results = AssertUnwindSafe(commit(writer, requests)).catch_unwind();
    match results.await {
        Ok(results) => results,
        Err(_) => {
            // The panic hook has logged the panic itself.
            warn!(
                requests = count,
                "committer panicked; its requests may or may not be committed"
            );
            writer.discard_connection().await;
            let unknown = JournalError::Unknown(DbErr::Custom("panic".to_owned()).into());
            vec![unknown; count].into_iter().map(Err).collect()
        }
    }
}

/// Writes all requests in one transaction. When it fails because of one of them, writes each alone.
async fn commit(writer: &WriterConnection, requests: &mut [WriteRequest]) -> Vec<RequestResult> {
    match attempt(writer, requests).await {
        Ok(outcomes) => outcomes.into_iter().map(Ok).collect(),
        Err(error) if error.affects_all_writes() => {
            requests.iter().map(|_| Err(error.clone())).collect()
        }
        Err(error) => {
            debug!(%error, requests = requests.len(), "transaction failed; retrying requests one by one");
            let mut results = Vec::with_capacity(requests.len());
            for request in requests {
                results.push(commit_alone(writer, request).await);
            }
            results
        }
    }
}

/// Writes one request. When it is a batch that fails, writes its mutations one by one, so that one cannot fail the others.
async fn commit_alone(writer: &WriterConnection, request: &mut WriteRequest) -> RequestResult {
    let cause = match attempt_one(writer, request).await {
        Err(JournalError::Fault(cause)) => cause,
        result => return result,
    };
    match request {
        WriteRequest::Batch(batch) => Ok(commit_mutations(writer, batch).await),
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
        match attempt_one(writer, &mut single).await {
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

async fn attempt_one(writer: &WriterConnection, request: &mut WriteRequest) -> RequestResult {
    let mut outcomes = attempt(writer, std::slice::from_mut(request)).await?;
    Ok(outcomes.pop().expect("one request has one outcome"))
}

/// Writes one transaction. When its commit was not answered, queries the database for the outcome.
async fn attempt(
    writer: &WriterConnection,
    requests: &mut [WriteRequest],
) -> Result<Vec<CommitOutcome>, JournalError> {
    match transaction::write(writer, requests).await {
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
) -> Result<Vec<CommitOutcome>, JournalError> {
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
