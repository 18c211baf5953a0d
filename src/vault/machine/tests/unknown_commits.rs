//! The outcome of a commit is unknown: nothing is written before it is known again.

use std::time::Duration;

use crate::{
    journal::DatabaseSharing::{SeveralProcesses, ThisProcess},
    vault::{VaultError, machine::*},
};

use super::{Story, story::*};

const SECOND: Duration = Duration::from_secs(1);

fn unknown(story: &mut Story) -> Vec<String> {
    story.input(VaultInput::Committed(BatchOutcome::Unknown))
}

fn read(
    story: &mut Story,
    result: Result<Vec<crate::journal::CommittedEvent>, VaultError>,
) -> Vec<String> {
    let purpose = MissedPurpose::UnknownCommit;
    story.input(VaultInput::MissedRead { purpose, result })
}

#[test]
fn events_of_an_unknown_commit_are_published_once_and_before_anything_else_is_written() {
    let mut story = Story::open(ThisProcess, 0);
    story.join(1, "ben", 7);
    story.submit(1);
    story.submit(2);
    let effects = unknown(&mut story);
    let expected = [
        "answer 1: Unknown",
        "answer 2: Unavailable",
        "read missed after 0 for UnknownCommit",
    ];
    assert_eq!(effects, expected);
    assert!(story.submit(3).is_empty(), "it waits for the outcome");
    let effects = read(&mut story, Ok(events([1])));
    assert_eq!(effects, ["s7 all: event 1", "append [3] at 1"]);
    assert_eq!(
        story.written([event(2)]),
        ["s7 all: event 2", "answer 3: 2"]
    );
}

#[test]
fn commit_that_wrote_nothing_is_resolved_without_an_event() {
    let mut story = Story::open(ThisProcess, 5);
    story.submit(1);
    unknown(&mut story);
    assert!(read(&mut story, Ok(Vec::new())).is_empty());
    assert_eq!(story.submit(2), ["append [2] at 5"]);
}

#[test]
fn outcome_is_read_again_each_second_and_mutations_are_refused_meanwhile() {
    let mut story = Story::open(ThisProcess, 5);
    story.submit(1);
    unknown(&mut story);
    assert!(read(&mut story, Err(VaultError::Unavailable)).is_empty());
    assert_eq!(story.submit(2), ["answer 2: Unavailable"]);
    assert!(story.pass(SECOND / 2).is_empty());
    let again = "read missed after 5 for UnknownCommit";
    assert_eq!(story.pass(SECOND / 2), [again]);
    assert!(story.pass(SECOND).is_empty(), "one read at a time");
    assert_eq!(story.submit(3), ["answer 3: Unavailable"]);
    read(&mut story, Ok(events([6])));
    assert_eq!(story.submit(4), ["append [4] at 6"]);
}

#[test]
fn mutation_of_unknown_outcome_in_a_written_batch_is_resolved_as_well() {
    let mut story = Story::open(ThisProcess, 0);
    story.submit(1);
    let effects = story.input(VaultInput::Committed(BatchOutcome::Written(WrittenBatch {
        events: Vec::new(),
        missed: 0,
        results: vec![Err(VaultError::Unknown)],
        base: crate::journal::BatchBase::Continued,
        is_vault_deleted: false,
        vault: None,
    })));
    let expected = ["answer 1: Unknown", "read missed after 0 for UnknownCommit"];
    assert_eq!(effects, expected);
}

#[test]
fn join_before_a_transaction_of_unknown_outcome_precedes_its_events() {
    let mut story = Story::open(SeveralProcesses, 0);
    story.join(1, "ben", 7);
    story.submit(1);
    unknown(&mut story);
    read(&mut story, Ok(events([1])));
    let head = VaultInput::HeadRead(Ok(Some(crate::domain::Seq(1))));
    assert_eq!(story.input(head), ["s7 [1]: joined at 0, event 1, live"]);
}

#[test]
fn vault_does_not_retire_before_an_unknown_outcome_is_known() {
    const IDLE: Duration = Duration::from_secs(60);
    let mut story = Story::open(ThisProcess, 5);
    story.submit(1);
    unknown(&mut story);
    for _ in 0..3 {
        assert!(!story.pass(IDLE).contains(&"retire".to_owned()));
        read(&mut story, Err(VaultError::Unavailable));
    }
    story.pass(IDLE);
    read(&mut story, Ok(events([6])));
    assert_eq!(story.pass(IDLE), ["retire"]);
}
