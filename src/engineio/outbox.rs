//! What waits to leave for one socket, bounded in frames and bytes.
//!
//! Whoever has something to say pushes; a single pump, which belongs to the transport, takes frames out: a websocket's
//! one by one, saying when each has been handed on (until then it counts against the bounds), a poll all at once.
//! A frame too many cuts the outbox: everything in it is freed at once, for a peer that does not read would keep it
//! for ever.
//!
//! The outbox never leaves its worker thread, so there is nothing to lock.

use std::{
    cell::RefCell,
    collections::VecDeque,
    mem,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use super::{config::Config, error::CloseReason, frame::Frame};

/// Above this capacity an empty queue gives its memory back; below, keeping it saves the allocation.
const KEPT_CAPACITY: usize = 64;

pub(super) struct Outbox {
    config: Rc<Config>,
    inner: RefCell<Inner>,
}

struct Inner {
    state: State,
    queue: VecDeque<Frame>,
    /// Frames and bytes that are queued or with the pump.
    events: usize,
    bytes: usize,
    pump: Option<Waker>,
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
    pub(super) fn new(config: Rc<Config>) -> Self {
        let inner = Inner {
            state: State::Open,
            queue: VecDeque::new(),
            events: 0,
            bytes: 0,
            pump: None,
        };
        Self {
            config,
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
        if inner.events >= self.config.outbox_events || bytes > self.config.outbox_bytes {
            inner.cut(CloseReason::Slow);
            return Pushed::Overflowed;
        }
        inner.events += 1;
        inner.bytes = bytes;
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
        matches!(self.inner.borrow().state, State::Open)
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

    /// Everything that waits, for a poll, and the reason of the end when nothing will follow.
    pub(super) fn poll_all(&self, cx: &mut Context<'_>) -> Poll<(VecDeque<Frame>, Ended)> {
        let mut inner = self.inner.borrow_mut();
        let ended = match inner.state {
            State::Open | State::Sealed => None,
            State::Finishing(reason) | State::Cut(reason) => Some(reason),
        };
        if inner.queue.is_empty() && ended.is_none() {
            inner.pump = Some(cx.waker().clone());
            return Poll::Pending;
        }
        (inner.events, inner.bytes) = (0, 0);
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
        self.wake();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::task::{noop_waker, noop_waker_ref};

    use super::*;

    fn outbox(events: usize, bytes: usize) -> Outbox {
        Outbox::new(Rc::new(Config {
            outbox_events: events,
            outbox_bytes: bytes,
            ..Config::default()
        }))
    }

    fn next(outbox: &Outbox) -> Option<String> {
        match outbox.poll_next(&mut Context::from_waker(&noop_waker())) {
            Poll::Ready(Next::Send(Frame::Text(text))) => Some(text.to_string()),
            Poll::Ready(Next::Send(Frame::Binary(_))) => Some("binary".into()),
            Poll::Ready(Next::Farewell(reason)) => Some(format!("farewell: {reason}")),
            Poll::Ready(Next::Stop(reason)) => Some(format!("stop: {reason}")),
            Poll::Pending => None,
        }
    }

    #[test]
    fn frames_leave_in_the_order_they_came() {
        let outbox = outbox(8, 100);
        outbox.push(Frame::message("a"));
        outbox.push(Frame::message("b"));
        assert_eq!(next(&outbox).as_deref(), Some("4a"));
        assert_eq!(next(&outbox).as_deref(), Some("4b"));
        assert_eq!(next(&outbox), None);
    }

    #[test]
    fn a_frame_counts_until_it_was_handed_on() {
        let outbox = outbox(2, 100);
        outbox.push(Frame::message("a"));
        next(&outbox);
        assert_eq!(outbox.waiting(), (1, 2));
        outbox.sent(2);
        assert_eq!(outbox.waiting(), (0, 0));
    }

    #[test]
    fn one_frame_too_many_cuts_it_and_frees_all() {
        let outbox = outbox(2, 100);
        assert_eq!(outbox.push(Frame::message("a")), Pushed::Queued);
        assert_eq!(outbox.push(Frame::message("b")), Pushed::Queued);
        assert_eq!(outbox.push(Frame::message("c")), Pushed::Overflowed);
        assert_eq!(outbox.push(Frame::message("d")), Pushed::Dropped);
        assert_eq!(outbox.waiting(), (0, 0));
        assert_eq!(next(&outbox).as_deref(), Some("stop: slow"));
    }

    #[test]
    fn one_byte_too_many_does_the_same() {
        let outbox = outbox(8, 3);
        assert_eq!(outbox.push(Frame::message("a")), Pushed::Queued);
        assert_eq!(outbox.push(Frame::message("b")), Pushed::Overflowed);
    }

    #[test]
    fn an_orderly_end_lets_what_is_queued_leave_first() {
        let outbox = outbox(8, 100);
        outbox.push(Frame::message("a"));
        assert!(outbox.seal());
        assert!(!outbox.seal());
        outbox.finish(CloseReason::Shutdown);
        assert_eq!(outbox.push(Frame::message("late")), Pushed::Dropped);
        assert_eq!(next(&outbox).as_deref(), Some("4a"));
        assert_eq!(
            next(&outbox).as_deref(),
            Some("farewell: server shutting down")
        );
    }

    #[test]
    fn a_poll_takes_everything_at_once_and_the_end_behind_it() {
        let outbox = outbox(8, 100);
        let mut cx = Context::from_waker(noop_waker_ref());
        assert!(outbox.poll_all(&mut cx).is_pending());

        outbox.push(Frame::message("a"));
        outbox.push(Frame::message("b"));
        let Poll::Ready((frames, None)) = outbox.poll_all(&mut cx) else {
            panic!("two frames wait, and no end");
        };
        assert_eq!(frames.len(), 2);
        assert_eq!(outbox.waiting(), (0, 0));

        outbox.push(Frame::message("c"));
        outbox.finish(CloseReason::Forced);
        let Poll::Ready((frames, Some(CloseReason::Forced))) = outbox.poll_all(&mut cx) else {
            panic!("a frame waits, and the end");
        };
        assert_eq!(frames.len(), 1);
    }

    #[test]
    fn an_orderly_end_can_still_be_cut_short() {
        let outbox = outbox(8, 100);
        outbox.push(Frame::message("a"));
        outbox.finish(CloseReason::Shutdown);
        outbox.cut();
        assert_eq!(next(&outbox).as_deref(), Some("stop: server shutting down"));
    }
}
