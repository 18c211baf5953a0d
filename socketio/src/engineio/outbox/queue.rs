//! The outbox of one socket: a queue of frames, bounded in frames and bytes.
//!
//! The application pushes frames; the transport takes them out. A websocket writer takes one frame at a time and reports
//! when it was written; until then the frame counts against the bounds. A poll takes all frames at once. A frame over the
//! bounds discards the queue at once, because a peer that does not read would keep it in memory indefinitely. A producer
//! of many frames can wait until there is room.
//!
//! The outbox stays on its worker thread and needs no lock.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    mem,
    rc::{Rc, Weak},
    task::{Context, Poll, Waker},
    time::Instant,
};

use super::waiters::CapacityWaiters;
use crate::engineio::{
    close_reason::CloseReason, config::EngineConfig, frame::Frame, observer::SessionObserver,
};

/// An empty queue with a larger capacity is freed at once. A smaller one is kept to save the allocation, until the next
/// [`Outbox::free_unused`].
const RETAINED_CAPACITY: usize = 64;

/// One in this many frames of a thread is timed: two readings of the clock and a histogram that all threads share cost more than
/// the rest of a push.
const TIMED_INTERVAL: u32 = 16;

thread_local! {
    /// How many frames have been queued on this thread.
    static QUEUED: Cell<u32> = const { Cell::new(0) };
}

/// How many frames and bytes are queued for one socket, including the frame that its transport is writing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutboxUsage {
    /// The number of frames.
    pub frames: usize,
    /// Their size in bytes.
    pub bytes: usize,
}

/// A bounded queue of frames for one socket.
pub(in crate::engineio) struct Outbox {
    config: Rc<EngineConfig>,
    observer: Rc<dyn SessionObserver>,
    state: RefCell<OutboxState>,
}

struct OutboxState {
    phase: OutboxPhase,
    queue: VecDeque<Frame>,
    /// Frames that are queued or being written.
    usage: OutboxUsage,
    /// The transport that waits for frames.
    transport: WaitingTransport,
    waiters: CapacityWaiters,
    timed: Option<TimedFrame>,
}

/// The frame whose time in the outbox is measured.
#[derive(Clone, Copy)]
struct TimedFrame {
    queued_at: Instant,
    /// How many frames are sent before it.
    ahead: usize,
}

#[derive(Clone, Copy)]
enum OutboxPhase {
    /// Accepts frames.
    Open,
    /// Accepts no more frames; the session is about to set the close reason.
    Sealed,
    /// Sends the queued frames, then the close frame.
    Finishing(CloseReason),
    /// Is empty; the close frame is sent only if that needs no waiting.
    Discarded(CloseReason),
}

/// A transport that writes a socket's frames when it was notified, without a task.
pub(in crate::engineio) trait OutboxTransport {
    /// Frames are queued, or the outbox was closed. Called from within the outbox: it must not be used.
    fn frames_queued(&self);
}

/// What is notified of frames.
#[derive(Default)]
enum WaitingTransport {
    #[default]
    None,
    /// A task that has polled the outbox. It is woken once.
    Task(Waker),
    /// A transport that is notified each time.
    Flushed(Weak<dyn OutboxTransport>),
}

/// How the outbox has ended for its transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engineio) enum OutboxEnd {
    /// All frames were taken: send the close frame.
    Finished(CloseReason),
    /// Stop; a close frame must not wait for the peer.
    Discarded(CloseReason),
}

/// The next step of the websocket writer.
pub(in crate::engineio) enum WriterStep {
    /// Write this frame, then call [`Outbox::record_written`].
    Write(Frame),
    /// All frames were written: send the close frame.
    Close(CloseReason),
    /// Stop; a close frame must not wait for the peer.
    Abort(CloseReason),
}

/// What a poll takes out of the outbox.
///
/// Frames and the close are never combined: the close is an error response, which cannot contain frames.
pub(in crate::engineio) enum PollContent {
    /// All queued frames; at least one.
    Frames(VecDeque<Frame>),
    /// No frame is queued, and none will follow.
    Closed(CloseReason),
}

/// The outcome of a push.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::engineio) enum PushOutcome {
    /// The frame is queued.
    Queued,
    /// The frame exceeded a bound: the outbox is discarded.
    Overflowed,
    /// The outbox accepts no more frames.
    Dropped,
}

impl Outbox {
    pub(in crate::engineio) fn new(
        config: Rc<EngineConfig>,
        observer: Rc<dyn SessionObserver>,
    ) -> Self {
        let state = OutboxState {
            phase: OutboxPhase::Open,
            queue: VecDeque::new(),
            usage: OutboxUsage::default(),
            transport: WaitingTransport::None,
            waiters: CapacityWaiters::default(),
            timed: None,
        };
        Self {
            config,
            observer,
            state: RefCell::new(state),
        }
    }

