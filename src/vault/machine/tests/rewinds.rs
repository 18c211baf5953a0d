//! A journal that is another one than before.

use std::time::Duration;

use crate::{
    domain::Seq,
    journal::{BatchBase, DatabaseSharing},
    vault::{
        Attach, NoticeBody,
        machine::{
            BatchOutcome, MachineOptions, MissedPurpose, VaultEffect, VaultFact, VaultInput,
            WrittenBatch,
        },
    },
};

use super::{
    Story,
    story::{accepted, event, events, options, resume, vault},
};

/// A vault of a shared database at the head 5, with a live subscriber of the sink 1.
fn shared_with_subscriber() -> Story {
    let mut story = Story::open(DatabaseSharing::SeveralProcesses, 5);
    story.join(1, "ana", 1);
    let joined = story.input(VaultInput::HeadRead(Ok(Some(Seq(5)))));
    assert_eq!(joined, ["s1 [1]: joined at 5, live"]);
    story
}

fn written(base: BatchBase, seq: u64) -> VaultInput {
    VaultInput::Committed(BatchOutcome::Written(WrittenBatch {
        events: vec![event(seq)],
        missed: 0,
        base,
        results: vec![accepted(Seq(seq))],
        is_vault_deleted: false,
        vault: Some(vault(seq)),
    }))
}

fn facts(story: &Story) -> Vec<VaultFact> {
    let fact = |effect: &VaultEffect| match effect {
        VaultEffect::Report(fact) => Some(*fact),
        _ => None,
    };
    story.all_effects.iter().filter_map(fact).collect()
}

#[test]
fn lower_head_of_the_sweep_ends_the_subscriptions_and_loads_the_vault_again() {
    let mut story = shared_with_subscriber();
    assert_eq!(story.input(VaultInput::HeadWentBack), ["read head"]);
    let restarted = story.input(VaultInput::HeadRead(Ok(Some(Seq(3)))));
    assert_eq!(restarted[..2], ["positions unknown", "restart"]);
    let (head, journal_head) = (Seq(5), Seq(3));
    assert_eq!(facts(&story), [VaultFact::Rewound { head, journal_head }]);
}

#[test]
fn outdated_report_of_a_lower_head_changes_nothing() {
    let mut story = shared_with_subscriber();
    story.submit(1);
    assert_eq!(story.input(VaultInput::HeadWentBack), ["read head"]);
    // The commit ends after the read has seen the head 5.
    story.written([event(6)]);
    assert!(
        story
            .input(VaultInput::HeadRead(Ok(Some(Seq(5)))))
            .is_empty()
    );
    assert_eq!(story.machine.head(), Some(Seq(6)));
}

#[test]
fn join_that_finds_a_lower_head_loads_the_vault_again() {
    let mut story = shared_with_subscriber();
    assert_eq!(story.join(2, "ben", 2), ["read head"]);
    let restarted = story.input(VaultInput::HeadRead(Ok(Some(Seq(4)))));
    assert_eq!(restarted[..2], ["positions unknown", "restart"]);
}

#[test]
fn mutation_that_was_decided_on_a_lower_head_is_answered_and_not_published() {
    let mut story = shared_with_subscriber();
    story.submit(1);
    let base = BatchBase::Rewound { head: Seq(3) };
    let effects = story.input(written(base, 4));
    assert_eq!(effects, ["positions unknown", "s1: behind", "answer 1: 4"]);
    assert_eq!(story.announced(), Some(Seq(4)));
    assert_eq!(story.machine.head(), Some(Seq(4)));
}

#[test]
fn mutations_that_wait_are_written_on_the_state_that_a_transaction_has_found() {
    for base in [BatchBase::FarAhead, BatchBase::Rewound { head: Seq(3) }] {
        let mut story = shared_with_subscriber();
        story.submit(1);
        story.submit(2);
        story.input(written(base, 2_000));
        // The batch window ends.
        story.now = story.now + Duration::from_millis(1);
        let effects = story.input(VaultInput::Tick);
        assert_eq!(effects, ["append [2] at 2000"], "{base:?}");
    }
}

#[test]
fn join_that_precedes_a_transaction_far_ahead_receives_its_event() {
    let mut story = shared_with_subscriber();
    story.join(2, "ben", 2);
    story.submit(1);
    story.input(written(BatchBase::FarAhead, 2_000));
    let joined = story.input(VaultInput::HeadRead(Ok(Some(Seq(2_000)))));
    assert_eq!(joined, ["read page after 1999"]);
}

