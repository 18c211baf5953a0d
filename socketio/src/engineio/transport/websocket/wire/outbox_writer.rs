//! Writes the frames of one outbox to its connection.

use std::{
    cell::{Cell, RefCell},
    io,
    rc::{Rc, Weak},
    task::{Context, Poll, Waker, ready},
};

use actix_http::ws;
use bytes::BytesMut;

use crate::engineio::{
    frame::{BinaryEncoding, Frame},
    outbox::{OutboxEnd, OutboxTransport},
    socket::SessionSocket,
};

use super::{
    flusher::{Flush, OutboxFlusher},
    wire_io::{WireIo, Written, encode},
};

/// How many bytes of frames are gathered for one `write`.
const GATHERED_BYTES: usize = 64 * 1024;

thread_local! {
    /// Where the frames of an outbox are gathered.
    static GATHERED: RefCell<BytesMut> = RefCell::default();
}

/// Writes the frames of one outbox.
pub(super) struct OutboxWriter {
    io: Rc<WireIo>,
    socket: SessionSocket,
    binary: BinaryEncoding,
    flusher: Rc<OutboxFlusher>,
    /// Marks this writer when frames are queued.
    this: Weak<Self>,
    is_marked: Cell<bool>,
    is_blocked: Cell<bool>,
    /// The task that waits for the peer or for the end of the outbox.
    task: Cell<Option<Waker>>,
}

/// Why a writer has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WriterEnd {
    /// The outbox has ended.
    Outbox(OutboxEnd),
    /// The connection has failed. The reader notices it, too.
    Failed,
}

/// Whether the peer may receive everything that was queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LastWrite {
    /// Everything was written.
    Sent,
    /// The peer does not read. Only a reset frees its buffers.
    Unsent,
    /// The connection has failed.
    Failed,
}

impl OutboxWriter {
    /// Returns the writer of a session's outbox, which marks it from now on.
    pub(super) fn start(
        io: Rc<WireIo>,
        socket: SessionSocket,
        binary: BinaryEncoding,
        flusher: Rc<OutboxFlusher>,
    ) -> Rc<Self> {
        let writer = Rc::new_cyclic(|this| Self {
            io,
            socket,
            binary,
            flusher,
            this: this.clone(),
            is_marked: Cell::new(false),
            is_blocked: Cell::new(false),
            task: Cell::default(),
        });
        let transport: Weak<dyn OutboxTransport> = writer.this.clone();
        writer.socket.outbox().set_transport(transport);
        writer
    }

    /// Completes when all frames are written and none follows, or when the outbox is discarded. The task of the connection
    /// polls it.
    pub(super) fn poll_end(&self, cx: &mut Context<'_>) -> Poll<WriterEnd> {
        let written = self.write();
        self.is_blocked.set(matches!(written, Ok(Written::Part)));
        let end = self.socket.outbox().end();
        match (written, end) {
            (Err(_), _) => return Poll::Ready(WriterEnd::Failed),
            (Ok(Written::All), Some(end)) | (Ok(_), Some(end @ OutboxEnd::Discarded(_))) => {
                return Poll::Ready(WriterEnd::Outbox(end));
            }
            (Ok(Written::All), None) => {}
            (Ok(Written::Part), None | Some(OutboxEnd::Finished(_))) => {
                self.task.set(Some(cx.waker().clone()));
                // Continues with the frames that were queued meanwhile.
                return match ready!(self.io.poll_write_unsent(cx)) {
                    Ok(()) => self.poll_end(cx),
                    Err(_) => Poll::Ready(WriterEnd::Failed),
                };
            }
        }
        self.task.set(Some(cx.waker().clone()));
        Poll::Pending
    }

    /// Completes when the close frame is written behind everything else, or when the outbox is discarded before.
    pub(super) fn poll_sent(&self, cx: &mut Context<'_>) -> Poll<LastWrite> {
        self.task.set(Some(cx.waker().clone()));
        match self.io.poll_write_unsent(cx) {
            Poll::Ready(Ok(())) => Poll::Ready(LastWrite::Sent),
            Poll::Ready(Err(_)) => Poll::Ready(LastWrite::Failed),
            Poll::Pending if self.socket.outbox().is_discarded() => Poll::Ready(LastWrite::Unsent),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Writes the queued frames, as far as the peer takes them.
    fn write(&self) -> io::Result<Written> {
        // The first frame leaves together with the response to the handshake. Behind what a slow peer has not taken, frames
        // stay in the outbox, which bounds them.
        if !self.is_blocked.get() && self.io.has_unsent() && !self.io.is_closing() {
            let queue = |frame| self.io.queue(self.message(frame));
            self.socket.outbox().take(GATHERED_BYTES, queue);
        }
        if self.io.write_unsent()? == Written::Part {
            return Ok(Written::Part);
        }
        // Nothing follows a close frame.
        if self.io.is_closing() {
            return Ok(Written::All);
        }
        GATHERED.with_borrow_mut(|gathered| {
            loop {
                gathered.clear();
                let encode = |frame| encode(self.message(frame), gathered);
                self.socket.outbox().take(GATHERED_BYTES, encode);
                if gathered.is_empty() {
                    return Ok(Written::All);
                }
                if self.io.write(gathered)? == Written::Part {
                    return Ok(Written::Part);
                }
            }
        })
    }

    fn message(&self, frame: Frame) -> ws::Message {
        match frame.encode(self.binary) {
            Frame::Text(text) => ws::Message::Text(text),
            Frame::Binary(bytes) => ws::Message::Binary(bytes),
        }
    }
}

impl Flush for OutboxWriter {
    /// Writes what was queued since the writer was marked. Wakes the task if it has to act.
    fn flush(&self) {
        self.is_marked.set(false);
        let was_blocked = self.is_blocked.get();
        let written = self.write();
        self.is_blocked.set(matches!(written, Ok(Written::Part)));
        let must_act = match written {
            Ok(Written::All) => self.socket.outbox().end().is_some(),
            Ok(Written::Part) => !was_blocked || self.socket.outbox().is_discarded(),
            Err(_) => true,
        };
        if must_act && let Some(task) = self.task.take() {
            task.wake();
        }
    }
}

impl OutboxTransport for OutboxWriter {
    fn frames_queued(&self) {
        if !self.is_marked.replace(true)
            && let Some(this) = self.this.upgrade()
        {
            self.flusher.mark(this);
        }
    }
}
