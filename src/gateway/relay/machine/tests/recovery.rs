//! Seats of recovered connections.

use crate::{
    domain::{Seq, SubscriberId},
    gateway::trace::{ResumePosition, ResumedSubscription},
    vault::{Attach, AttachOutcome},
};

use super::story::{RelayStory, joined, vault};

fn resumed() -> ResumedSubscription {
    ResumedSubscription {
        vault: vault("a"),
        position: None,
        joined: None,
        joins: Vec::new(),
    }
}

fn position(last_seen: u64) -> Option<ResumePosition> {
    Some(ResumePosition {
        last_seen: Seq(last_seen),
        joined_at: Seq(2),
        epoch: "epoch".into(),
    })
}

#[test]
fn missed_events_precede_a_pending_join() {
    let mut story = RelayStory::new();
    let resumed = ResumedSubscription {
        position: position(5),
        joins: vec![Attach::Join],
        ..resumed()
    };
    assert_eq!(story.resume(1, resumed), ["room of 1?"]);
    assert_eq!(story.room(1), ["ask 0: resume 1 after 5"]);
    assert_eq!(
        story.answer(1, 0, None, &[5, 6], AttachOutcome::Live),
        ["send 6 to 1", "ask 1: join 1"]
    );
    assert_eq!(
        story.answer(1, 1, Some(joined(6, None)), &[], AttachOutcome::Live),
        ["joined at 6 to 1"]
    );
}

#[test]
fn a_lost_joined_is_sent_again_and_its_events_follow() {
    let mut story = RelayStory::new();
    let resumed = ResumedSubscription {
        position: position(3),
        joined: Some(joined(4, Some(1))),
        ..resumed()
    };
    assert_eq!(story.resume(1, resumed), ["joined at 4 to 1", "room of 1?"]);
    assert_eq!(story.room(1), ["ask 1: resume 1 after 3"]);
}

#[test]
fn a_membership_that_was_lost_ends_the_seat_after_its_last_event() {
    let mut story = RelayStory::new();
    let resumed = ResumedSubscription {
        position: position(5),
        ..resumed()
    };
    story.resume(1, resumed);
    story.room(1);
    assert_eq!(
        story.answer(1, 0, None, &[6], AttachOutcome::Removed),
        ["send 6 to 1", "removed to 1", "release the vault"]
    );
}

#[test]
fn a_resume_names_the_epoch_of_its_position() {
    let mut story = RelayStory::new();
    let former = ResumePosition {
        epoch: "former".into(),
        ..position(5).unwrap()
    };
    let resumed = ResumedSubscription {
        position: Some(former),
        ..resumed()
    };
    story.resume(1, resumed);
    let seat = story.machine.seat(&story.vault, SubscriberId(1));
    let attach = Attach::Resume {
        after: Seq(5),
        joined_at: Seq(2),
        epoch: "former".into(),
    };
    assert_eq!(seat.unwrap().next_query(), Some(attach));
}
