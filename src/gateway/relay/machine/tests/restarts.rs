//! A relay that fell behind, and vault actors that were started again after a panic.

use std::time::Duration;

use crate::{
    domain::Seq,
    gateway::relay::machine::{SeatPosition, SeatState},
    vault::{Attach, AttachOutcome},
};

use super::story::{BOUNDS, RelayStory, joined, since};

#[test]
fn a_relay_that_fell_behind_resumes_each_seat_after_its_last_event() {
    let mut story = RelayStory::with_live_seats(&[1, 2], 3);
    story.event(4);
    assert_eq!(story.fell_behind(), ["drain the mailbox"]);
    assert_eq!(story.fell_behind(), [""; 0]);
    assert_eq!(
        story.mailbox_drained(),
        ["caught up", "room of 1?", "room of 2?"]
    );
    assert_eq!(story.room(1), ["ask 2: resume 1 after 4"]);
    assert_eq!(story.room(2), ["ask 3: resume 2 after 4"]);
    assert_eq!(
        story.answer(1, 2, None, &[4, 5, 6], AttachOutcome::More),
        ["send 5 to 1", "send 6 to 1", "room of 1?"]
    );
    assert_eq!(story.event(7), [""; 0], "no seat is live");
    assert_eq!(story.room(1), ["ask 4: resume 1 after 6"]);
    assert_eq!(
        story.answer(1, 4, None, &[6, 7], AttachOutcome::Live),
        ["send 7 to 1"]
    );
    assert_eq!(story.event(8), ["send 8 to 1"]);
}

#[test]
fn a_seat_whose_missed_events_were_trimmed_is_closed() {
    let mut story = RelayStory::with_live_seats(&[1], 3);
    story.fell_behind();
    story.mailbox_drained();
    story.room(1);
    assert_eq!(
        story.answer(1, 1, None, &[], AttachOutcome::Lost),
        ["close 1"]
    );
    assert_eq!(story.leave(1), ["leave 1", "release the vault"]);
}

#[test]
fn a_relay_without_seats_reports_that_it_has_caught_up() {
    let mut story = RelayStory::new();
    assert_eq!(story.fell_behind(), ["drain the mailbox"]);
    assert_eq!(story.mailbox_drained(), ["caught up", "release the vault"]);
    assert_eq!(story.mailbox_drained(), [""; 0]);
}

#[test]
fn a_seat_that_leaves_meanwhile_does_not_cancel_the_report() {
    let mut story = RelayStory::with_live_seats(&[1], 3);
    story.fell_behind();
    assert_eq!(story.leave(1), ["leave 1"]);
    assert_eq!(story.mailbox_drained(), ["caught up", "release the vault"]);
}

/// The actor of the vault committed event 4, panicked before it published it, and was started again. The join reaches its
/// successor.
#[test]
fn a_second_join_answered_by_a_successor_skips_no_event() {
    let mut story = RelayStory::with_live_seats(&[1], 3);
    assert_eq!(story.join(1, Attach::Join), ["ask 1: join 1"]);
    assert_eq!(
        story.answer(1, 1, Some(joined(4, None)), &[], AttachOutcome::Live),
        ["room of 1?"],
        "vault:joined waits until event 4 was sent"
    );
    assert_eq!(story.event(5), [""; 0]);
    assert_eq!(story.fell_behind(), ["drain the mailbox"]);
    assert_eq!(story.room(1), [""; 0]);
    assert_eq!(
        story.mailbox_drained(),
        ["caught up", "ask 2: resume 1 after 3"]
    );
    assert_eq!(
        story.answer(1, 2, None, &[3, 4, 5], AttachOutcome::Live),
        ["send 4 to 1", "send 5 to 1", "ask 3: join 1"]
    );
    assert_eq!(
        story.answer(1, 3, Some(joined(5, None)), &[], AttachOutcome::Live),
        ["joined at 5 to 1"]
    );
    assert_eq!(story.event(6), ["send 6 to 1"]);
}

#[test]
fn a_second_join_with_since_answered_by_a_successor_skips_no_event() {
    let mut story = RelayStory::with_live_seats(&[1], 3);
    story.join(1, since(5));
    assert_eq!(story.room(1), ["ask 1: join 1 since 5"]);
    let confirmed = Some(joined(6, Some(1)));
    assert_eq!(
        story.answer(1, 1, confirmed, &[6], AttachOutcome::Live),
        ["room of 1?"]
    );
    assert_eq!(story.room(1), ["ask 2: resume 1 after 3"]);
    assert_eq!(
        story.answer(1, 2, None, &[4, 5, 6], AttachOutcome::Live),
        ["send 4 to 1", "send 5 to 1", "send 6 to 1", "room of 1?"]
    );
    assert_eq!(story.room(1), ["ask 3: join 1 since 5"]);
    let confirmed = Some(joined(6, Some(1)));
    assert_eq!(
        story.answer(1, 3, confirmed, &[6], AttachOutcome::Live),
        ["joined at 6 to 1", "send 6 to 1"],
        "since repeats events"
    );
}

