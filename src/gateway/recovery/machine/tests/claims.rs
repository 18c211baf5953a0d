//! Claims: their order, their outcomes, and what remains of the state.

use std::time::Duration;

use super::story::{RecoveryStory, WINDOW, state, state_of, vault};
use crate::{
    domain::{Seq, SubscriberId},
    gateway::{
        offset::Offset,
        recovery::machine::{ClaimId, MissedEvents, RecoveryInput, TakeOverOutcome},
        trace::{DeliveryTrace, ResumePosition},
    },
};

#[test]
fn a_disconnected_socket_is_recovered_once() {
    let mut story = RecoveryStory::new();
    story.save("ana");
    assert_eq!(story.claim(0, "ana"), ["0: check the events after [8]"]);
    assert_eq!(story.checked(0, MissedEvents::Available), ["0: granted"]);
    story.confirm(0);
    assert_eq!(story.end(0), [""; 0]);
    assert_eq!(story.claim(1, "ana"), ["1: read the database"]);
}

#[test]
fn the_later_of_two_claims_takes_the_connection_over() {
    let mut story = RecoveryStory::new();
    story.save("ana");
    story.claim(0, "ana");
    assert_eq!(story.claim(1, "ana"), [""; 0], "it waits for the first");
    story.checked(0, MissedEvents::Available);
    story.confirm(0);
    story.register(1);
    assert_eq!(story.end(0), ["1: take over from relay 1"]);
    story.save("ana");
    assert_eq!(story.taken_over(1), ["1: check the events after [8]"]);
    assert_eq!(story.checked(1, MissedEvents::Available), ["1: granted"]);
}

#[test]
fn claims_of_one_pid_wait_in_the_order_of_their_connects() {
    let mut story = RecoveryStory::new();
    story.save("ana");
    story.claim(0, "ana");
    for id in 1..4 {
        assert_eq!(story.claim(id, "ana"), [""; 0]);
    }
    assert_eq!(story.end(2), [""; 0], "a client that waits is gone");
    assert_eq!(story.end(0), ["1: check the events after [8]"]);
    assert_eq!(story.end(1), ["3: check the events after [8]"]);
    assert_eq!(story.end(3), [""; 0]);
    assert_eq!(story.machine.disconnected(), ["p"]);
}

#[test]
fn a_claim_that_is_not_confirmed_leaves_the_state_with_its_expiry() {
    let mut story = RecoveryStory::new();
    story.save("ana");
    story.now = story.now + Duration::from_secs(60);
    story.claim(0, "ana");
    story.checked(0, MissedEvents::Available);
    assert!(story.machine.disconnected().is_empty());
    story.end(0);
    assert_eq!(story.machine.disconnected(), ["p"]);
    story.now = story.now + (WINDOW - Duration::from_secs(60));
    assert_eq!(
        story.claim(1, "ana"),
        ["1: read the database"],
        "it expired"
    );
}

#[test]
fn a_state_that_cannot_be_resumed_completely_is_dropped() {
    for (events, refusal) in [
        (MissedEvents::Trimmed, "0: refused, Trimmed"),
        (MissedEvents::Unknown, "0: refused, Failed"),
    ] {
        let mut story = RecoveryStory::new();
        story.save("ana");
        story.claim(0, "ana");
        assert_eq!(story.checked(0, events), [refusal]);
        story.end(0);
        assert!(story.machine.disconnected().is_empty());
    }
}

#[test]
fn a_trace_that_does_not_show_what_was_received_recovers_nothing() {
    let mut story = RecoveryStory::new();
    let mut unknown = state("ana");
    unknown.trace = DeliveryTrace::new(1, None);
    let id = SubscriberId(0);
    let at = ResumePosition {
        last_seen: Seq(7),
        joined_at: Seq(7),
        epoch: "epoch".into(),
    };
    unknown.trace.record_resume(id, &vault(), at);
    unknown.trace.record_event(id);
    unknown.trace.record_event(id);
    story.input(RecoveryInput::Save {
        pid: "p".to_owned(),
        state: unknown,
    });
    let offset = Offset::from_client("unknown");
    assert_eq!(
        story.claim_with(0, "ana", offset),
        ["0: refused, OffsetUnknown"]
    );
}

#[test]
fn another_user_claims_neither_a_connection_nor_a_state() {
    let mut story = RecoveryStory::new();
    story.register(1);
    assert_eq!(story.claim(0, "ben"), ["0: take over from relay 1"]);
    // The relay did nothing, because the connection belongs to ana.
    assert_eq!(story.taken_over(0), ["0: refused, NothingStored"]);
    story.end(0);
    story.save("ana");
    assert_eq!(story.claim(1, "ben"), ["1: refused, NothingStored"]);
    story.end(1);
    assert_eq!(story.claim(2, "ana"), ["2: check the events after [8]"]);
}

#[test]
fn a_connection_of_a_relay_that_has_ended_is_not_recovered() {
    let mut story = RecoveryStory::new();
    story.register(1);
    story.claim(0, "ana");
    let outcome = TakeOverOutcome::RelayEnded;
    let ended = RecoveryInput::TakenOver {
        id: ClaimId(0),
        outcome,
    };
    assert_eq!(story.input(ended), ["0: refused, NothingStored"]);
}

