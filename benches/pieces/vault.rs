//! The vault machine: a mutation from its submission to its answer, without the database.

use divan::{Bencher, black_box, counter::ItemsCount};

use crate::fixtures::{
    create_source,
    vault::{MachineVault, decide, empty_vault},
};

/// Decides, applies and publishes one mutation. One sink has all subscribers, as with one worker thread.
#[divan::bench(args = [0, 1000])]
fn mutation(bencher: Bencher, subscribers: u64) {
    let mut vault = MachineVault::new(1, subscribers);
    bencher
        .with_inputs(create_source)
        .bench_local_values(|mutation| vault.mutate(mutation));
}

/// Decides a batch and encodes its events.
#[divan::bench(args = [1, 16, 256])]
fn decide_batch(bencher: Bencher, mutations: usize) {
    let vault = empty_vault();
    bencher
        .counter(ItemsCount::new(mutations))
        .with_inputs(|| (0..mutations).map(|_| create_source()).collect::<Vec<_>>())
        .bench_values(|batch| decide(black_box(&vault).clone(), batch));
}
