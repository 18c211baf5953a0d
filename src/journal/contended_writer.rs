//! Writes the batches of vaults whose heads another node holds, and those with a mutation that the database rejects, one mutation
//! after the other.
//!
//! Each waits for the lock of its head in the database, where the nodes that write one vault form a fair queue. That happens on a
//! connection of its own, so that the vaults of the committer do not wait. The wait is short: a batch whose head is not free then
//! goes to the back of the queue, and those whose heads are free are written at once. So a head that is held for long delays no
//! other vault. A batch that has waited here as long as a lock may take is tried once more, and waits no longer.

use std::{collections::VecDeque, iter, sync::Arc};

use futures_util::FutureExt;
use tokio::sync::mpsc;

use crate::telemetry::metrics::{HandlingTimer, MailboxMetrics};

use super::{
    commit,
    db_thread::DbThread,
    deadlines::TIMEOUT,
    error::JournalError,
    lock_heads::LockMode,
    metrics::JournalMetrics,
    request::CommitOutcome,
    transaction::RequestOutcome,
    write_queue::{CAPACITY, QueuedWrite, refuse},
    writer_connection::WriterConnection,
};

/// Maximum number of batches that are written together while another one waits.
const MAX_FREE: usize = 256;

/// The queue of the contended writer. Each vault has at most one batch in it.
pub(super) struct ContendedQueue {
    sender: mpsc::Sender<ContendedBatch>,
    mailbox: MailboxMetrics,
    unfinished: Unfinished,
}

/// A batch in the queue.
struct ContendedBatch {
    queued: QueuedWrite,
    /// Runs since the first attempt.
    timer: Option<HandlingTimer>,
    unfinished: Unfinished,
}

/// Held for the queue and for each of its batches until it is answered; the number of clones shows whether the writer is idle.
#[derive(Clone, Default)]
struct Unfinished(Arc<()>);

impl ContendedQueue {
    /// Queues a batch. A full queue refuses it like a lock that is not free in time.
    pub(super) fn push(&self, queued: QueuedWrite) {
        let waiting = self.sender.max_capacity() - self.sender.capacity();
        self.mailbox.message_sent(waiting);
        let unfinished = self.unfinished.clone();
        let batch = ContendedBatch {
            queued,
            timer: None,
            unfinished,
        };
        if let Err(refused) = self.sender.try_send(batch) {
            let QueuedWrite { reply, .. } = refused.into_inner().queued;
            let _ = reply.send(RequestOutcome::Deferred.into_written());
        }
    }

    /// Returns whether no batch is queued or being written.
    pub(super) fn is_idle(&self) -> bool {
        Arc::strong_count(&self.unfinished.0) == 1
    }
}

/// Starts the writer on the thread. It runs until the queue is dropped or the connections close.
pub(super) fn start(db_thread: &DbThread, metrics: JournalMetrics) -> ContendedQueue {
    let (sender, receiver) = mpsc::channel(CAPACITY);
    let mailbox = metrics.contended_mailbox.clone();
    db_thread.spawn(run(db_thread.clone(), receiver, metrics));
    ContendedQueue {
        sender,
        mailbox,
        unfinished: Unfinished::default(),
    }
}

async fn run(
    db_thread: DbThread,
    mut queue: mpsc::Receiver<ContendedBatch>,
    metrics: JournalMetrics,
) {
    let mut contended = ContendedWriter {
        writer: WriterConnection::new(&db_thread),
        waiting: VecDeque::new(),
        metrics,
    };
    let mut closing = contended.writer.closing();
    loop {
        if contended.waiting.is_empty() {
            let batch = tokio::select! {
                batch = queue.recv() => batch,
                () = &mut closing => None,
            };
            let Some(batch) = batch else {
                return;
            };
            contended.waiting.push_back(batch);
        } else if (&mut closing).now_or_never().is_some() {
            return;
        }
        while contended.waiting.len() < CAPACITY
            && let Ok(batch) = queue.try_recv()
        {
            contended.waiting.push_back(batch);
        }
        if let Some(outage) = contended.write_next().await {
            let received = iter::from_fn(|| queue.try_recv().ok());
            let waiting = contended.waiting.drain(..).chain(received);
            refuse(waiting.map(|batch| batch.queued), &outage);
        }
    }
}

/// The connection, and the batches that it writes.
struct ContendedWriter {
    writer: WriterConnection,
    waiting: VecDeque<ContendedBatch>,
    metrics: JournalMetrics,
}

impl ContendedWriter {
    /// Writes the first batch, or all others whose heads are free if its own is not. Returns the error of an outage, if there is one.
    async fn write_next(&mut self) -> Option<JournalError> {
        let mut batch = self.waiting.pop_front()?;
        let has_time = |batch: &ContendedBatch| batch.queued.queued_at.elapsed() < TIMEOUT;
        let mode = if has_time(&batch) {
            LockMode::WaitBriefly
        } else {
            LockMode::Skip
        };
        let _: &HandlingTimer = batch.timer.get_or_insert_with(|| {
            let mailbox = &self.metrics.contended_mailbox;
            mailbox.message_taken(batch.queued.queued_at)
        });
        let committed = commit::commit_alone(&self.writer, &mut batch.queued.request, mode);
        let result = commit::recover(&self.writer, 1, committed).await.flatten();
        match result {
            Err(JournalError::Contended(_)) if has_time(&batch) => {
                let outage = self.write_free().await;
                self.waiting.push_back(batch);
                outage
            }
            result => self.answer(batch, result.and_then(RequestOutcome::into_written)),
        }
    }

    /// Writes the waiting batches whose heads are free, in one transaction.
    async fn write_free(&mut self) -> Option<JournalError> {
        let count = self.waiting.len().min(MAX_FREE);
        if count == 0 {
            return None;
        }
        let (mut requests, mut answers) = (Vec::new(), Vec::new());
        for ContendedBatch {
            queued,
            timer,
            unfinished,
        } in self.waiting.drain(..count)
        {
            let QueuedWrite {
                request,
                reply,
                queued_at,
            } = queued;
            requests.push(request);
            answers.push((reply, queued_at, timer, unfinished));
        }
        let results = commit::commit_or_recover(&self.writer, &mut requests).await;
        let (mut outage, mut locked) = (None, Vec::new());
        for ((result, request), (reply, queued_at, timer, unfinished)) in
            results.into_iter().zip(requests).zip(answers)
        {
            let batch = ContendedBatch {
                queued: QueuedWrite {
                    request,
                    reply,
                    queued_at,
                },
                timer,
                unfinished,
            };
            match result {
                Ok(RequestOutcome::Written(outcome)) => {
                    let failed = self.answer(batch, Ok(outcome));
                    outage = outage.or(failed);
                }
                // A contended one waited for another lock than its head.
                Ok(RequestOutcome::Deferred) | Err(JournalError::Contended(_)) => {
                    locked.push(batch);
                }
                Err(error) => {
                    let failed = self.answer(batch, Err(error));
                    outage = outage.or(failed);
                }
            }
        }
        // Behind the others, which may be free.
        self.waiting.extend(locked);
        outage
    }

    /// Answers a batch. Returns the error of an outage, if it is one.
    fn answer(
        &self,
        batch: ContendedBatch,
        result: Result<CommitOutcome, JournalError>,
    ) -> Option<JournalError> {
        let outage = result.as_ref().err();
        let outage = outage.filter(|error| error.affects_all_writes()).cloned();
        drop(batch.timer);
        self.metrics.request_finished(&result);
        // The caller may have stopped waiting; the batch was handled nevertheless.
        let _ = batch.queued.reply.send(result);
        outage
    }
}