#[test]
fn a_state_of_the_database_is_valid_for_its_user_and_its_epoch() {
    let mut story = RecoveryStory::new();
    assert_eq!(story.claim(0, "ana"), ["0: read the database"]);
    assert_eq!(
        story.stored(0, "epoch", "ana"),
        ["0: check the events after [8]"]
    );
    let mut story = RecoveryStory::new();
    story.claim(0, "ana");
    assert_eq!(
        story.stored(0, "other", "ana"),
        ["0: refused, NothingStored"]
    );
    assert!(story.machine.disconnected().is_empty());

    let mut story = RecoveryStory::new();
    story.claim(0, "ben");
    assert_eq!(
        story.stored(0, "epoch", "ana"),
        ["0: refused, NothingStored"]
    );
    story.end(0);
    assert_eq!(
        story.claim(1, "ana"),
        ["1: check the events after [8]"],
        "the state stays available to its own user"
    );
}

#[test]
fn results_for_a_claim_that_has_ended_are_ignored() {
    let mut story = RecoveryStory::new();
    story.claim(0, "ana");
    story.stored(0, "other", "ana");
    story.end(0);
    assert_eq!(story.stored(0, "epoch", "ana"), [""; 0]);
    assert_eq!(story.taken_over(0), [""; 0]);
    assert_eq!(story.checked(0, MissedEvents::Available), [""; 0]);
    assert!(story.machine.disconnected().is_empty());
}

#[test]
fn a_state_that_the_database_returns_after_its_client_is_gone_stays_available() {
    let mut story = RecoveryStory::new();
    story.claim(0, "ana");
    assert_eq!(story.end(0), [""; 0]);
    assert_eq!(
        story.claim(1, "ana"),
        [""; 0],
        "the database has not answered"
    );
    assert_eq!(
        story.stored(0, "epoch", "ana").last().map(String::as_str),
        Some("1: check the events after [8]")
    );
    story.end(1);
    assert_eq!(story.claim(2, "ana"), ["2: check the events after [8]"]);
}

#[test]
fn a_state_of_another_epoch_is_not_kept_for_its_user() {
    let mut story = RecoveryStory::new();
    story.claim(0, "ben");
    assert_eq!(
        story.stored(0, "other", "ana"),
        ["0: refused, NothingStored"]
    );
    assert!(story.machine.disconnected().is_empty());
}

#[test]
fn nothing_from_before_another_history_is_recovered() {
    let replaced = |story: &mut RecoveryStory| {
        let epoch = "another".into();
        assert_eq!(
            story.input(RecoveryInput::HistoryReplaced { epoch }),
            [""; 0]
        );
    };
    // The state of a disconnected socket.
    let mut story = RecoveryStory::new();
    story.save("ana");
    replaced(&mut story);
    assert_eq!(story.claim(0, "ana"), ["0: read the database"]);
    assert_eq!(
        story.stored(0, "epoch", "ana"),
        ["0: refused, NothingStored"]
    );
    // A socket that was connected, and is closed because its journal is another one.
    let mut story = RecoveryStory::new();
    story.register(1);
    replaced(&mut story);
    story.save("ana");
    assert_eq!(story.claim(0, "ana"), ["0: read the database"]);
    // A claim that waits for the journal.
    let mut story = RecoveryStory::new();
    story.save("ana");
    story.claim(0, "ana");
    replaced(&mut story);
    assert_eq!(
        story.checked(0, MissedEvents::Available),
        ["0: refused, Trimmed"]
    );
    story.end(0);
    // A claim whose client is gone.
    let mut story = RecoveryStory::new();
    story.save("ana");
    story.claim(0, "ana");
    replaced(&mut story);
    story.end(0);
    assert_eq!(story.claim(1, "ana"), ["1: read the database"]);
    // A claim that was granted.
    let mut story = RecoveryStory::new();
    story.save("ana");
    story.claim(0, "ana");
    story.checked(0, MissedEvents::Available);
    replaced(&mut story);
    let id = ClaimId(0);
    assert_eq!(
        story.input(RecoveryInput::Confirm { id }),
        ["0: refused, Trimmed"]
    );
    story.end(0);
    assert_eq!(story.claim(1, "ana"), ["1: read the database"]);
    // A socket that was connected afterwards, and resumed positions from before.
    let mut story = RecoveryStory::new();
    replaced(&mut story);
    story.register(1);
    story.save("ana");
    assert_eq!(story.claim(0, "ana"), ["0: refused, Trimmed"]);
    // A socket that was connected and joined afterwards.
    let mut story = RecoveryStory::new();
    replaced(&mut story);
    story.register(1);
    let (pid, state) = ("p".to_owned(), state_of("another", "ana"));
    story.input(RecoveryInput::Save { pid, state });
    assert_eq!(story.claim(0, "ana"), ["0: check the events after [8]"]);
}
