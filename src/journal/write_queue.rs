//! The bounded queue of write requests in front of a committer.

use std::{iter, time::Instant};

use tokio::sync::{mpsc, oneshot};

use super::{
    error::JournalError,
    request::{CommitOutcome, WriteRequest},
};

/// How many requests one queue holds. Senders wait while it is full; each vault has at most one request in a queue.
pub(super) const CAPACITY: usize = 1024;

/// A queued request and the channel for its outcome.
pub(super) struct QueuedWrite {
    pub request: WriteRequest,
    pub reply: oneshot::Sender<Result<CommitOutcome, JournalError>>,
    pub queued_at: Instant,
}

/// The sending half of a committer's queue. Cheap to clone; the committer ends with the last clone.
#[derive(Clone, Debug)]
pub(super) struct WriteQueue(mpsc::Sender<QueuedWrite>);

/// A [`WriteQueue`] that does not keep the committer alive.
pub(super) struct WeakWriteQueue(mpsc::WeakSender<QueuedWrite>);

impl WriteQueue {
    /// Creates a queue and its receiving half.
    pub(super) fn new() -> (Self, mpsc::Receiver<QueuedWrite>) {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        (Self(sender), receiver)
    }

    /// Returns the number of queued requests.
    pub(super) fn depth(&self) -> usize {
        self.0.max_capacity() - self.0.capacity()
    }

    /// Returns a handle that does not keep the committer alive.
    pub(super) fn downgrade(&self) -> WeakWriteQueue {
        WeakWriteQueue(self.0.downgrade())
    }

    /// Queues a request and waits for its outcome. Once queued, the request is handled even if this future is dropped.
    ///
    /// # Errors
    /// When the request was not written, or its outcome is unknown.
    pub(super) async fn write(&self, request: WriteRequest) -> Result<CommitOutcome, JournalError> {
        let (reply, outcome) = oneshot::channel();
        let queued = QueuedWrite {
            request,
            reply,
            queued_at: Instant::now(),
        };
        let sent = self.0.send(queued).await;
        sent.map_err(|_| JournalError::Closed)?;
        outcome.await.map_err(|_| JournalError::Closed)?
    }
}

/// Answers the requests that arrived during an outage. They have waited as long, and would wait as long again for the same
/// error.
pub(super) fn refuse_waiting(queue: &mut mpsc::Receiver<QueuedWrite>, outage: &JournalError) {
    refuse(iter::from_fn(|| queue.try_recv().ok()), outage);
}

/// Answers requests that were not attempted because of an outage.
pub(super) fn refuse(requests: impl Iterator<Item = QueuedWrite>, outage: &JournalError) {
    for QueuedWrite { reply, .. } in requests {
        let _ = reply.send(Err(outage.for_unattempted()));
    }
}

impl WeakWriteQueue {
    /// Returns the queue, or `None` when the journal was closed.
    pub(super) fn upgrade(&self) -> Option<WriteQueue> {
        self.0.upgrade().map(WriteQueue)
    }
}
