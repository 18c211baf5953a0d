//! The fan-out of one event, from its record to the outboxes of a worker thread.

use divan::{Bencher, black_box, counter::ItemsCount};
use vaultcast::domain::{Seq, VaultId};

use crate::fixtures::relay::{MachineRelay, encode, event_record};

/// Encodes an event into the frame that all sockets share.
#[divan::bench]
fn encode_event(bencher: Bencher) {
    let (vault, record) = (VaultId::generate(), event_record());
    bencher.bench(|| encode(black_box(&vault), Seq(7), black_box(&record)));
}

/// Delivers one event to the outboxes of all sockets. They are emptied before the next event.
#[divan::bench(args = [20, 1000], sample_size = 1)]
fn deliver(bencher: Bencher, sockets: u64) {
    let relay = std::cell::RefCell::new(MachineRelay::new(sockets));
    bencher
        .counter(ItemsCount::new(sockets))
        .with_inputs(|| {
            relay.borrow().drain();
        })
        .bench_local_values(|()| relay.borrow_mut().deliver());
}
