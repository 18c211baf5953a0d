//! The committer: the task that owns a writing connection and writes queued requests.
//!
//! Requests of several vaults share one transaction, so that many busy vaults do not each pay for a flush to disk. A batch that
//! would have to wait for the head of its vault is handed to the contended writer, which waits on a connection of its own.

use std::{
    thread,
    time::{Duration, Instant},
};

use tokio::{sync::mpsc, task::yield_now};

use super::{
    batch_window::BatchWindow,
    commit::{self, RequestResult},
    contended_writer::{self, ContendedQueue},
    db_thread::DbThread,
    error::JournalError,
    metrics::JournalMetrics,
    sql_executor::SqlExecutor,
    transaction::RequestOutcome,
    transaction_group,
    write_queue::{QueuedWrite, refuse, refuse_waiting},
    writer_connection::WriterConnection,
};

/// Maximum number of requests in one transaction.
const MAX_REQUESTS: usize = 256;

/// How often the committer polls its queue for more requests before a transaction, and the pause between polls.
const POLLS: u32 = 6;
const POLL_INTERVAL: Duration = Duration::from_micros(50);

/// Writes requests until every sender is dropped or the connections close. Holds `db_thread`, so that the thread outlives
/// the last request.
pub(super) async fn run(
    db_thread: DbThread,
    mut queue: mpsc::Receiver<QueuedWrite>,
    metrics: JournalMetrics,
) {
    let writer = WriterConnection::new(&db_thread);
    let contended = contended_writer::start(&db_thread, metrics.clone());
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
        collect_more(&mut window, &mut queued, &mut queue, &contended).await;
        let answered = queued.len();
        let mut outage = None;
        while !queued.is_empty() {
            let length = transaction_group::move_next_to_front(writer.backend(), &mut queued);
            let group = queued.drain(..length);
            outage = match outage {
                None => write_queued(&writer, group, &contended, &metrics).await,
                Some(outage) => {
                    refuse(group, &outage);
                    Some(outage)
                }
            };
        }
        if let Some(outage) = outage {
            refuse_waiting(&mut queue, &outage);
        }
        window.open(answered, queue.len(), MAX_REQUESTS);
    }
}

/// Collects requests that arrive within a moment, as long as the window expects more. Sleeps instead of awaiting: the
/// requests come from other threads, this thread has nothing else to do, and one wake-up for each request would cost more
/// than a few polls. While the contended writer is busy, which shares the thread and holds a head that other nodes wait for, a poll
/// yields to it instead.
async fn collect_more(
    window: &mut BatchWindow,
    queued: &mut Vec<QueuedWrite>,
    queue: &mut mpsc::Receiver<QueuedWrite>,
    contended: &ContendedQueue,
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
        if contended.is_idle() {
            thread::sleep(POLL_INTERVAL);
        } else {
            yield_now().await;
        }
    }
}

/// Writes requests together, and answers them or hands them to the contended writer. Returns the error of an outage, if
/// there is one.
async fn write_queued(
    writer: &WriterConnection,
    queued: impl Iterator<Item = QueuedWrite>,
    contended: &ContendedQueue,
    metrics: &JournalMetrics,
) -> Option<JournalError> {
    let (mut timers, mut requests, mut callers) = (Vec::new(), Vec::new(), Vec::new());
    for QueuedWrite {
        request,
        reply,
        queued_at,
    } in queued
    {
        timers.push(metrics.mailbox.message_taken(queued_at));
        requests.push(request);
        callers.push((reply, queued_at));
    }
    metrics.batch_requests.observe(requests.len() as f64);
    for mutations in requests.iter().map(|request| request.mutations().len()) {
        if mutations > 0 {
            metrics.batch_mutations.observe(mutations as f64);
        }
    }
    let started = Instant::now();
    let results = commit::commit_or_recover(writer, &mut requests).await;
    metrics
        .commit_seconds
        .observe(started.elapsed().as_secs_f64());
    drop(timers);
    let outage = find_outage(&results);
    for ((result, request), (reply, queued_at)) in results.into_iter().zip(requests).zip(callers) {
        let result = match result {
            Ok(RequestOutcome::Written(outcome)) => Ok(outcome),
            Ok(RequestOutcome::Deferred) => {
                contended.push(QueuedWrite {
                    request,
                    reply,
                    queued_at,
                });
                continue;
            }
            Err(error) => Err(error),
        };
        metrics.request_finished(&result);
        // The caller may have stopped waiting; the request was handled nevertheless.
        let _ = reply.send(result);
    }
    outage
}

fn find_outage(results: &[RequestResult]) -> Option<JournalError> {
    let mut errors = results.iter().filter_map(|result| result.as_ref().err());
    errors.rfind(|error| error.affects_all_writes()).cloned()
}
