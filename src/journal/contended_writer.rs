//! Writes the batches of vaults whose heads another node holds, and those with a mutation that the database rejects, one mutation
//! after the other.
//!
//! Each waits for the lock of its head in the database, where the nodes that write one vault form a fair queue. That happens on a
//! connection of its own, one batch after the other, so that the vaults of the committer do not wait. A batch that has waited
//! here as long as a lock may take is tried once more, and waits no longer.

use std::{iter, sync::Arc};

use tokio::sync::mpsc;

use crate::telemetry::metrics::MailboxMetrics;

use super::{
    commit,
    db_thread::DbThread,
    deadlines::TIMEOUT,
    error::JournalError,
    lock_heads::LockMode,
    metrics::JournalMetrics,
    transaction::RequestOutcome,
    write_queue::{CAPACITY, QueuedWrite, refuse},
    writer_connection::WriterConnection,
};

/// The queue of the contended writer. Each vault has at most one batch in it.
pub(super) struct ContendedQueue {
    sender: mpsc::Sender<ContendedBatch>,
    mailbox: MailboxMetrics,
    unfinished: Unfinished,
}

/// A batch in the queue.
struct ContendedBatch {
    queued: QueuedWrite,
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
        let batch = ContendedBatch { queued, unfinished };
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
    let writer = WriterConnection::new(&db_thread);
    let mut closing = writer.closing();
    loop {
        let batch = tokio::select! {
            batch = queue.recv() => batch,
            () = &mut closing => None,
        };
        let Some(ContendedBatch { queued, unfinished }) = batch else {
            return;
        };
        let QueuedWrite {
            mut request,
            reply,
            queued_at,
        } = queued;
        let timer = metrics.contended_mailbox.message_taken(queued_at);
        let mode = if queued_at.elapsed() < TIMEOUT {
            LockMode::Wait
        } else {
            LockMode::Skip
        };
        let committed = commit::commit_alone(&writer, &mut request, mode);
        let committed = commit::recover(&writer, 1, committed).await.flatten();
        drop(timer);
        let result: Result<_, JournalError> = committed.and_then(RequestOutcome::into_written);
        let outage = result
            .as_ref()
            .err()
            .filter(|error| error.affects_all_writes());
        let outage = outage.cloned();
        metrics.request_finished(&result);
        // The caller may have stopped waiting; the batch was handled nevertheless.
        let _ = reply.send(result);
        if let Some(outage) = outage {
            let waiting = iter::from_fn(|| queue.try_recv().ok());
            refuse(waiting.map(|batch| batch.queued), &outage);
        }
        drop(unfinished);
    }
}