#[test]
fn subscribers_of_a_vault_that_misses_too_many_events_resume() {
    let mut story = shared_with_subscriber();
    story.submit(1);
    let effects = story.input(written(BatchBase::FarAhead, 2_000));
    assert_eq!(effects, ["s1: behind", "answer 1: 2000"]);
    assert_eq!(story.machine.head(), Some(Seq(2_000)));
    assert_eq!(facts(&story), [VaultFact::FarBehind { head: Seq(5) }]);

    let mut story = shared_with_subscriber();
    story.input(VaultInput::RemoteHead(Seq(2_000)));
    // The events until 1,000 were trimmed.
    let effects = story.input(VaultInput::MissedRead {
        purpose: MissedPurpose::Hint,
        result: Ok(events(1_001..=2_000)),
    });
    assert_eq!(effects[..1], ["restart"]);
    assert!(facts(&story).contains(&VaultFact::FarBehind { head: Seq(5) }));
}

#[test]
fn mutation_that_waits_while_a_hint_finds_trimmed_events_is_written() {
    let mut story = shared_with_subscriber();
    story.submit(1);
    story.submit(2);
    story.input(VaultInput::RemoteHead(Seq(2_000)));
    let missed = VaultInput::MissedRead {
        purpose: MissedPurpose::Hint,
        result: Ok(events(1_001..=2_000)),
    };
    assert_eq!(story.input(missed), [""; 0]);
    let effects = story.input(written(BatchBase::FarAhead, 2_001));
    assert_eq!(effects, ["s1: behind", "answer 1: 2001"]);
    story.now = story.now + Duration::from_millis(1);
    assert_eq!(story.input(VaultInput::Tick), ["append [2] at 2001"]);
}

#[test]
fn mutation_that_waits_while_a_join_finds_trimmed_events_is_written() {
    let mut story = shared_with_subscriber();
    story.join(2, "ben", 2);
    let read = story.input(VaultInput::HeadRead(Ok(Some(Seq(2_000)))));
    assert_eq!(read, ["read missed after 5 for Join"]);
    assert!(story.submit(1).is_empty());
    let missed = VaultInput::MissedRead {
        purpose: MissedPurpose::Join,
        result: Ok(events(1_001..=2_000)),
    };
    assert_eq!(story.input(missed), ["append [1] at 5"]);
    let effects = story.input(written(BatchBase::FarAhead, 2_001));
    assert_eq!(
        effects,
        ["s1: behind", "answer 1: 2001", "read page after 2000"]
    );
}

#[test]
fn another_epoch_ends_the_subscriptions() {
    let mut story = shared_with_subscriber();
    let effects = story.input(VaultInput::HistoryReplaced);
    assert_eq!(effects[..2], ["positions of all vaults unknown", "restart"]);
}

#[test]
fn changed_bounds_do_not_change_the_epoch_of_a_loaded_vault() {
    let mut story = Story::open(DatabaseSharing::ThisProcess, 5);
    let epoch = options(DatabaseSharing::ThisProcess).epoch;
    story.input(VaultInput::Reconfigure(MachineOptions {
        epoch: "another".into(),
        ..options(DatabaseSharing::ThisProcess)
    }));
    story.join(1, "ana", 1);
    let joined = story.all_effects.iter().find_map(|effect| match effect {
        VaultEffect::Deliver { notice, .. } => match &notice.body {
            NoticeBody::Attached(attached) => attached.joined.clone(),
            _ => None,
        },
        _ => None,
    });
    assert_eq!(joined.unwrap().epoch, epoch);
}

#[test]
fn subscription_beyond_the_head_is_lost() {
    let mut story = Story::open(DatabaseSharing::SeveralProcesses, 5);
    story.subscribe(1, "ana", 1, resume(6));
    let effects = story.input(VaultInput::HeadRead(Ok(Some(Seq(5)))));
    assert_eq!(effects, ["s1 [1]: lost"]);
}

#[test]
fn subscription_of_another_epoch_is_lost() {
    for sharing in [
        DatabaseSharing::ThisProcess,
        DatabaseSharing::SeveralProcesses,
    ] {
        for after in [3, 6] {
            let mut story = Story::open(sharing, 5);
            let attach = Attach::Resume {
                after: Seq(after),
                joined_at: Seq(2),
                epoch: "former".into(),
            };
            assert_eq!(story.subscribe(1, "ana", 7, attach), ["s7 [1]: lost"]);
        }
    }
}
