//! Tests of the outbox; the test takes the place of the transport.

use std::{
    cell::Cell,
    rc::{Rc, Weak},
    task::{Context, Poll},
};

use futures_util::{FutureExt, task::noop_waker_ref};

use super::{
    Outbox, OutboxEnd, OutboxTransport, OutboxUsage, PollContent, PushOutcome, WriterStep,
};
use crate::engineio::{
    close_reason::CloseReason,
    config::{EngineConfig, OutboxBounds},
    frame::Frame,
    observer::NoopObserver,
};

fn outbox(max_frames: usize, max_bytes: usize) -> (Outbox, OutboxBounds) {
    let bounds = OutboxBounds::new(max_frames, max_bytes);
    let config = EngineConfig {
        outbox: bounds.clone(),
        ..EngineConfig::default()
    };
    let outbox = Outbox::new(Rc::new(config), Rc::new(NoopObserver));
    (outbox, bounds)
}

fn context() -> Context<'static> {
    Context::from_waker(noop_waker_ref())
}

fn push(outbox: &Outbox, text: &str) -> PushOutcome {
    outbox.push(Frame::message(text))
}

/// Takes the next step of a websocket writer, as text.
fn next(outbox: &Outbox) -> Option<String> {
    match outbox.poll_next(&mut context()) {
        Poll::Ready(WriterStep::Write(Frame::Text(text))) => Some(text.to_string()),
        Poll::Ready(WriterStep::Write(Frame::Binary(_))) => Some("binary".into()),
        Poll::Ready(WriterStep::Close(reason)) => Some(format!("close: {reason}")),
        Poll::Ready(WriterStep::Abort(reason)) => Some(format!("abort: {reason}")),
        Poll::Pending => None,
    }
}

fn usage(frames: usize, bytes: usize) -> OutboxUsage {
    OutboxUsage { frames, bytes }
}

#[test]
fn frames_are_sent_in_push_order() {
    let (outbox, _) = outbox(8, 100);
    push(&outbox, "a");
    push(&outbox, "b");
    assert_eq!(next(&outbox).as_deref(), Some("4a"));
    assert_eq!(next(&outbox).as_deref(), Some("4b"));
    assert_eq!(next(&outbox), None);
}

#[test]
fn frame_counts_until_it_was_written() {
    let (outbox, _) = outbox(2, 100);
    push(&outbox, "a");
    next(&outbox);
    assert_eq!(outbox.usage(), usage(1, 2));
    outbox.record_written(2);
    assert_eq!(outbox.usage(), usage(0, 0));
}

#[test]
fn frame_over_the_frame_bound_discards_the_outbox() {
    let (outbox, _) = outbox(2, 100);
    assert_eq!(push(&outbox, "a"), PushOutcome::Queued);
    assert_eq!(push(&outbox, "b"), PushOutcome::Queued);
    assert_eq!(push(&outbox, "c"), PushOutcome::Overflowed);
    assert_eq!(push(&outbox, "d"), PushOutcome::Dropped);
    assert_eq!(outbox.usage(), usage(0, 0));
    assert_eq!(next(&outbox).as_deref(), Some("abort: slow"));
}

#[test]
fn new_bounds_apply_to_later_pushes() {
    let (outbox, bounds) = outbox(4, 100);
    for text in ["a", "b", "c"] {
        push(&outbox, text);
    }
    // The queue exceeds the new bounds, but only another push discards it.
    bounds.reconfigure(2, 100);
    assert_eq!(outbox.usage(), usage(3, 6));
    next(&outbox);
    outbox.record_written(2);
    next(&outbox);
    outbox.record_written(2);
    assert_eq!(push(&outbox, "d"), PushOutcome::Queued);
    bounds.reconfigure(3, 100);
    assert_eq!(push(&outbox, "e"), PushOutcome::Queued);
    bounds.reconfigure(8, 7);
    assert_eq!(push(&outbox, "f"), PushOutcome::Overflowed);
}

#[test]
fn frame_over_the_byte_bound_discards_the_outbox() {
    let (outbox, _) = outbox(8, 3);
    assert_eq!(push(&outbox, "a"), PushOutcome::Queued);
    assert_eq!(push(&outbox, "b"), PushOutcome::Overflowed);
}

#[test]
fn orderly_close_sends_queued_frames_first() {
    let (outbox, _) = outbox(8, 100);
    push(&outbox, "a");
    assert!(outbox.seal());
    assert!(!outbox.seal());
    outbox.finish(CloseReason::Shutdown);
    assert_eq!(push(&outbox, "late"), PushOutcome::Dropped);
    assert_eq!(next(&outbox).as_deref(), Some("4a"));
    assert_eq!(
        next(&outbox).as_deref(),
        Some("close: server shutting down")
    );
}