#[test]
fn events_of_a_successor_close_no_socket_that_has_not_resumed() {
    let mut story = RelayStory::with_live_seats(&[1], 3);
    story.join(2, Attach::Join);
    story.fell_behind();
    // The successor has loaded the unpublished event 4.
    assert_eq!(
        story.answer(2, 1, Some(joined(4, None)), &[], AttachOutcome::Live),
        ["joined at 4 to 2"]
    );
    assert_eq!(story.event(5), ["send 5 to 2"]);
    assert_eq!(
        story.mailbox_drained(),
        ["caught up", "room of 1?", "room of 2?"]
    );
}

/// Two actors panic, one after the other, before the relay has caught up.
#[test]
fn a_seat_that_joined_between_two_panics_resumes_as_well() {
    let mut story = RelayStory::new();
    story.join(1, Attach::Join);
    story.fell_behind();
    story.answer(1, 0, Some(joined(1, None)), &[], AttachOutcome::Live);
    assert_eq!(story.fell_behind(), [""; 0]);
    assert_eq!(story.event(3), [""; 0]);
    assert_eq!(story.mailbox_drained(), ["caught up", "room of 1?"]);
    assert_eq!(story.room(1), ["ask 1: resume 1 after 1"]);
}

#[test]
fn an_answer_from_before_the_relay_caught_up_is_ignored() {
    let mut story = RelayStory::with_live_seats(&[1], 3);
    story.join(1, Attach::Join);
    story.fell_behind();
    story.mailbox_drained();
    assert_eq!(story.room(1), ["ask 2: resume 1 after 3"]);
    let stale = story.answer(1, 1, Some(joined(9, None)), &[], AttachOutcome::Live);
    assert_eq!(stale, [""; 0]);
    let position = SeatPosition {
        last_sent: Seq(3),
        joined_at: Seq(3),
        epoch: "epoch".into(),
    };
    assert_eq!(story.state(1), SeatState::Behind(position));
    assert_eq!(
        story.event(10),
        [""; 0],
        "a live notice from before is dropped"
    );
    assert_eq!(
        story.answer(1, 2, None, &[4], AttachOutcome::Live),
        ["send 4 to 1", "ask 3: join 1"]
    );
}

#[test]
fn a_join_while_the_relay_is_behind_is_asked_when_it_has_caught_up() {
    let mut story = RelayStory::new();
    story.fell_behind();
    assert_eq!(story.join(1, Attach::Join), [""; 0]);
    story.now = story.now + Duration::from_secs(1);
    assert_eq!(story.mailbox_drained(), ["caught up", "ask 0: join 1"]);
    assert_eq!(
        story.pass(BOUNDS.join_timeout - Duration::from_secs(1)),
        [
            "refuse 1: the vault is busy",
            "leave 1",
            "release the vault"
        ],
        "the timeout began with the join"
    );
}

#[test]
fn a_seat_that_waits_for_its_turn_keeps_its_place() {
    let mut story = RelayStory::new();
    for number in 1..=4 {
        story.join(number, since(0));
        story.room(number);
    }
    story.fell_behind();
    assert_eq!(
        story.mailbox_drained(),
        [
            "caught up",
            "ask 2: join 3 since 0",
            "ask 3: join 4 since 0",
            "room of 1?",
            "room of 2?"
        ]
    );
}

#[test]
fn sockets_are_closed_when_the_journal_is_another_one_and_pending_joins_are_asked_again() {
    let mut story = RelayStory::with_live_seats(&[1, 2], 3);
    story.fell_behind();
    story.mailbox_drained();
    story.room(1);
    story.answer(1, 2, None, &[3], AttachOutcome::Live);
    // The seat 1 is live and the seat 2 waits for a page. The seat 3 has not joined.
    story.join(3, Attach::Join);
    assert_eq!(story.positions_unknown(), ["close 1", "close 2"]);
    assert_eq!(story.event(4), [""; 0]);
    assert_eq!(story.fell_behind(), ["drain the mailbox"]);
    let asked = story.mailbox_drained();
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert!(asked[1].ends_with("join 3"), "{asked:?}");
}
