//! Claims between nodes, as one of the nodes sees them.

use std::time::Duration;

use super::story::RecoveryStory;
use crate::{
    cluster::ClaimAnswer,
    gateway::recovery::machine::{MissedEvents, RecoveryInput, StoreOutcome},
};

#[test]
fn what_this_node_and_the_database_lack_is_asked_of_the_other_nodes() {
    let mut story = RecoveryStory::with_peers();
    assert_eq!(story.claim(0, "ana"), ["0: read the database"]);
    assert_eq!(story.nothing_stored(0), ["0: ask the other nodes"]);
    assert_eq!(
        story.peers_answered(0, ClaimAnswer::HandedOver),
        ["0: read the database"]
    );
    assert_eq!(
        story.stored(0, "epoch", "ana"),
        ["0: check the events after [8]"]
    );
    assert_eq!(story.checked(0, MissedEvents::Available), ["0: granted"]);
}

#[test]
fn what_no_node_has_is_refused() {
    let mut story = RecoveryStory::with_peers();
    story.claim(0, "ana");
    story.nothing_stored(0);
    // A node may have stored the state since this one has looked.
    assert_eq!(
        story.peers_answered(0, ClaimAnswer::NotHere),
        ["0: read the database"]
    );
    assert_eq!(story.nothing_stored(0), ["0: refused, NothingStored"]);
    story.end(0);
    // A third node was faster.
    story.claim(1, "ana");
    story.nothing_stored(1);
    story.peers_answered(1, ClaimAnswer::HandedOver);
    assert_eq!(
        story.nothing_stored(1),
        ["1: refused, NothingStored"],
        "it asks once"
    );
}

#[test]
fn failed_read_of_the_database_is_repeated_after_the_other_nodes_were_asked() {
    let mut story = RecoveryStory::with_peers();
    story.claim(0, "ana");
    // A read that fails has no state.
    assert_eq!(story.nothing_stored(0), ["0: ask the other nodes"]);
    assert_eq!(
        story.peers_answered(0, ClaimAnswer::NotHere),
        ["0: read the database"]
    );
    assert_eq!(
        story.stored(0, "epoch", "ana"),
        ["0: check the events after [8]"]
    );
}

#[test]
fn node_without_others_looks_into_the_database_once() {
    let mut story = RecoveryStory::with_peers();
    story.claim(0, "ana");
    story.nothing_stored(0);
    assert_eq!(story.no_peers(0), ["0: refused, NothingStored"]);
}

#[test]
fn what_this_node_has_is_not_asked_of_the_others() {
    let mut story = RecoveryStory::with_peers();
    story.save("ana");
    assert_eq!(story.claim(0, "ana"), ["0: check the events after [8]"]);
}

#[test]
fn connection_that_another_node_claims_is_closed_and_its_state_stored() {
    let mut story = RecoveryStory::with_peers();
    story.register(1);
    assert_eq!(
        story.claim_of_peer(0, "ana"),
        ["0: take over from relay 1 for a peer"]
    );
    story.save("ana");
    assert_eq!(story.taken_over(0), ["0: store the state"]);
    assert!(story.machine.disconnected().is_empty());
    assert_eq!(
        story.state_stored(0, StoreOutcome::Stored),
        ["0: answer HandedOver"]
    );
    assert_eq!(story.end(0), [""; 0]);
    assert_eq!(story.claim_of_peer(1, "ana"), ["1: answer NotHere"]);
    assert_eq!(story.claim(2, "ana"), ["2: read the database"]);
}

#[test]
fn state_that_another_node_claims_is_stored_once() {
    let mut story = RecoveryStory::with_peers();
    story.save("ana");
    assert_eq!(story.claim_of_peer(0, "ana"), ["0: store the state"]);
    assert_eq!(story.claim_of_peer(1, "ana"), [""; 0], "it waits");
    assert_eq!(
        story.state_stored(0, StoreOutcome::Stored),
        ["0: answer HandedOver"]
    );
    assert_eq!(story.end(0), ["1: answer NotHere"]);
}

#[test]
fn state_that_was_not_written_is_kept_for_the_next_claim() {
    let mut story = RecoveryStory::with_peers();
    story.save("ana");
    story.now = story.now + Duration::from_secs(60);
    story.claim_of_peer(0, "ana");
    assert_eq!(
        story.state_stored(0, StoreOutcome::NotWritten),
        ["0: answer NotHere"]
    );
    story.end(0);
    assert_eq!(story.claim_of_peer(1, "ana"), ["1: store the state"]);
    story.state_stored(1, StoreOutcome::NotWritten);
    story.end(1);
    assert_eq!(story.claim(2, "ana"), ["2: check the events after [8]"]);
    story.end(2);
    story.now = story.now + Duration::from_secs(60);
    assert_eq!(story.claim(3, "ana"), ["3: read the database"], "expired");
}

#[test]
fn state_that_may_have_been_written_is_only_in_the_database() {
    let mut story = RecoveryStory::with_peers();
    story.save("ana");
    story.claim_of_peer(0, "ana");
    assert_eq!(
        story.state_stored(0, StoreOutcome::Unknown),
        ["0: answer NotHere"]
    );
    story.end(0);
    assert!(story.machine.disconnected().is_empty());
}