    /// Queues a frame. This is the hot path of a broadcast: a bounds check, a push, a wake.
    pub(in crate::engineio) fn push(&self, frame: Frame) -> PushOutcome {
        let mut state = self.state.borrow_mut();
        let OutboxPhase::Open = state.phase else {
            return PushOutcome::Dropped;
        };
        let OutboxUsage { frames, bytes } = state.usage;
        let bytes = bytes + frame.len();
        let bounds = &self.config.outbox;
        if frames >= bounds.max_frames() || bytes > bounds.max_bytes() {
            state.discard(CloseReason::Slow);
            return PushOutcome::Overflowed;
        }
        if is_next_timed() && state.timed.is_none() {
            state.timed = Some(TimedFrame {
                queued_at: Instant::now(),
                ahead: frames,
            });
        }
        let frames = frames + 1;
        state.usage = OutboxUsage { frames, bytes };
        self.observer.frame_queued(frames, bytes);
        state.queue.push_back(frame);
        state.wake_transport();
        PushOutcome::Queued
    }

    /// Stops accepting frames. Returns whether the outbox was open.
    pub(in crate::engineio) fn seal(&self) -> bool {
        let mut state = self.state.borrow_mut();
        let was_open = state.is_open();
        if was_open {
            state.phase = OutboxPhase::Sealed;
            state.waiters.notify_all();
        }
        was_open
    }

    /// Closes the outbox for `reason`: queued frames are sent if the reason is orderly, and discarded otherwise.
    pub(in crate::engineio) fn finish(&self, reason: CloseReason) {
        let mut state = self.state.borrow_mut();
        match state.phase {
            OutboxPhase::Open | OutboxPhase::Sealed if reason.is_orderly() => {
                state.phase = OutboxPhase::Finishing(reason);
                state.wake_transport();
                state.waiters.notify_all();
            }
            OutboxPhase::Open | OutboxPhase::Sealed => state.discard(reason),
            OutboxPhase::Finishing(_) | OutboxPhase::Discarded(_) => {}
        }
    }

    /// Discards the queued frames and returns the close reason.
    pub(in crate::engineio) fn discard(&self) -> CloseReason {
        let mut state = self.state.borrow_mut();
        let reason = match state.phase {
            // Only a session that panicked ends without a close reason.
            OutboxPhase::Open | OutboxPhase::Sealed => CloseReason::Fault,
            OutboxPhase::Finishing(reason) => reason,
            OutboxPhase::Discarded(reason) => return reason,
        };
        state.discard(reason);
        reason
    }

    /// Returns how much is queued or being written.
    pub(in crate::engineio) fn usage(&self) -> OutboxUsage {
        self.state.borrow().usage
    }

    pub(in crate::engineio) fn is_open(&self) -> bool {
        self.state.borrow().is_open()
    }

    /// Waits until at most `max_frames` frames are left, or the outbox accepts no more.
    pub(in crate::engineio) fn drained_to(
        &self,
        max_frames: usize,
    ) -> impl Future<Output = ()> + use<> {
        let mut state = self.state.borrow_mut();
        let drained = state.waiters.add(max_frames);
        state.notify_waiters();
        drained
    }

    /// Notifies a transport from now on of frames and of the end, and at once if there is something to do.
    pub(in crate::engineio) fn set_transport(&self, transport: Weak<dyn OutboxTransport>) {
        let mut state = self.state.borrow_mut();
        state.transport = WaitingTransport::Flushed(transport);
        state.wake_transport();
    }

    /// Takes frames up to about `max_bytes` bytes; at least one if any are queued. They do not count any more.
    pub(in crate::engineio) fn take(&self, max_bytes: usize, mut write: impl FnMut(Frame)) {
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        let (mut frames, mut bytes) = (0, 0);
        while bytes < max_bytes
            && let Some(frame) = state.pop()
        {
            frames += 1;
            bytes += frame.len();
            write(frame);
        }
        if frames == 0 {
            return;
        }
        state.usage.frames -= frames;
        state.usage.bytes -= bytes;
        self.count_taken(state, frames);
        state.notify_waiters();
    }

    /// Frees the memory of an empty queue.
    pub(in crate::engineio) fn free_unused(&self) {
        let mut state = self.state.borrow_mut();
        if state.queue.is_empty() {
            state.queue = VecDeque::new();
        }
    }

    /// Returns how the outbox has ended: discarded, or closed with no frame left.
    pub(in crate::engineio) fn end(&self) -> Option<OutboxEnd> {
        let state = self.state.borrow();
        match state.phase {
            OutboxPhase::Open | OutboxPhase::Sealed => None,
            OutboxPhase::Finishing(reason) => state
                .queue
                .is_empty()
                .then_some(OutboxEnd::Finished(reason)),
            OutboxPhase::Discarded(reason) => Some(OutboxEnd::Discarded(reason)),
        }
    }

