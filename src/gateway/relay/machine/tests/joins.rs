//! Joins: their answers, their order, refusals, timeouts and leaves.

use std::time::Duration;

use super::story::{BOUNDS, RelayStory, joined, since};
use crate::{
    domain::Refusal,
    gateway::relay::machine::SeatState,
    vault::{Attach, AttachOutcome, VaultError},
};

fn denied() -> AttachOutcome {
    AttachOutcome::Refused(VaultError::Refused(Refusal::AccessDenied))
}

#[test]
fn a_seat_receives_joined_and_then_each_event_once() {
    let mut story = RelayStory::new();
    assert_eq!(story.join(1, Attach::Join), ["ask 0: join 1"]);
    assert_eq!(story.event(7), [""; 0], "the seat is not live");
    let live = AttachOutcome::Live;
    assert_eq!(
        story.answer(1, 0, Some(joined(7, None)), &[], live),
        ["joined at 7 to 1"]
    );
    assert_eq!(story.event(7), [""; 0], "at or below last_sent");
    assert_eq!(story.event(8), ["send 8 to 1"]);
    assert_eq!(story.event(8), [""; 0]);
}

#[test]
fn a_join_with_since_is_followed_by_the_missed_events() {
    let mut story = RelayStory::new();
    assert_eq!(story.join(1, since(2)), ["room of 1?"]);
    assert_eq!(story.room(1), ["ask 0: join 1 since 2"]);
    let confirmed = Some(joined(4, Some(2)));
    assert_eq!(
        story.answer(1, 0, confirmed, &[3, 4], AttachOutcome::Live),
        ["joined at 4 to 1", "send 3 to 1", "send 4 to 1"]
    );
    assert_eq!(story.event(5), ["send 5 to 1"]);
}

#[test]
fn joins_of_one_seat_are_asked_one_after_the_other() {
    let mut story = RelayStory::new();
    story.join(1, Attach::Join);
    assert_eq!(story.join(1, Attach::Join), [""; 0]);
    assert_eq!(
        story.answer(1, 0, Some(joined(3, None)), &[], AttachOutcome::Live),
        ["joined at 3 to 1", "ask 1: join 1"]
    );
    assert_eq!(story.event(4), ["send 4 to 1"]);
    assert_eq!(
        story.answer(1, 1, Some(joined(4, None)), &[], AttachOutcome::Live),
        ["joined at 4 to 1"]
    );
    assert_eq!(story.event(5), ["send 5 to 1"]);
}

#[test]
fn a_refused_seat_is_removed_and_a_refused_second_join_keeps_the_seat() {
    let mut story = RelayStory::with_live_seats(&[1], 3);
    story.join(1, Attach::Join);
    let busy = AttachOutcome::Refused(VaultError::Busy);
    assert_eq!(
        story.answer(1, 1, None, &[], busy),
        ["refuse 1: the vault is busy"]
    );
    assert_eq!(story.event(4), ["send 4 to 1"]);

    story.join(2, Attach::Join);
    assert_eq!(
        story.answer(2, 2, None, &[], denied()),
        ["refuse 2: Access denied to vault", "leave 2"]
    );
    assert_eq!(story.leave(1), ["leave 1", "release the vault"]);
}

#[test]
fn a_join_times_out_and_its_late_answer_is_ignored() {
    let mut story = RelayStory::new();
    story.join(1, Attach::Join);
    assert_eq!(story.pass(Duration::from_secs(1)), [""; 0]);
    assert_eq!(
        story.pass(BOUNDS.join_timeout),
        [
            "refuse 1: the vault is busy",
            "leave 1",
            "release the vault"
        ]
    );
    let late = story.answer(1, 0, Some(joined(3, None)), &[], AttachOutcome::Live);
    assert_eq!(late, [""; 0]);
}

