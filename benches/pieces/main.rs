//! Benchmarks of the pieces of a mutation's way: `cargo bench --bench pieces --profile dist`. `benches/compare` measures the whole service.

#![allow(clippy::unwrap_used, reason = "a failed unwrap ends the benchmark")]

#[path = "../fixtures/mod.rs"]
mod fixtures;

mod fanout;
mod journal;
mod vault;

/// As in the service.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() {
    divan::main();
}
