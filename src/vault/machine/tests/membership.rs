//! Members: admission, removal, deletion.

use crate::{
    domain::Seq,
    journal::DatabaseSharing::{SeveralProcesses, ThisProcess},
    vault::machine::*,
};

use super::{Story, story::*};

fn confirmed(story: &mut Story, subscriber: u64, is_member: bool) -> Vec<String> {
    story.input(VaultInput::MembershipRead {
        request: SubscribeId(subscriber * 10),
        result: Ok(is_member),
    })
}

#[test]
fn stranger_is_refused_at_once_where_this_process_writes_alone() {
    let mut story = Story::open(ThisProcess, 3);
    let refused = "s7 [1]: refused Refused(AccessDenied)";
    assert_eq!(story.join(1, "eve", 7), [refused]);
    let mut absent = Story::loading(ThisProcess);
    absent.input(VaultInput::Opened(Ok(None)));
    assert_eq!(
        absent.join(1, "eve", 7),
        [refused, "retire"],
        "the same as for no vault"
    );
}

#[test]
fn member_that_the_transaction_in_flight_adds_is_confirmed_by_the_database() {
    let mut story = Story::open(ThisProcess, 3);
    story.submit(1);
    assert_eq!(story.join(1, "eve", 7), ["read membership of eve"]);
    assert_eq!(confirmed(&mut story, 1, true), ["read head"]);
    assert!(
        story
            .input(VaultInput::HeadRead(Ok(Some(Seq(4)))))
            .is_empty()
    );
    let effects = story.written([added(4, "eve")]);
    assert_eq!(effects, ["answer 1: 4", "s7 [1]: joined at 4, live"]);
}

#[test]
fn stranger_does_not_wait_for_a_transaction() {
    let mut story = Story::open(SeveralProcesses, 3);
    story.submit(1);
    assert_eq!(story.join(1, "eve", 7), ["read membership of eve"]);
    let refused = "s7 [1]: refused Refused(AccessDenied)";
    assert_eq!(confirmed(&mut story, 1, false), [refused]);
}

#[test]
fn removed_member_receives_the_removal_and_nothing_later() {
    let mut story = Story::open(ThisProcess, 3);
    story.join(1, "ben", 7);
    story.join(2, "ben", 8);
    story.join(3, "ana", 8);
    story.submit(1);
    let effects = story.written([removed(4, "ben")]);
    let expected = [
        "s7 all: event 4",
        "s8 all: event 4",
        "s7 [1]: removed",
        "s8 [2]: removed",
        "answer 1: 4",
    ];
    assert_eq!(effects, expected);
    story.submit(2);
    assert_eq!(
        story.written([event(5)]),
        ["s8 all: event 5", "answer 2: 5"]
    );
}

#[test]
fn members_are_withdrawn_before_they_change_and_published_before_the_answer() {
    let mut story = Story::open(ThisProcess, 3);
    story.submit(1);
    story.written([removed(4, "ben")]);
    let position = |wanted: &VaultEffect| {
        let mut effects = story.all_effects.iter();
        effects.position(|effect| effect == wanted).unwrap()
    };
    let withdrawn = position(&VaultEffect::WithdrawMembers);
    let published = position(&VaultEffect::PublishMembers);
    let is_answer = |effect: &VaultEffect| matches!(effect, VaultEffect::Answer { .. });
    let answered = story.all_effects.iter().position(is_answer).unwrap();
    assert!(withdrawn < published && published < answered);
}

#[test]
fn deletion_closes_every_subscription_and_refuses_what_waits() {
    let mut story = Story::open(ThisProcess, 3);
    story.join(1, "ben", 7);
    story.submit(1);
    story.submit(2);
    let effects = story.written([deleted(4)]);
    let expected = [
        "s7 all: event 4",
        "s7 all: closed",
        "answer 2: Refused(AccessDenied)",
        "answer 1: 4",
        "retire",
    ];
    assert_eq!(effects, expected);
    assert_eq!(story.machine.head(), None);
}
