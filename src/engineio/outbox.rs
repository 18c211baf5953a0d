//! What waits to leave for one socket, bounded in frames and bytes.
//!
//! Whoever has something to say pushes; a single pump, which belongs to the transport, takes frames out: a websocket's
//! one by one, saying when each has been handed on (until then it counts against the bounds), a poll all at once.
//! A frame too many cuts the outbox: everything in it is freed at once, for a peer that does not read would keep it
//! for ever. Who has much to say can wait until there is room.
//!
//! The outbox never leaves its worker thread, so there is nothing to lock.

use std::{
    cell::RefCell,
    collections::VecDeque,
    mem,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Instant,
};

use futures_util::FutureExt;
use tokio::sync::oneshot;

use super::{config::Config, error::CloseReason, frame::Frame, meters::Meters};

/// Above this capacity an empty queue gives its memory back; below, keeping it saves the allocation.
const KEPT_CAPACITY: usize = 64;

pub(super) struct Outbox {
    config: Rc<Config>,
    meters: Rc<Meters>,
    inner: RefCell<Inner>,
}

struct Inner {
    state: State,
    queue: VecDeque<Frame>,
    /// Frames and bytes that are queued or with the pump.
    events: usize,
    bytes: usize,
    pump: Option<Waker>,
    patient: Vec<Patient>,
    timed: Option<Timed>,
}

/// A frame whose way is timed: when it was pushed, and how many leave before it.
#[derive(Clone, Copy)]
struct Timed {
    since: Instant,
    ahead: usize,
}

/// Someone who waits until no more frames than this wait for the pump.
struct Patient {
    at_most: usize,
    told: oneshot::Sender<()>,
}

#[derive(Clone, Copy)]
enum State {
    /// Takes frames.
    Open,
    /// Takes no more; the session is about to say how it ends.
    Sealed,
    /// Runs out, then says farewell.
    Finishing(CloseReason),
    /// Holds nothing and says farewell where that costs no waiting.
    Cut(CloseReason),
}

/// What the pump does next.
pub(super) enum Next {
    /// Hand this on, then tell [`Outbox::sent`].
    Send(Frame),
    /// All has left: say farewell.
    Farewell(CloseReason),
    /// Stop; a farewell must not wait.
    Stop(CloseReason),
}

/// Why an outbox has ended, if it has.
type Ended = Option<CloseReason>;

/// What became of a pushed frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pushed {
    /// It waits for the pump.
    Queued,
    /// It was the one too many: the outbox is cut.
    Overflowed,
    /// The session is at its end; nobody waits for this.
    Dropped,
}

impl Outbox {
    pub(super) fn new(config: Rc<Config>, meters: Rc<Meters>) -> Self {
        let inner = Inner {
            state: State::Open,
            queue: VecDeque::new(),
            events: 0,
            bytes: 0,
            pump: None,
            patient: Vec::new(),
            timed: None,
        };
        Self {
            config,
            meters,
            inner: RefCell::new(inner),
        }
    }

    /// The path that a broadcast takes thousands of times: a bounds check, a push, a wake.
    pub(super) fn push(&self, frame: Frame) -> Pushed {
        let mut inner = self.inner.borrow_mut();
        let State::Open = inner.state else {
            return Pushed::Dropped;
        };
        let bytes = inner.bytes + frame.len();
        let most = &self.config.outbox;
        if inner.events >= most.events() || bytes > most.bytes() {
            inner.cut(CloseReason::Slow);
            return Pushed::Overflowed;
        }
        if inner.timed.is_none() {
            inner.timed = Some(Timed {
                since: Instant::now(),
                ahead: inner.events,
            });
        }
        inner.events += 1;
        inner.bytes = bytes;
        self.meters.waiting(inner.events, bytes);
        inner.queue.push_back(frame);
        inner.wake();
        Pushed::Queued
    }

    /// Takes nothing more. True for the first who asks.
    pub(super) fn seal(&self) -> bool {
        let mut inner = self.inner.borrow_mut();
        let open = matches!(inner.state, State::Open);
        if open {
            inner.state = State::Sealed;
            inner.tell_patient();
        }
        open
    }

    /// Ends for `reason`: runs out where that is orderly, else is cut.
    pub(super) fn finish(&self, reason: CloseReason) {
        let mut inner = self.inner.borrow_mut();
        match inner.state {
            State::Open | State::Sealed if reason.is_orderly() => {
                inner.state = State::Finishing(reason);
                inner.wake();
                inner.tell_patient();
            }
            State::Open | State::Sealed => inner.cut(reason),
            State::Finishing(_) | State::Cut(_) => {}
        }
    }

