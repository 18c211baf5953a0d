//! The measured paths and their bounds.

use crate::fixtures::{create_source, relay::MachineRelay, vault::MachineVault};

/// How often a path is repeated within one count. The bounds are for one repetition.
pub const REPETITIONS: u64 = 10;

/// The sockets of the fan-out.
const SOCKETS: u64 = 1000;

/// A path whose instructions are counted.
pub struct MeasuredPath {
    /// The name in the log.
    pub name: &'static str,
    /// What one repetition is.
    pub subject: &'static str,
    /// The number of instructions of one repetition in a debug build.
    pub bound: u64,
    /// Runs the path. What it passes to [`measured_region`] is counted.
    pub run: fn(),
}

pub const PATHS: [MeasuredPath; 2] = [
    MeasuredPath {
        name: "fan-out",
        subject: "the delivery of one event to 1,000 outboxes",
        bound: 1_912_765,
        run: fan_out,
    },
    MeasuredPath {
        name: "mutation",
        subject: "one mutation from its submission to its answer, without the database",
        bound: 202_115,
        run: mutation,
    },
];

/// Calls a function. Only instructions within this call are counted; valgrind finds it by its name.
#[inline(never)]
pub fn measured_region(call: &mut dyn FnMut()) {
    call();
}

fn fan_out() {
    let mut relay = MachineRelay::new(SOCKETS);
    relay.drain();
    for _ in 0..REPETITIONS {
        measured_region(&mut || relay.deliver());
        assert_eq!(relay.drain() as u64, SOCKETS);
    }
}

fn mutation() {
    let mut vault = MachineVault::new(2, SOCKETS / 2);
    for _ in 0..REPETITIONS {
        let mut mutation = Some(create_source());
        let mut effects = Default::default();
        measured_region(&mut || effects = vault.mutate(mutation.take().unwrap()));
        assert_eq!((effects.deliveries, effects.answers), (2, 1));
    }
}
