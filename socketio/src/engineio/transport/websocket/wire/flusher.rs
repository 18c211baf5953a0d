//! Writes the outboxes of a worker thread that have frames.
//!
//! Frames are pushed one by one, often the same frame to many sockets. A push marks the socket. When the tasks that push
//! have run, the flusher writes all marked outboxes, each with one `write` for all of its frames.

use std::{
    cell::{Cell, RefCell},
    mem,
    rc::Rc,
};

use actix_web::rt;

/// How many outboxes are written before other tasks of the worker thread, such as HTTP requests, have their turn.
const WRITES_PER_TURN: usize = 128;

/// An outbox with its connection.
pub(super) trait Flush {
    /// Writes the queued frames, without waiting.
    fn flush(&self);
}

/// The flusher of one worker thread.
#[derive(Default)]
pub(in crate::engineio) struct OutboxFlusher {
    marked: RefCell<Vec<Rc<dyn Flush>>>,
    is_scheduled: Cell<bool>,
}

impl OutboxFlusher {
    /// Writes an outbox soon.
    pub(super) fn mark(self: &Rc<Self>, outbox: Rc<dyn Flush>) {
        self.marked.borrow_mut().push(outbox);
        if !self.is_scheduled.replace(true) {
            rt::spawn(self.clone().flush());
        }
    }

    async fn flush(self: Rc<Self>) {
        self.is_scheduled.set(false);
        let mut marked = mem::take(&mut *self.marked.borrow_mut());
        for (written, outbox) in marked.drain(..).enumerate() {
            if written > 0 && written.is_multiple_of(WRITES_PER_TURN) {
                tokio::task::yield_now().await;
            }
            outbox.flush();
        }
        // Keeps the capacity, unless another outbox was marked meanwhile.
        let mut next = self.marked.borrow_mut();
        if next.is_empty() {
            *next = marked;
        }
    }
}