#[test]
fn state_of_a_former_history_that_was_not_written_is_dropped() {
    let mut story = RecoveryStory::with_peers();
    story.save("ana");
    story.claim_of_peer(0, "ana");
    let epoch = "another".into();
    story.input(RecoveryInput::HistoryReplaced { epoch });
    story.state_stored(0, StoreOutcome::NotWritten);
    assert!(story.machine.disconnected().is_empty());
}

#[test]
fn another_node_gets_neither_the_connection_nor_the_state_of_another_user() {
    let mut story = RecoveryStory::with_peers();
    story.save("ana");
    assert_eq!(story.claim_of_peer(0, "ben"), ["0: answer NotHere"]);
    story.end(0);
    story.register(1);
    story.claim_of_peer(1, "ben");
    // The relay did nothing, because the connection belongs to ana.
    assert_eq!(story.taken_over(1), ["1: answer NotHere"]);
    story.end(1);
    assert_eq!(story.claim(2, "ana"), ["2: take over from relay 1"]);
}

#[test]
fn later_claim_of_another_node_takes_the_connection_over_from_an_earlier_one_of_this_node() {
    let mut story = RecoveryStory::with_peers();
    story.save("ana");
    story.claim(0, "ana");
    assert_eq!(story.claim_of_peer(1, "ana"), [""; 0], "it waits");
    story.checked(0, MissedEvents::Available);
    story.confirm(0);
    story.register(1);
    assert_eq!(story.end(0), ["1: take over from relay 1 for a peer"]);
    story.save("ana");
    assert_eq!(story.taken_over(1), ["1: store the state"]);
}

#[test]
fn node_that_does_not_wait_any_more_gets_nothing() {
    let mut story = RecoveryStory::with_peers();
    story.save("ana");
    story.claim(0, "ana");
    story.claim_of_peer(1, "ana");
    story.checked(0, MissedEvents::Available);
    story.confirm(0);
    story.register(1);
    story.now = story.now + Duration::from_secs(1);
    assert_eq!(story.end(0), ["1: answer NotHere"]);
    story.end(1);
    // A relay that took too long: the state stays here.
    story.claim_of_peer(2, "ana");
    story.save("ana");
    story.now = story.now + Duration::from_secs(1);
    assert_eq!(story.taken_over(2), ["2: answer NotHere"]);
    story.end(2);
    assert_eq!(story.machine.disconnected(), ["p"]);
}

#[test]
fn two_nodes_that_look_for_a_state_do_not_wait_for_each_other() {
    let mut story = RecoveryStory::with_peers();
    assert_eq!(story.claim(0, "ana"), ["0: read the database"]);
    // If the database has the state, this node keeps it.
    assert_eq!(story.claim_of_peer(1, "ana"), ["1: answer NotHere"]);
    assert_eq!(story.nothing_stored(0), ["0: ask the other nodes"]);
    assert_eq!(story.claim_of_peer(2, "ana"), ["2: answer NotHere"]);
    assert_eq!(
        story.peers_answered(0, ClaimAnswer::HandedOver),
        ["0: read the database"]
    );
    assert_eq!(story.claim_of_peer(3, "ana"), ["3: answer NotHere"]);
    assert_eq!(
        story.stored(0, "epoch", "ana"),
        ["0: check the events after [8]"]
    );
    assert_eq!(story.claim_of_peer(4, "ana"), [""; 0], "it is the later");
}

#[test]
fn claim_of_another_node_that_waits_is_answered_when_this_node_asks() {
    for ends_first in [1, 2] {
        let mut story = RecoveryStory::with_peers();
        story.save("ana");
        story.claim(0, "ana");
        assert_eq!(story.claim(1, "ana"), [""; 0]);
        assert_eq!(story.claim_of_peer(2, "ana"), [""; 0]);
        story.checked(0, MissedEvents::Available);
        story.confirm(0);
        // Its connection ended without a state.
        assert_eq!(story.end(0), ["1: read the database"]);
        assert_eq!(
            story.nothing_stored(1),
            ["1: ask the other nodes", "2: answer NotHere"]
        );
        story.peers_answered(1, ClaimAnswer::NotHere);
        story.nothing_stored(1);
        // The claim that was answered does not begin again.
        assert_eq!(story.end(ends_first), [""; 0]);
        assert_eq!(story.end(3 - ends_first), [""; 0]);
        assert_eq!(story.claim_of_peer(3, "ana"), ["3: answer NotHere"]);
    }
}

#[test]
fn client_that_is_gone_while_the_other_nodes_are_asked_leaves_the_state_in_the_database() {
    let mut story = RecoveryStory::with_peers();
    story.claim(0, "ana");
    story.nothing_stored(0);
    assert_eq!(story.end(0), [""; 0]);
    assert_eq!(story.peers_answered(0, ClaimAnswer::HandedOver), [""; 0]);
    assert_eq!(story.claim(1, "ana"), ["1: read the database"]);
}

#[test]
fn nothing_from_before_another_history_is_handed_over() {
    let mut story = RecoveryStory::with_peers();
    story.save("ana");
    let epoch = "another".into();
    story.input(RecoveryInput::HistoryReplaced { epoch });
    assert_eq!(story.claim_of_peer(0, "ana"), ["0: answer NotHere"]);
}
