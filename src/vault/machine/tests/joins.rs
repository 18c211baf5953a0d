//! Joins: their position in the order of the vault, and the head of a database that other processes write.

use crate::{
    domain::{Seq, SubscriberId},
    journal::DatabaseSharing::{SeveralProcesses, ThisProcess},
    vault::{VaultError, machine::*, subscription::Attach},
};

use super::{Story, story::*};

fn head(story: &mut Story, head: u64) -> Vec<String> {
    story.input(VaultInput::HeadRead(Ok(Some(Seq(head)))))
}

#[test]
fn join_needs_no_read_where_this_process_writes_alone() {
    let mut story = Story::open(ThisProcess, 9);
    assert_eq!(story.join(1, "ben", 7), ["s7 [1]: joined at 9, live"]);
    assert!(story.has_finished(1));
    story.submit(1);
    assert_eq!(story.join(2, "ana", 8), ["s8 [2]: joined at 9, live"]);
    let effects = story.written([event(10)]);
    assert_eq!(
        effects,
        ["s7 all: event 10", "s8 all: event 10", "answer 1: 10"]
    );
}

#[test]
fn join_reads_the_head_of_a_shared_database_first() {
    let mut story = Story::open(SeveralProcesses, 9);
    assert_eq!(story.join(1, "ben", 7), ["read head"]);
    assert_eq!(head(&mut story, 9), ["s7 [1]: joined at 9, live"]);
}

#[test]
fn join_waits_for_the_events_of_another_node() {
    let mut story = Story::open(SeveralProcesses, 9);
    story.join(1, "ben", 7);
    assert_eq!(head(&mut story, 11), ["read missed after 9 for Join"]);
    assert!(
        story.submit(1).is_empty(),
        "no transaction starts before the events are applied"
    );
    let read = VaultInput::MissedRead {
        purpose: MissedPurpose::Join,
        result: Ok(events(10..=11)),
    };
    let effects = story.input(read);
    assert_eq!(effects, ["s7 [1]: joined at 11, live", "append [1] at 11"]);
}

#[test]
fn join_that_finds_the_own_transaction_ahead_waits_for_its_end() {
    let mut story = Story::open(SeveralProcesses, 9);
    story.submit(1);
    story.join(1, "ben", 7);
    // The commit is visible in the database before its outcome arrives here.
    assert!(head(&mut story, 10).is_empty());
    let effects = story.written([event(10)]);
    assert_eq!(effects, ["answer 1: 10", "s7 [1]: joined at 10, live"]);
}

#[test]
fn join_precedes_the_mutation_that_its_socket_sent_after_it() {
    let mut story = Story::open(SeveralProcesses, 9);
    story.join(1, "ben", 7);
    story.submit(1);
    story.written([event(10)]);
    assert_eq!(
        head(&mut story, 10),
        ["s7 [1]: joined at 9, event 10, live"]
    );
}

#[test]
fn joins_that_arrive_during_a_check_share_the_next_one() {
    let mut story = Story::open(SeveralProcesses, 9);
    story.join(1, "ben", 7);
    assert!(story.join(2, "ana", 7).is_empty());
    assert!(story.join(3, "ana", 8).is_empty());
    assert_eq!(
        head(&mut story, 9),
        ["s7 [1]: joined at 9, live", "read head"]
    );
    let effects = head(&mut story, 9);
    assert_eq!(
        effects,
        ["s7 [2]: joined at 9, live", "s8 [3]: joined at 9, live"]
    );
}

#[test]
fn live_subscriber_that_joins_again_is_confirmed_at_the_head_that_it_has() {
    let mut story = Story::open(SeveralProcesses, 9);
    story.join(1, "ben", 7);
    head(&mut story, 9);
    story.join(1, "ben", 7);
    story.submit(1);
    assert_eq!(
        story.written([event(10)]),
        ["s7 all: event 10", "answer 1: 10"]
    );
    assert_eq!(head(&mut story, 10), ["s7 [1]: joined at 10, live"]);
}

#[test]
fn subscriber_that_leaves_during_the_check_is_not_attached() {
    let mut story = Story::open(SeveralProcesses, 9);
    story.join(1, "ben", 7);
    story.input(VaultInput::Leave(SubscriberId(1)));
    assert!(story.has_finished(1));
    assert!(head(&mut story, 9).is_empty());
    assert_eq!(story.machine.subscribers(), 0);
}

#[test]
fn failed_check_refuses_the_joins_and_the_next_one_goes_on() {
    let mut story = Story::open(SeveralProcesses, 9);
    story.join(1, "ben", 7);
    story.join(2, "ana", 7);
    let failed = VaultInput::HeadRead(Err(VaultError::Unavailable));
    assert_eq!(
        story.input(failed),
        ["s7 [1]: refused Unavailable", "read head"]
    );
    assert_eq!(head(&mut story, 9), ["s7 [2]: joined at 9, live"]);
}

#[test]
fn join_of_a_purged_vault_restarts_it_and_is_not_finished() {
    let mut story = Story::open(SeveralProcesses, 9);
    story.join(1, "ben", 7);
    assert_eq!(story.input(VaultInput::HeadRead(Ok(None))), ["restart"]);
    assert!(!story.has_finished(1), "its sink requests it again");
}

#[test]
fn since_replays_up_to_the_head_and_an_unknown_position_asks_for_a_resync() {
    let since = |seq, epoch: Option<&str>| Attach::JoinSince {
        seq: Seq(seq),
        epoch: epoch.map(str::to_owned),
    };
    let mut story = Story::open(ThisProcess, 8);
    story.submit(1);
    story.written([event(9)]);
    let effects = story.subscribe(1, "ben", 7, since(8, Some("epoch")));
    assert_eq!(effects, ["s7 [1]: joined at 9 replaying 1, event 9, live"]);
    for unknown in [since(10, None), since(8, Some("other"))] {
        let effects = story.subscribe(2, "ben", 7, unknown);
        assert_eq!(effects, ["s7 [2]: joined at 9 resync, live"]);
    }
}

#[test]
fn a_join_that_was_left_while_it_waits_for_the_head_is_finished_at_once() {
    let mut story = Story::open(SeveralProcesses, 3);
    assert_eq!(story.join(1, "ben", 7), ["read head"]);
    assert!(
        story.join(2, "ana", 7).is_empty(),
        "it waits for the next read"
    );
    for subscriber in [1, 2] {
        story.input(VaultInput::Leave(SubscriberId(subscriber)));
        assert!(story.has_finished(subscriber));
    }
    assert!(story.join(3, "ben", 7).is_empty());
    assert_eq!(head(&mut story, 3), ["read head"], "for the later request");
    assert_eq!(head(&mut story, 3), ["s7 [3]: joined at 3, live"]);
}
