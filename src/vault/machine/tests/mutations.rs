//! Decide, commit, apply, publish, answer.

use std::time::Duration;

use crate::{
    domain::Seq,
    journal::DatabaseSharing::ThisProcess,
    vault::{VaultError, machine::*},
};

use super::{Story, story::*};

#[test]
fn mutation_is_answered_after_its_event_is_published() {
    let mut story = Story::open(ThisProcess, 4);
    story.join(1, "ben", 7);
    assert_eq!(story.submit(1), ["append [1] at 4"]);
    assert_eq!(story.machine.head(), Some(Seq(4)), "nothing is applied yet");
    assert_eq!(
        story.written([event(5)]),
        ["s7 all: event 5", "answer 1: 5"]
    );
    assert_eq!(story.machine.head(), Some(Seq(5)));
}

#[test]
fn mutations_that_arrive_during_a_transaction_go_into_the_next_one_together() {
    let mut story = Story::open(ThisProcess, 0);
    story.submit(1);
    for caller in 2..=5 {
        assert!(
            story.submit(caller).is_empty(),
            "one transaction is in flight"
        );
    }
    // At most three mutations form a batch.
    assert_eq!(
        story.written([event(1)]),
        ["answer 1: 1", "append [2, 3, 4] at 1"]
    );
    let answers = story.written(events(2..=4));
    assert_eq!(answers, ["answer 2: 2", "answer 3: 3", "answer 4: 4"]);
    // The fifth waits for the callers that were just answered, and then goes alone.
    assert_eq!(story.pass(Duration::from_millis(1)), ["append [5] at 4"]);
}

#[test]
fn next_requests_of_answered_callers_join_the_waiting_ones() {
    let mut story = Story::open(ThisProcess, 0);
    story.submit(1);
    story.submit(2);
    story.written([event(1)]);
    assert_eq!(story.submit(3), ["append [2, 3] at 1"]);
}

#[test]
fn failed_transaction_leaves_no_trace_and_refuses_the_waiting_mutations() {
    let mut story = Story::open(ThisProcess, 3);
    story.join(1, "ben", 7);
    story.submit(1);
    story.submit(2);
    let failed = BatchOutcome::Failed(VaultError::Unavailable);
    let effects = story.input(VaultInput::Committed(failed));
    assert_eq!(effects, ["answer 1: Unavailable", "answer 2: Unavailable"]);
    assert_eq!(story.machine.head(), Some(Seq(3)));
    assert_eq!(story.submit(3), ["append [3] at 3"]);
}

#[test]
fn events_of_another_node_are_published_before_the_own_ones() {
    let mut story = Story::open(ThisProcess, 3);
    story.join(1, "ben", 7);
    story.submit(1);
    let effects = story.written_after_missed(2, events(4..=6));
    let published = ["s7 all: event 4", "s7 all: event 5", "s7 all: event 6"];
    assert_eq!(effects[..3], published);
    assert_eq!(effects[3], "answer 1: 6");
    let warning = VaultEffect::Report(VaultFact::ForeignWriter);
    assert!(story.all_effects.contains(&warning));
}

#[test]
fn gap_in_committed_events_restarts_the_vault_and_answers_the_caller() {
    let mut story = Story::open(ThisProcess, 3);
    story.submit(1);
    assert_eq!(
        story.written([event(5)]),
        ["restart", "answer 1: 5", "retire"]
    );
    assert_eq!(story.submit(2), ["answer 2: Unavailable", "retire"]);
}

#[test]
fn vault_whose_deletion_is_not_in_the_journal_is_loaded_again() {
    let mut story = Story::open(ThisProcess, 3);
    story.submit(1);
    let deleted = VaultInput::Committed(BatchOutcome::Written(WrittenBatch {
        events: Vec::new(),
        missed: 0,
        results: vec![Err(crate::domain::Refusal::AccessDenied.into())],
        base: crate::journal::BatchBase::Continued,
        is_vault_deleted: true,
        vault: None,
    }));
    let effects = story.input(deleted);
    assert_eq!(
        effects,
        ["answer 1: Refused(AccessDenied)", "restart", "retire"]
    );
}

#[test]
fn dropped_transaction_restarts_the_vault() {
    let mut story = Story::open(ThisProcess, 3);
    story.submit(1);
    let effects = story.input(VaultInput::Committed(BatchOutcome::Dropped));
    assert_eq!(
        effects,
        ["answer 1: Unknown", "restart"],
        "the successor waits for its end"
    );
}
