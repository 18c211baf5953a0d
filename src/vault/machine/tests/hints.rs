//! Hints of other nodes: lost, repeated, late, and ahead of the vault's own commit.

use crate::{
    domain::{Seq, SubscriberId},
    journal::{
        CommittedEvent,
        DatabaseSharing::{SeveralProcesses, ThisProcess},
    },
    vault::{VaultError, machine::*},
};

use super::{Story, story::*};

/// Returns a vault at head 3 with a live subscriber.
fn subscribed() -> Story {
    let mut story = Story::open(SeveralProcesses, 3);
    story.join(1, "ben", 7);
    story.input(VaultInput::HeadRead(Ok(Some(Seq(3)))));
    story
}

fn hint(story: &mut Story, head: u64) -> Vec<String> {
    story.input(VaultInput::RemoteHead(Seq(head)))
}

fn read(story: &mut Story, result: Result<Vec<CommittedEvent>, VaultError>) -> Vec<String> {
    let purpose = MissedPurpose::Hint;
    story.input(VaultInput::MissedRead { purpose, result })
}

#[test]
fn hint_reads_the_missed_events_once_and_publishes_them() {
    let mut story = subscribed();
    assert_eq!(hint(&mut story, 5), ["read missed after 3 for Hint"]);
    assert!(hint(&mut story, 5).is_empty(), "repeated");
    assert!(hint(&mut story, 4).is_empty(), "late");
    let effects = read(&mut story, Ok(events(4..=5)));
    assert_eq!(effects, ["s7 all: event 4", "s7 all: event 5"]);
    assert!(hint(&mut story, 5).is_empty());
}

#[test]
fn hint_during_a_read_is_followed_by_another_read() {
    let mut story = subscribed();
    hint(&mut story, 4);
    hint(&mut story, 6);
    let effects = read(&mut story, Ok(events([4])));
    assert_eq!(effects, ["s7 all: event 4", "read missed after 4 for Hint"]);
}

#[test]
fn hint_beyond_the_journal_does_not_read_for_ever() {
    let mut story = subscribed();
    hint(&mut story, 100);
    assert!(read(&mut story, Ok(Vec::new())).is_empty());
}

#[test]
fn hint_of_a_vault_without_subscribers_is_ignored() {
    let mut story = Story::open(SeveralProcesses, 3);
    assert!(hint(&mut story, 5).is_empty());
}

#[test]
fn own_events_that_a_hint_brings_first_are_published_once_and_answered_at_the_commit() {
    let mut story = subscribed();
    story.submit(1);
    hint(&mut story, 4);
    assert_eq!(read(&mut story, Ok(events([4]))), ["s7 all: event 4"]);
    assert_eq!(story.written([event(4)]), ["answer 1: 4"]);
}

#[test]
fn own_commit_that_comes_first_makes_the_read_of_a_hint_superfluous() {
    let mut story = subscribed();
    story.submit(1);
    hint(&mut story, 5);
    let effects = story.written_after_missed(1, events(4..=5));
    assert_eq!(
        effects,
        ["s7 all: event 4", "s7 all: event 5", "answer 1: 5"]
    );
    assert!(read(&mut story, Ok(events(4..=5))).is_empty());
}

#[test]
fn failed_read_is_repeated_by_the_next_hint() {
    let mut story = subscribed();
    hint(&mut story, 5);
    assert!(read(&mut story, Err(VaultError::Unavailable)).is_empty());
    assert_eq!(hint(&mut story, 5), ["read missed after 3 for Hint"]);
}

#[test]
fn join_precedes_own_events_that_a_hint_has_brought_first() {
    let mut story = subscribed();
    story.join(2, "ana", 8);
    story.submit(1);
    hint(&mut story, 5);
    let effects = read(&mut story, Ok(events(4..=5)));
    assert_eq!(effects, ["s7 all: event 4", "s7 all: event 5"]);
    // Which of the events are its own, the vault learns from the outcome only.
    let head = VaultInput::HeadRead(Ok(Some(Seq(4))));
    assert!(story.input(head).is_empty());
    let effects = story.written_after_missed(1, events(4..=5));
    let expected = ["answer 1: 5", "s8 [2]: joined at 4, event 5, live"];
    assert_eq!(effects, expected);
}

#[test]
fn hint_while_the_first_join_waits_is_followed_after_the_join() {
    let mut story = Story::open(SeveralProcesses, 3);
    story.join(1, "ben", 7);
    // The head that the join compares may be older than the hint.
    assert!(hint(&mut story, 4).is_empty());
    let effects = story.input(VaultInput::HeadRead(Ok(Some(Seq(3)))));
    assert_eq!(
        effects,
        ["s7 [1]: joined at 3, live", "read missed after 3 for Hint"]
    );
    assert_eq!(read(&mut story, Ok(events([4]))), ["s7 all: event 4"]);
}

#[test]
fn hint_is_forgotten_when_the_join_that_was_waiting_has_left() {
    let mut story = Story::open(SeveralProcesses, 3);
    story.join(1, "ben", 7);
    hint(&mut story, 4);
    story.input(VaultInput::Leave(SubscriberId(1)));
    assert!(
        story
            .input(VaultInput::HeadRead(Ok(Some(Seq(3)))))
            .is_empty()
    );
    story.join(2, "ben", 7);
    let effects = story.input(VaultInput::HeadRead(Ok(Some(Seq(3)))));
    assert_eq!(effects, ["s7 [2]: joined at 3, live"]);
}

#[test]
fn own_commit_is_announced_to_other_nodes_on_a_shared_database_only() {
    for (sharing, announced) in [(SeveralProcesses, Some(Seq(5))), (ThisProcess, None)] {
        let mut story = Story::open(sharing, 3);
        story.submit(1);
        story.written_after_missed(1, events(4..=5));
        assert_eq!(story.announced(), announced);
    }
    // Events of other nodes have been announced by these.
    let mut story = subscribed();
    hint(&mut story, 5);
    read(&mut story, Ok(events(4..=5)));
    assert_eq!(story.announced(), None);
}
