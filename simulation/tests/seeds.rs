//! Random schedules of the shipping machines break no promise.

use std::thread;

use simulation::{log::Log, random};

const SEEDS: u64 = 1_000;

#[test]
fn thousand_random_schedules_break_no_promise() {
    let run_share = |start: u64| {
        thread::spawn(move || {
            (start..SEEDS).step_by(2).find(|seed| {
                random::run(*seed, None, &mut Log::default())
                    .violation
                    .is_some()
            })
        })
    };
    let shares = [run_share(0), run_share(1)];
    let failed: Vec<_> = shares
        .into_iter()
        .filter_map(|share| share.join().expect("no run panics"))
        .collect();
    assert!(
        failed.is_empty(),
        "print the story with: cargo run -p simulation --release -- --seed {failed:?}"
    );
}

#[test]
fn seed_reproduces_its_story() {
    let story = || {
        let mut log = Log::recording();
        random::run(7, None, &mut log);
        log.lines().to_vec()
    };
    let first = story();
    assert!(first.len() > 100);
    assert_eq!(first, story());
}