#[test]
fn the_deadline_of_an_answered_join_does_not_refuse_the_next_one() {
    let mut story = RelayStory::with_live_seats(&[1], 3);
    let later = Duration::from_secs(1);
    story.pass(BOUNDS.join_timeout - later);
    story.join(1, Attach::Join);
    assert_eq!(story.pass(later), [""; 0]);
    assert_eq!(
        story.pass(BOUNDS.join_timeout - later),
        ["refuse 1: the vault is busy", "room of 1?"]
    );
}

#[test]
fn a_live_seat_resumes_after_its_join_timed_out() {
    let mut story = RelayStory::with_live_seats(&[1], 3);
    story.join(1, Attach::Join);
    assert_eq!(
        story.pass(BOUNDS.join_timeout),
        ["refuse 1: the vault is busy", "room of 1?"]
    );
    assert_eq!(story.event(4), [""; 0]);
    assert_eq!(story.room(1), ["ask 2: resume 1 after 3"]);
    assert_eq!(
        story.answer(1, 2, None, &[3, 4], AttachOutcome::Live),
        ["send 4 to 1"]
    );
}

#[test]
fn a_leave_cancels_the_joins_and_nothing_follows() {
    let mut story = RelayStory::with_live_seats(&[1], 3);
    story.join(1, Attach::Join);
    assert_eq!(
        story.leave(1),
        ["leave 1", "cancel ack 1", "release the vault"]
    );
    assert_eq!(story.event(4), [""; 0]);
    let late = story.answer(1, 1, Some(joined(4, None)), &[], AttachOutcome::Live);
    assert_eq!(late, [""; 0]);
    assert_eq!(story.pass(BOUNDS.join_timeout), [""; 0]);
}

#[test]
fn a_removed_member_receives_nothing_more_unless_it_joins_again() {
    let mut story = RelayStory::with_live_seats(&[1, 2], 3);
    story.join(2, Attach::Join);
    story.event(4);
    assert_eq!(story.removed(1), ["removed to 1"]);
    assert_eq!(story.removed(2), ["removed to 2"]);
    assert_eq!(story.event(5), [""; 0]);
    assert_eq!(story.state(2), SeatState::Joining);
    assert_eq!(
        story.answer(2, 2, None, &[], denied()),
        [
            "refuse 2: Access denied to vault",
            "leave 2",
            "release the vault"
        ]
    );
}

#[test]
fn a_deleted_vault_ends_live_seats_and_others_by_their_answers() {
    let mut story = RelayStory::with_live_seats(&[1], 3);
    story.join(2, Attach::Join);
    assert_eq!(story.closed(), [""; 0]);
    assert!(
        story
            .machine
            .seat(&story.vault, super::story::seat(1).subscriber)
            .is_none()
    );
    assert_eq!(
        story.answer(2, 1, None, &[], denied()),
        [
            "refuse 2: Access denied to vault",
            "leave 2",
            "release the vault"
        ]
    );
}

#[test]
fn a_gap_closes_the_socket_and_nothing_follows() {
    let mut story = RelayStory::with_live_seats(&[1, 2], 3);
    story.join(2, Attach::Join);
    assert_eq!(story.event(5), ["close 1", "close 2"]);
    assert_eq!(story.event(6), [""; 0]);
    let late = story.answer(2, 2, Some(joined(6, None)), &[], AttachOutcome::Live);
    assert_eq!(late, [""; 0], "no answer makes a closed seat live");
    assert_eq!(
        story
            .machine
            .pending_joins(&story.vault, super::story::seat(2).subscriber)
            .count(),
        1
    );
}

#[test]
fn a_gap_within_an_answer_does_not_make_the_seat_live() {
    let mut story = RelayStory::new();
    story.join(1, since(2));
    story.room(1);
    assert_eq!(
        story.answer(1, 0, Some(joined(5, Some(3))), &[3, 5], AttachOutcome::Live),
        ["joined at 5 to 1", "send 3 to 1", "close 1"]
    );
    assert_eq!(story.state(1), SeatState::OutOfStep);
    assert_eq!(story.event(6), [""; 0]);
}
