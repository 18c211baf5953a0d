//! Idle vaults end; wake-ups come in time.

use std::time::Duration;

use crate::{
    domain::{MonotonicTime, SubscriberId},
    journal::DatabaseSharing::ThisProcess,
    vault::{SinkId, VaultError, machine::*},
};

use super::{Story, story::*};

const IDLE: Duration = Duration::from_secs(60);

fn wake_up(story: &Story) -> Option<MonotonicTime> {
    let wake_up = |effect: &VaultEffect| match effect {
        VaultEffect::WakeAt(time) => Some(*time),
        _ => None,
    };
    story.all_effects.iter().find_map(wake_up)
}

#[test]
fn vault_without_requests_between_two_checks_retires() {
    let mut story = Story::open(ThisProcess, 0);
    assert_eq!(wake_up(&story), Some(story.now + IDLE));
    assert!(story.pass(IDLE).is_empty(), "it was loaded for a request");
    assert_eq!(story.pass(IDLE), ["retire"]);
}

#[test]
fn vault_with_a_subscriber_or_a_sink_that_is_behind_does_not_retire() {
    let mut story = Story::open(ThisProcess, 0);
    story.join(1, "ben", 7);
    for _ in 0..3 {
        assert!(story.pass(IDLE).is_empty());
    }
    story.input(VaultInput::SinkFull(SinkId(7)));
    assert!(story.pass(IDLE).is_empty(), "the sink will attach it again");
    story.input(VaultInput::SinkClosed(SinkId(7)));
    assert_eq!(story.pass(IDLE), ["retire"]);
}

#[test]
fn vault_that_nothing_uses_retires_at_once_when_its_memory_is_needed() {
    let mut story = Story::open(ThisProcess, 0);
    assert_eq!(story.input(VaultInput::Unload), ["retire"]);

    let mut story = Story::open(ThisProcess, 0);
    story.join(1, "ben", 7);
    assert!(story.input(VaultInput::Unload).is_empty());

    let mut story = Story::open(ThisProcess, 0);
    story.submit(1);
    assert!(story.input(VaultInput::Unload).is_empty());
}

#[test]
fn vault_with_a_transaction_in_flight_does_not_retire() {
    let mut story = Story::open(ThisProcess, 0);
    story.submit(1);
    story.pass(IDLE);
    assert!(story.pass(IDLE).is_empty());
    story.written([event(1)]);
    assert_eq!(story.pass(IDLE), ["retire"]);
}

#[test]
fn request_keeps_the_vault_for_another_period() {
    let mut story = Story::open(ThisProcess, 0);
    story.pass(IDLE);
    story.input(VaultInput::Leave(SubscriberId(1)));
    assert!(story.pass(IDLE).is_empty());
    assert_eq!(story.pass(IDLE), ["retire"]);
}

#[test]
fn shorter_idle_time_applies_at_once() {
    let mut story = Story::open(ThisProcess, 0);
    story.pass(IDLE);
    let idle = Duration::from_millis(1);
    let options = MachineOptions {
        idle,
        ..options(ThisProcess)
    };
    story.input(VaultInput::Reconfigure(options));
    assert_eq!(wake_up(&story), Some(story.now + idle));
    assert_eq!(story.pass(idle), ["retire"]);
}

#[test]
fn vault_that_could_not_be_loaded_refuses_and_retires() {
    let mut story = Story::loading(ThisProcess);
    let failed = VaultInput::Opened(Err(VaultError::Unavailable));
    assert_eq!(story.input(failed), ["retire"]);
    assert_eq!(story.submit(1), ["answer 1: Unavailable", "retire"]);
}

#[test]
fn later_deadline_does_not_move_a_requested_wake_up() {
    let mut story = Story::open(ThisProcess, 0);
    story.submit(1);
    story.submit(2);
    story.written([event(1)]);
    let window = story.now + Duration::from_millis(1);
    assert_eq!(wake_up(&story), Some(window));
    story.submit(3);
    assert_eq!(wake_up(&story), None, "an early wake-up does no harm");
    story.pass(Duration::from_millis(1));
    assert!(wake_up(&story).is_some(), "the idle check is next");
}