    /// Frees what is left, now; says how it has ended.
    pub(super) fn cut(&self) -> CloseReason {
        let mut inner = self.inner.borrow_mut();
        let reason = match inner.state {
            // Only a session that ended without saying so, because it panicked, was still open here.
            State::Open | State::Sealed => CloseReason::Fault,
            State::Finishing(reason) => reason,
            State::Cut(reason) => return reason,
        };
        inner.cut(reason);
        reason
    }

    /// Frames and bytes that wait or are with the pump.
    pub(super) fn waiting(&self) -> (usize, usize) {
        let inner = self.inner.borrow();
        (inner.events, inner.bytes)
    }

    pub(super) fn is_open(&self) -> bool {
        self.inner.borrow().is_open()
    }

    /// Waits until no more than `at_most` frames are left in it, or it takes no more.
    pub(super) fn drained(&self, at_most: usize) -> impl Future<Output = ()> + use<> {
        let mut inner = self.inner.borrow_mut();
        let (told, news) = oneshot::channel();
        // Who has stopped waiting must not pile up.
        inner.patient.retain(|one| !one.told.is_closed());
        inner.patient.push(Patient { at_most, told });
        inner.tell_patient();
        // An outbox that is gone tells nobody, but lets go of everybody.
        news.map(|_drained_or_gone| ())
    }

    /// What the pump does next; only one pump may ask.
    pub(super) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Next> {
        let mut inner = self.inner.borrow_mut();
        if let State::Cut(reason) = inner.state {
            return Poll::Ready(Next::Stop(reason));
        }
        if let Some(frame) = inner.queue.pop_front() {
            if inner.queue.is_empty() && inner.queue.capacity() > KEPT_CAPACITY {
                inner.queue = VecDeque::new();
            }
            return Poll::Ready(Next::Send(frame));
        }
        if let State::Finishing(reason) = inner.state {
            return Poll::Ready(Next::Farewell(reason));
        }
        inner.pump = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Everything that waits, for a poll; when nothing does and nothing will follow, the reason of the end. The two never
    /// come together: the official client hands the messages of a payload on a moment later than it closes at the close in
    /// it, and would not count them as received before.
    pub(super) fn poll_all(&self, cx: &mut Context<'_>) -> Poll<(VecDeque<Frame>, Ended)> {
        let mut inner = self.inner.borrow_mut();
        let ended = match inner.state {
            State::Open | State::Sealed => None,
            State::Finishing(reason) | State::Cut(reason) => Some(reason),
        };
        let ended = ended.filter(|_| inner.queue.is_empty());
        if inner.queue.is_empty() && ended.is_none() {
            inner.pump = Some(cx.waker().clone());
            return Poll::Pending;
        }
        (inner.events, inner.bytes) = (0, 0);
        if let Some(timed) = inner.timed.take() {
            self.measure(timed);
        }
        inner.tell_patient();
        Poll::Ready((mem::take(&mut inner.queue), ended))
    }

    /// Ready when the outbox is cut: the pump looks here while it waits for a peer to read.
    pub(super) fn poll_cut(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut inner = self.inner.borrow_mut();
        if let State::Cut(_) = inner.state {
            return Poll::Ready(());
        }
        inner.pump = Some(cx.waker().clone());
        Poll::Pending
    }

    /// The pump has handed on a frame of this size.
    pub(super) fn sent(&self, bytes: usize) {
        let mut inner = self.inner.borrow_mut();
        // A cut has set both to zero while the frame was with the pump.
        inner.events = inner.events.saturating_sub(1);
        inner.bytes = inner.bytes.saturating_sub(bytes);
        match inner.timed.take() {
            Some(timed) if timed.ahead == 0 => self.measure(timed),
            Some(Timed { since, ahead }) => {
                let ahead = ahead - 1;
                inner.timed = Some(Timed { since, ahead });
            }
            None => {}
        }
        inner.tell_patient();
    }

    fn measure(&self, timed: Timed) {
        let seconds = timed.since.elapsed().as_secs_f64();
        self.meters.queue_seconds.observe(seconds);
    }
}

impl Inner {
    fn wake(&mut self) {
        if let Some(pump) = self.pump.take() {
            pump.wake();
        }
    }

    fn cut(&mut self, reason: CloseReason) {
        self.state = State::Cut(reason);
        self.queue = VecDeque::new();
        self.events = 0;
        self.bytes = 0;
        self.timed = None;
        self.wake();
        self.tell_patient();
    }

    fn is_open(&self) -> bool {
        matches!(self.state, State::Open)
    }

    /// Tells who waits for room and has it, or will never have it.
    fn tell_patient(&mut self) {
        if self.patient.is_empty() {
            return;
        }
        let (events, open) = (self.events, self.is_open());
        let ready = |one: &mut Patient| !open || events <= one.at_most;
        for one in self.patient.extract_if(.., ready) {
            let _waits_no_more = one.told.send(());
        }
    }
}

#[cfg(test)]
mod tests;