    /// Returns whether the queued frames were discarded.
    pub(in crate::engineio) fn is_discarded(&self) -> bool {
        matches!(self.end(), Some(OutboxEnd::Discarded(_)))
    }

    /// Polls for the next step of the websocket writer. Only one transport may poll an outbox.
    pub(in crate::engineio) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<WriterStep> {
        let mut state = self.state.borrow_mut();
        if let OutboxPhase::Discarded(reason) = state.phase {
            return Poll::Ready(WriterStep::Abort(reason));
        }
        if let Some(frame) = state.pop() {
            return Poll::Ready(WriterStep::Write(frame));
        }
        if let OutboxPhase::Finishing(reason) = state.phase {
            return Poll::Ready(WriterStep::Close(reason));
        }
        state.transport = WaitingTransport::Task(cx.waker().clone());
        Poll::Pending
    }

    /// Polls for everything that is queued, for a parked poll.
    pub(in crate::engineio) fn poll_all(&self, cx: &mut Context<'_>) -> Poll<PollContent> {
        let mut state = self.state.borrow_mut();
        let content = match state.phase {
            _ if !state.queue.is_empty() => PollContent::Frames(mem::take(&mut state.queue)),
            OutboxPhase::Open | OutboxPhase::Sealed => {
                state.transport = WaitingTransport::Task(cx.waker().clone());
                return Poll::Pending;
            }
            OutboxPhase::Finishing(reason) | OutboxPhase::Discarded(reason) => {
                PollContent::Closed(reason)
            }
        };
        state.usage = OutboxUsage::default();
        if let Some(timed) = state.timed.take() {
            self.report_taken(timed);
        }
        state.notify_waiters();
        Poll::Ready(content)
    }

    /// Completes when the outbox is discarded. The writer polls it while it waits for the peer to read.
    pub(in crate::engineio) fn poll_discarded(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state.borrow_mut();
        if let OutboxPhase::Discarded(_) = state.phase {
            return Poll::Ready(());
        }
        state.transport = WaitingTransport::Task(cx.waker().clone());
        Poll::Pending
    }

    /// Records that the websocket writer has written a frame of `bytes` bytes.
    pub(in crate::engineio) fn record_written(&self, bytes: usize) {
        let mut state = self.state.borrow_mut();
        // The usage is zero if the outbox was discarded during the write.
        state.usage.frames = state.usage.frames.saturating_sub(1);
        state.usage.bytes = state.usage.bytes.saturating_sub(bytes);
        self.count_taken(&mut state, 1);
        state.notify_waiters();
    }

    /// Reports the waiting time of the timed frame if it is among the next `frames`.
    fn count_taken(&self, state: &mut OutboxState, frames: usize) {
        match state.timed.take() {
            Some(timed) if timed.ahead < frames => self.report_taken(timed),
            Some(timed) => {
                let ahead = timed.ahead - frames;
                state.timed = Some(TimedFrame { ahead, ..timed });
            }
            None => {}
        }
    }

    fn report_taken(&self, timed: TimedFrame) {
        self.observer.frame_taken(timed.queued_at.elapsed());
    }

    #[cfg(test)]
    pub(super) fn waiter_count(&self) -> usize {
        self.state.borrow().waiters.len()
    }
}

/// Counts a frame, and returns whether its time in the outbox is measured.
fn is_next_timed() -> bool {
    let queued = QUEUED.get();
    QUEUED.set(queued.wrapping_add(1));
    queued.is_multiple_of(TIMED_INTERVAL)
}

impl OutboxState {
    /// Takes the next frame out of the queue, which is freed behind the last one if it is large.
    fn pop(&mut self) -> Option<Frame> {
        let frame = self.queue.pop_front();
        if self.queue.is_empty() && self.queue.capacity() > RETAINED_CAPACITY {
            self.queue = VecDeque::new();
        }
        frame
    }

    fn wake_transport(&mut self) {
        match &self.transport {
            WaitingTransport::None => {}
            WaitingTransport::Task(_) => {
                if let WaitingTransport::Task(task) = mem::take(&mut self.transport) {
                    task.wake();
                }
            }
            WaitingTransport::Flushed(transport) => {
                if let Some(transport) = transport.upgrade() {
                    transport.frames_queued();
                }
            }
        }
    }

    fn discard(&mut self, reason: CloseReason) {
        self.phase = OutboxPhase::Discarded(reason);
        self.queue = VecDeque::new();
        self.usage = OutboxUsage::default();
        self.timed = None;
        self.wake_transport();
        self.waiters.notify_all();
    }

    fn is_open(&self) -> bool {
        matches!(self.phase, OutboxPhase::Open)
    }

    /// Notifies the tasks for which there is room, and all tasks if no frame is accepted any more.
    fn notify_waiters(&mut self) {
        if self.is_open() {
            self.waiters.notify(self.usage.frames);
        } else {
            self.waiters.notify_all();
        }
    }
}
