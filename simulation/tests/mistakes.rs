//! Each wrong variant of the shells breaks a promise within a number of random schedules. So the promises can fail.

use simulation::{
    log::Log,
    mistakes::Mistake,
    promises::{Promise, Violation},
    random,
};

/// How many schedules are tried.
const SEEDS: u64 = 3_000;

fn first_violation(mistake: Mistake) -> Option<Violation> {
    (0..SEEDS).find_map(|seed| random::run(seed, Some(mistake), &mut Log::default()).violation)
}

#[test]
fn every_mistake_is_found() {
    let missed: Vec<_> = Mistake::ALL
        .into_iter()
        .filter(|mistake| {
            let found = first_violation(*mistake);
            println!("{mistake:?}: {found:?}");
            found.is_none()
        })
        .collect();
    assert!(missed.is_empty(), "not found: {missed:?}");
}

#[test]
fn mistakes_break_the_promises_that_they_concern() {
    for (mistake, promise) in [
        (Mistake::PublishBeforeCommit, Promise::OnDiskFirst),
        (Mistake::AnswerBeforePublish, Promise::AnswerHasSeq),
        (Mistake::CommitWithoutLock, Promise::OnDiskFirst),
        (Mistake::WriteTwiceAfterUnknown, Promise::Durability),
        (Mistake::ReleaseSlotTwice, Promise::Bounds),
        (Mistake::IgnoreHints, Promise::Progress),
        (Mistake::IgnoreSweep, Promise::Progress),
        (Mistake::AcceptLowerHint, Promise::EveryEventAfterJoin),
    ] {
        let found = first_violation(mistake).map(|violation| violation.promise);
        assert_eq!(found, Some(promise), "{mistake:?}");
    }
}
