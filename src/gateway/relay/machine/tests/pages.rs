//! Turns of seats that need a page of missed events.

use crate::{
    domain::{SubscriberId, VaultId},
    gateway::relay::machine::{JoinAckId, RelayBounds, RelayInput, RelaySocketId, SeatId},
    vault::AttachOutcome,
};

use super::story::{BOUNDS, RelayStory, joined, since, vault};

/// Joins another vault with the socket 1.
fn join_other(story: &mut RelayStory, vault: &VaultId, subscriber: u64) -> Vec<String> {
    story.input(RelayInput::Join {
        vault,
        seat: SeatId {
            socket: RelaySocketId(1),
            subscriber: SubscriberId(subscriber),
        },
        attach: since(0),
        ack: Some(JoinAckId(subscriber)),
    })
}

#[test]
fn a_socket_receives_one_page_at_a_time_from_all_its_vaults_in_order() {
    let mut story = RelayStory::new();
    let (b, c) = (vault("b"), vault("c"));
    assert_eq!(story.join(1, since(0)), ["room of 1?"]);
    assert_eq!(join_other(&mut story, &b, 11), [""; 0]);
    assert_eq!(join_other(&mut story, &c, 12), [""; 0]);
    assert_eq!(story.room(1), ["ask 0: join 1 since 0"]);
    assert_eq!(story.room(1), [""; 0], "the turn is in use");
    let confirmed = Some(joined(64, Some(64)));
    assert_eq!(
        story.answer(1, 0, confirmed, &[1], AttachOutcome::More),
        ["room of 1?", "joined at 64 to 1", "send 1 to 1"],
        "the other vault is next, and this one waits behind"
    );
    assert_eq!(story.room(1), ["ask 1: join 11 since 0"]);
    let leave = RelayInput::Leave {
        vault: &b,
        subscriber: SubscriberId(11),
    };
    assert_eq!(
        story.input(leave),
        [
            "room of 1?",
            "leave 11",
            "cancel ack 11",
            "release the vault"
        ],
        "a seat that leaves passes its turn"
    );
    assert_eq!(story.room(1), ["ask 2: join 12 since 0"]);
}

#[test]
fn a_vault_sends_a_bounded_number_of_pages_at_a_time() {
    let mut story = RelayStory::new();
    for number in 1..=4 {
        story.join(number, since(0));
    }
    assert_eq!(story.room(1), ["ask 0: join 1 since 0"]);
    assert_eq!(story.room(2), ["ask 1: join 2 since 0"]);
    assert_eq!(story.room(3), [""; 0]);
    assert_eq!(story.room(4), [""; 0]);
    assert_eq!(
        story.leave(3),
        ["leave 3", "cancel ack 3"],
        "a waiting seat may leave"
    );
    let answer = story.answer(1, 0, Some(joined(1, Some(1))), &[1], AttachOutcome::Live);
    assert_eq!(
        answer,
        ["ask 2: join 4 since 0", "joined at 1 to 1", "send 1 to 1"]
    );
}

#[test]
fn a_higher_bound_grants_turns_and_a_lower_one_revokes_none() {
    let mut story = RelayStory::new();
    for number in 1..=4 {
        story.join(number, since(0));
        story.room(number);
    }
    let bounds = |mailbox| RelayInput::Reconfigure(RelayBounds { mailbox, ..BOUNDS });
    assert_eq!(story.input(bounds(384)), ["ask 2: join 3 since 0"]);
    assert_eq!(story.input(bounds(128)), [""; 0]);
    for (number, ticket) in [(1, 0), (2, 1)] {
        story.answer(
            number,
            ticket,
            Some(joined(0, Some(0))),
            &[],
            AttachOutcome::Live,
        );
        assert_eq!(
            story
                .machine
                .seat(&story.vault, SubscriberId(4))
                .unwrap()
                .joins
                .len(),
            1
        );
    }
    assert_eq!(
        story.answer(3, 2, Some(joined(0, Some(0))), &[], AttachOutcome::Live),
        ["ask 3: join 4 since 0", "joined at 0 to 3"]
    );
}

#[test]
fn a_plain_join_needs_no_turn() {
    let mut story = RelayStory::new();
    story.join(1, since(0));
    let other = vault("b");
    let effects = story.input(RelayInput::Join {
        vault: &other,
        seat: SeatId {
            socket: RelaySocketId(1),
            subscriber: SubscriberId(11),
        },
        attach: crate::vault::Attach::Join,
        ack: None,
    });
    assert_eq!(effects, ["ask 0: join 11"]);
}
