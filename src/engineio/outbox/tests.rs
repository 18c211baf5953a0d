//! The outbox under a pump that only the test works.

use futures_util::task::{noop_waker, noop_waker_ref};

use super::*;
use crate::engineio::OutboxBounds;

fn outbox(events: usize, bytes: usize) -> Outbox {
    let config = Config {
        outbox: OutboxBounds::new(events, bytes),
        ..Config::default()
    };
    Outbox::new(Rc::new(config), Rc::default())
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
fn other_bounds_hold_for_what_is_pushed_from_then_on() {
    let outbox = outbox(4, 100);
    for text in ["a", "b", "c"] {
        outbox.push(Frame::message(text));
    }
    // More waits than may wait now; that is no reason to cut it before somebody pushes.
    outbox.config.outbox.retune(2, 100);
    assert_eq!(outbox.waiting(), (3, 6));
    next(&outbox);
    outbox.sent(2);
    next(&outbox);
    outbox.sent(2);
    assert_eq!(outbox.push(Frame::message("d")), Pushed::Queued);
    outbox.config.outbox.retune(3, 100);
    assert_eq!(outbox.push(Frame::message("e")), Pushed::Queued);
    outbox.config.outbox.retune(8, 7);
    assert_eq!(outbox.push(Frame::message("f")), Pushed::Overflowed);
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
    let Poll::Ready((frames, None)) = outbox.poll_all(&mut cx) else {
        panic!("a frame waits, and the end behind it");
    };
    assert_eq!(frames.len(), 1);
    let Poll::Ready((frames, Some(CloseReason::Forced))) = outbox.poll_all(&mut cx) else {
        panic!("the end waits, alone");
    };
    assert!(frames.is_empty());
}

#[test]
fn who_waits_for_room_is_told_when_there_is_enough_and_not_before() {
    let outbox = outbox(8, 100);
    for _ in 0..3 {
        outbox.push(Frame::message("a"));
    }
    assert_eq!(outbox.drained(3).now_or_never(), Some(()));
    let mut patient = Box::pin(outbox.drained(1));
    next(&outbox);
    outbox.sent(2);
    assert_eq!(patient.as_mut().now_or_never(), None, "two are left");
    next(&outbox);
    assert_eq!(patient.as_mut().now_or_never(), None, "not handed on yet");
    outbox.sent(2);
    assert_eq!(patient.now_or_never(), Some(()));

    let by_poll = outbox.drained(0);
    assert!(
        outbox
            .poll_all(&mut Context::from_waker(noop_waker_ref()))
            .is_ready()
    );
    assert_eq!(by_poll.now_or_never(), Some(()));
}

#[test]
fn who_waits_for_room_is_told_also_that_there_will_be_none() {
    for end in [
        |outbox: Outbox| {
            outbox.seal();
        },
        |outbox: Outbox| outbox.finish(CloseReason::Shutdown),
        |outbox: Outbox| outbox.finish(CloseReason::Slow),
        drop,
    ] {
        let outbox = outbox(8, 100);
        outbox.push(Frame::message("a"));
        let mut patient = Box::pin(outbox.drained(0));
        assert_eq!(patient.as_mut().now_or_never(), None);
        end(outbox);
        assert_eq!(patient.now_or_never(), Some(()));
    }
}

#[test]
fn who_has_stopped_waiting_leaves_nothing() {
    let outbox = outbox(8, 100);
    outbox.push(Frame::message("a"));
    for _ in 0..100 {
        drop(outbox.drained(0));
    }
    assert!(outbox.inner.borrow().patient.len() <= 1);
}

#[test]
fn an_orderly_end_can_still_be_cut_short() {
    let outbox = outbox(8, 100);
    outbox.push(Frame::message("a"));
    outbox.finish(CloseReason::Shutdown);
    outbox.cut();
    assert_eq!(next(&outbox).as_deref(), Some("stop: server shutting down"));
}
