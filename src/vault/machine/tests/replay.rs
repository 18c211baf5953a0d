//! Replays: from memory, from the journal, page by page.

use crate::{
    domain::{Seq, SubscriberId},
    journal::{
        DatabaseSharing::{SeveralProcesses, ThisProcess},
        JournalRecord,
    },
    vault::{REPLAY_PAGE, VaultError, machine::*, subscription::Attach},
};

use super::{Story, story::*};

fn page(story: &mut Story, result: Result<Vec<JournalRecord>, VaultError>) -> Vec<String> {
    story.input(VaultInput::PageRead {
        request: SubscribeId(10),
        result,
    })
}

#[test]
fn resume_begins_with_the_last_received_event_and_ends_at_the_head() {
    let mut story = Story::open(ThisProcess, 9);
    assert_eq!(
        story.subscribe(1, "ben", 7, resume(7)),
        ["read page after 6"]
    );
    let effects = page(&mut story, Ok(records(7..=9)));
    assert_eq!(effects, ["s7 [1]: event 7, event 8, event 9, live"]);
}

#[test]
fn page_and_memory_together_reach_the_head() {
    let mut story = Story::open(ThisProcess, 9);
    story.subscribe(1, "ben", 7, resume(8));
    story.submit(1);
    story.written([event(10)]);
    let effects = page(&mut story, Ok(records(8..=9)));
    assert_eq!(effects, ["s7 [1]: event 8, event 9, event 10, live"]);
}

#[test]
fn committed_event_that_is_not_published_yet_is_not_replayed() {
    let mut story = Story::open(ThisProcess, 9);
    story.subscribe(1, "ben", 7, resume(9));
    story.submit(1);
    assert_eq!(
        page(&mut story, Ok(records(9..=10))),
        ["s7 [1]: event 9, live"]
    );
    assert_eq!(
        story.written([event(10)]),
        ["s7 all: event 10", "answer 1: 10"]
    );
}

#[test]
fn full_page_is_followed_by_a_request_for_the_next_one() {
    let last = 9 + REPLAY_PAGE as u64;
    let mut story = Story::open(ThisProcess, last + 1);
    story.subscribe(1, "ben", 7, resume(10));
    let effects = page(&mut story, Ok(records(10..=last)));
    assert!(
        effects[0].ends_with(&format!("event {last}, more")),
        "{effects:?}"
    );
    assert_eq!(
        story.machine.subscribers(),
        0,
        "it receives no live event yet"
    );
}

#[test]
fn trimmed_events_are_lost_for_a_resume_and_a_deleted_vault_does_not_hide_that() {
    let mut story = Story::open(ThisProcess, 9);
    story.subscribe(1, "ben", 7, resume(3));
    assert_eq!(page(&mut story, Ok(records(8..=9))), ["s7 [1]: lost"]);

    let mut absent = Story::loading(ThisProcess);
    absent.input(VaultInput::Opened(Ok(None)));
    absent.subscribe(1, "ben", 7, resume(3));
    assert_eq!(
        page(&mut absent, Ok(Vec::new())),
        ["s7 [1]: lost", "retire"]
    );
}

#[test]
fn resume_of_a_removed_member_ends_with_the_removal() {
    let mut story = Story::open(ThisProcess, 9);
    story.subscribe(1, "ben", 7, resume(6));
    let journal = vec![
        event(6).record,
        removed(7, "ben").record,
        event(8).record,
        event(9).record,
    ];
    let effects = page(&mut story, Ok(journal));
    assert_eq!(effects, ["s7 [1]: event 6, event 7, removed"]);
}

#[test]
fn removal_before_the_last_join_does_not_end_a_resume() {
    let mut story = Story::open(ThisProcess, 9);
    let attach = Attach::Resume {
        after: Seq(6),
        joined_at: Seq(8),
        epoch: "epoch".into(),
    };
    story.subscribe(1, "ben", 7, attach);
    let journal = vec![
        event(6).record,
        removed(7, "ben").record,
        added(8, "ben").record,
        event(9).record,
    ];
    let effects = page(&mut story, Ok(journal));
    assert_eq!(
        effects,
        ["s7 [1]: event 6, event 7, event 8, event 9, live"]
    );
}

#[test]
fn resume_beyond_the_head_waits_for_the_events_of_another_node() {
    let mut story = Story::open(SeveralProcesses, 3);
    assert_eq!(story.subscribe(1, "ben", 7, resume(5)), ["read head"]);
    let head = VaultInput::HeadRead(Ok(Some(Seq(5))));
    assert_eq!(story.input(head), ["read missed after 3 for Join"]);
    let missed = VaultInput::MissedRead {
        purpose: MissedPurpose::Join,
        result: Ok(events([4, 5])),
    };
    assert_eq!(story.input(missed), ["s7 [1]: event 5, live"]);
}

#[test]
fn resume_of_a_deleted_vault_ends_with_the_deletion() {
    let mut story = Story::loading(ThisProcess);
    story.input(VaultInput::Opened(Ok(None)));
    story.subscribe(1, "ben", 7, resume(6));
    let journal = vec![event(6).record, deleted(7).record];
    let effects = page(&mut story, Ok(journal));
    assert_eq!(effects, ["s7 [1]: event 6, event 7, closed", "retire"]);
}

#[test]
fn page_for_a_subscriber_that_left_is_dropped() {
    let mut story = Story::open(ThisProcess, 9);
    story.subscribe(1, "ben", 7, resume(7));
    story.input(VaultInput::Leave(SubscriberId(1)));
    assert!(page(&mut story, Ok(records(7..=9))).is_empty());
    assert!(story.has_finished(1));
}

#[test]
fn page_that_could_not_be_read_loses_a_resume() {
    let mut story = Story::open(ThisProcess, 9);
    story.subscribe(1, "ben", 7, resume(7));
    assert_eq!(
        page(&mut story, Err(VaultError::Unavailable)),
        ["s7 [1]: lost"]
    );
}