#[test]
fn poll_takes_all_frames_and_the_next_poll_takes_the_close() {
    let (outbox, _) = outbox(8, 100);
    let mut cx = context();
    assert!(outbox.poll_all(&mut cx).is_pending());

    push(&outbox, "a");
    push(&outbox, "b");
    let Poll::Ready(PollContent::Frames(frames)) = outbox.poll_all(&mut cx) else {
        panic!("expected two frames");
    };
    assert_eq!(frames.len(), 2);
    assert_eq!(outbox.usage(), usage(0, 0));

    push(&outbox, "c");
    outbox.finish(CloseReason::Forced);
    let Poll::Ready(PollContent::Frames(frames)) = outbox.poll_all(&mut cx) else {
        panic!("expected a frame before the close");
    };
    assert_eq!(frames.len(), 1);
    assert!(matches!(
        outbox.poll_all(&mut cx),
        Poll::Ready(PollContent::Closed(CloseReason::Forced))
    ));
}

#[test]
fn capacity_waiter_is_notified_when_there_is_room_and_not_before() {
    let (outbox, _) = outbox(8, 100);
    for _ in 0..3 {
        push(&outbox, "a");
    }
    assert_eq!(outbox.drained_to(3).now_or_never(), Some(()));
    let mut waiter = Box::pin(outbox.drained_to(1));
    next(&outbox);
    outbox.record_written(2);
    assert_eq!(waiter.as_mut().now_or_never(), None, "two frames are left");
    next(&outbox);
    assert_eq!(waiter.as_mut().now_or_never(), None, "not written yet");
    outbox.record_written(2);
    assert_eq!(waiter.now_or_never(), Some(()));

    let waiter = outbox.drained_to(0);
    assert!(outbox.poll_all(&mut context()).is_ready());
    assert_eq!(waiter.now_or_never(), Some(()));
}

#[test]
fn capacity_waiter_is_notified_when_the_outbox_closes() {
    for close in [
        |outbox: Outbox| {
            outbox.seal();
        },
        |outbox: Outbox| outbox.finish(CloseReason::Shutdown),
        |outbox: Outbox| outbox.finish(CloseReason::Slow),
        drop,
    ] {
        let (outbox, _) = outbox(8, 100);
        push(&outbox, "a");
        let mut waiter = Box::pin(outbox.drained_to(0));
        assert_eq!(waiter.as_mut().now_or_never(), None);
        close(outbox);
        assert_eq!(waiter.now_or_never(), Some(()));
    }
}

#[test]
fn cancelled_capacity_waiters_do_not_accumulate() {
    let (outbox, _) = outbox(8, 100);
    push(&outbox, "a");
    for _ in 0..100 {
        drop(outbox.drained_to(0));
    }
    assert!(outbox.waiter_count() <= 1);
}

#[test]
fn orderly_close_can_be_cut_short() {
    let (outbox, _) = outbox(8, 100);
    push(&outbox, "a");
    outbox.finish(CloseReason::Shutdown);
    outbox.discard();
    assert_eq!(
        next(&outbox).as_deref(),
        Some("abort: server shutting down")
    );
}

/// A transport that counts its notifications.
#[derive(Default)]
struct CountingTransport(Cell<usize>);

impl OutboxTransport for CountingTransport {
    fn frames_queued(&self) {
        self.0.set(self.0.get() + 1);
    }
}

/// Takes frames as a flusher does, as texts.
fn take(outbox: &Outbox, max_bytes: usize) -> Vec<String> {
    let mut taken = Vec::new();
    outbox.take(max_bytes, |frame| match frame {
        Frame::Text(text) => taken.push(text.to_string()),
        Frame::Binary(_) => taken.push("binary".to_owned()),
    });
    taken
}

#[test]
fn taken_frames_do_not_count_and_notify_the_capacity_waiters() {
    let (outbox, _) = outbox(8, 100);
    for text in ["a", "b", "c"] {
        push(&outbox, text);
    }
    let waiter = outbox.drained_to(1);
    assert_eq!(take(&outbox, 3), ["4a", "4b"]);
    assert_eq!(outbox.usage(), usage(1, 2));
    assert_eq!(waiter.now_or_never(), Some(()));
    assert_eq!(take(&outbox, 1), ["4c"], "at least one frame");
    assert!(take(&outbox, 3).is_empty());
}

#[test]
fn transport_is_notified_of_frames_and_of_the_end() {
    let (outbox, _) = outbox(8, 100);
    push(&outbox, "a");
    let transport = Rc::new(CountingTransport::default());
    let weak: Weak<dyn OutboxTransport> = Rc::downgrade(&transport) as _;
    outbox.set_transport(weak);
    assert_eq!(transport.0.get(), 1, "a frame was queued before");
    push(&outbox, "b");
    assert_eq!(transport.0.get(), 2);
    outbox.finish(CloseReason::Shutdown);
    assert_eq!(transport.0.get(), 3);
    assert_eq!(outbox.end(), None, "frames are left");
    assert_eq!(take(&outbox, 100), ["4a", "4b"]);
    assert_eq!(
        outbox.end(),
        Some(OutboxEnd::Finished(CloseReason::Shutdown))
    );
    drop(transport);
    outbox.discard();
    assert_eq!(
        outbox.end(),
        Some(OutboxEnd::Discarded(CloseReason::Shutdown))
    );
}
