//! Sinks without room fall behind, and attach their subscribers again when they have caught up.

use crate::{
    journal::DatabaseSharing::{SeveralProcesses, ThisProcess},
    vault::{SinkId, machine::*},
};

use super::{Story, story::*};

#[test]
fn full_sink_receives_nothing_until_it_has_caught_up() {
    let mut story = Story::open(ThisProcess, 0);
    story.join(1, "ben", 7);
    story.join(2, "ana", 8);
    assert_eq!(story.input(VaultInput::SinkFull(SinkId(7))), ["s7: behind"]);
    story.submit(1);
    assert_eq!(
        story.written([event(1)]),
        ["s8 all: event 1", "answer 1: 1"]
    );
    // A request that was on its way is not answered: the sink repeats it.
    assert!(story.join(1, "ben", 7).is_empty());
    assert!(story.has_finished(1));

    story.input(VaultInput::SinkReady(SinkId(7)));
    let effects = story.subscribe(1, "ben", 7, resume(0));
    assert_eq!(effects, ["s7 [1]: event 1, live"]);
    story.submit(2);
    let effects = story.written([event(2)]);
    assert_eq!(
        effects,
        ["s7 all: event 2", "s8 all: event 2", "answer 2: 2"]
    );
}

#[test]
fn notices_after_one_without_room_are_skipped_for_that_sink_only() {
    let mut effects = VaultEffects::default();
    let mut story = Story::open(ThisProcess, 0);
    story.join(1, "ben", 7);
    story.join(2, "ana", 8);
    story.submit(1);
    let written = VaultInput::Committed(BatchOutcome::Written(WrittenBatch {
        events: events(1..=2),
        missed: 1,
        results: vec![Err(crate::vault::VaultError::Fault)],
        base: crate::journal::BatchBase::Continued,
        is_vault_deleted: false,
        vault: None,
    }));
    story.machine.handle(written, story.now, &mut effects);
    effects.skip_deliveries(SinkId(7));
    let mut sinks = Vec::new();
    while let Some(effect) = effects.pop() {
        if let VaultEffect::Deliver { sink, .. } = effect {
            sinks.push(sink.0);
        }
    }
    assert_eq!(sinks, [8, 8]);
}

#[test]
fn read_for_a_sink_that_fell_behind_attaches_nothing() {
    let mut story = Story::open(SeveralProcesses, 3);
    story.join(1, "ben", 7);
    story.input(VaultInput::SinkFull(SinkId(7)));
    story.input(VaultInput::SinkReady(SinkId(7)));
    assert!(story.has_finished(1));
    let head = VaultInput::HeadRead(Ok(Some(crate::domain::Seq(3))));
    assert!(
        story.input(head).is_empty(),
        "the sink has requested it again"
    );
}

#[test]
fn read_for_a_sink_that_has_ended_attaches_nothing() {
    let mut story = Story::open(SeveralProcesses, 3);
    story.join(1, "ben", 7);
    story.input(VaultInput::SinkClosed(SinkId(7)));
    assert!(story.has_finished(1));
    let head = VaultInput::HeadRead(Ok(Some(crate::domain::Seq(3))));
    assert!(story.input(head).is_empty());
    assert_eq!(story.machine.subscribers(), 0);
}
