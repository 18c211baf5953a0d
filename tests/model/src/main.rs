//! An executable model of the vault protocol. The model checker visits every state that the protocol can reach within
//! small bounds: vault actor, committer, journal, relays, sockets, upgrades, crashes and reconnects.
//!
//! The checker proves the design, in every possible order of steps. The unit and integration tests show that the code
//! implements this design.
//!
//! # Reading guide
//!
//! States and functions are named as in `src/` where possible. Read `state.rs` first: [`state::ModelState`] is the
//! complete state, and [`state::ModelAction`] lists every step that can change it. Each of these files models one
//! component: `journal.rs`, `vault.rs`, `relay.rs`, `session.rs`, `client.rs`. `promises.rs` defines the properties,
//! with the numbers of the promises in docs/ordering.md. `bounds.rs` defines the size of a state space, the failures in
//! it, and the injected mistakes. `scenarios.rs` lists the bounds that are checked.
//!
//! One step is one message that an actor handles, one completed future of an actor, one transaction, or one packet that
//! a client sends or reads. Steps interleave in every order. A *progress action* happens sooner or later. An *optional
//! action* may happen or not: a request of a user, or a failure. A state without a progress action is *quiescent*. In a
//! quiescent state every client must have received everything. A run that never becomes quiescent (for example, two
//! actors that overtake each other forever) violates no property.
//!
//! # What is left out, and why that is sound
//!
//! - Other vaults: no promise concerns two vaults. A resource that vaults share (a transaction, the capacity of a
//!   relay) appears in one vault as a failed transaction or a full queue.
//! - The content of a mutation, its authorization, and idempotency: plain functions decide a batch, and
//!   `src/domain/properties.rs` tests them with random mutations. `vault:deleted` ends a subscription in the same way
//!   as a removal does, for all members.
//! - `VAULT_BUSY`, rate limits, join timeouts: they refuse a request before it has an effect. The batch window: in the
//!   model, a transaction may start at any time.
//! - An idle vault actor stops only if no message is on its way to it. The next message starts a new actor, and the
//!   model contains this start.
//! - A panic inside a handler: notices that were sent before it are in the relay's mailbox, in order, and the rest is
//!   lost. This equals a panic between two steps.
//! - The network delay of packets from a client: a late arrival equals a late send. Packets that a websocket has taken
//!   and the client has not received are still in the outbox: a lost connection loses both alike.
//! - A websocket that fails its upgrade: polling continues. The graceful shutdown: the model has only crashes, which
//!   preserve less.
//! - A client that joins a vault again: `src/gateway/relay/properties/mod.rs` tests the real relay with this case. Two
//!   vaults of one socket: `src/gateway/trace/tests.rs` tests their delivery trace.
//! - Time: a timer may expire at any moment.
//!
//! The bounds are small, like those of most counterexamples: two or three mutations, one or two clients. A replay page
//! has at least two events, because it begins with the last event that the client received. The search has no other
//! limit: each scenario is checked completely.
//!
//! # Usage
//!
//! `cargo test -p model` checks all scenarios. `cargo run -p model -- recovery` checks one and prints the number of its
//! states; for a larger one, change its bounds in `scenarios.rs`. `cargo run -p model -- explore recovery` serves an
//! interactive explorer at <http://127.0.0.1:3000>.

mod bounds;
mod client;
mod journal;
mod promises;
mod relay;
mod scenarios;
mod session;
mod state;
mod vault;

use std::{env, process::ExitCode, time::Instant};

use stateright::{Checker, Expectation, Model};

use bounds::ModelBounds;

fn main() -> ExitCode {
    let args: Vec<_> = env::args().skip(1).collect();
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    let (name, is_explored) = match args[..] {
        [name] => (name, false),
        ["explore", name] => (name, true),
        _ => ("", false),
    };
    let Some((_, bounds)) = scenarios::ALL
        .iter()
        .find(|(scenario, _)| *scenario == name)
    else {
        let names: Vec<_> = scenarios::ALL.iter().map(|(name, _)| *name).collect();
        eprintln!("usage: model [explore] {}", names.join(" | "));
        return ExitCode::FAILURE;
    };
    if is_explored {
        bounds.clone().checker().serve("127.0.0.1:3000");
        return ExitCode::SUCCESS;
    }
    let (states, failed_properties) = check_scenario(name, bounds.clone());
    failed_properties
        .iter()
        .for_each(|failed_property| println!("{failed_property}"));
    if failed_properties.is_empty() && states > 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Visits every state of a scenario. Returns the number of states, and one line for each property that is violated or
/// whose state is never reached.
fn check_scenario(name: &str, bounds: ModelBounds) -> (usize, Vec<String>) {
    let started = Instant::now();
    let checker = bounds.checker().threads(2).spawn_bfs().join();
    assert!(checker.is_done());
    let (states, depth) = (checker.unique_state_count(), checker.max_depth());
    println!(
        "{name}: {states} states, {depth} steps deep, in {:.1?}",
        started.elapsed()
    );
    let failed_property = |property: stateright::Property<ModelBounds>| match (
        property.expectation,
        checker.discovery(property.name),
    ) {
        (Expectation::Sometimes, Some(_)) => None,
        (Expectation::Sometimes, None) => Some(format!("never reached: {}", property.name)),
        (Expectation::Always | Expectation::Eventually, None) => None,
        (Expectation::Always | Expectation::Eventually, Some(path)) => Some(format!(
            "violated: {}: {:?}",
            property.name,
            path.into_actions()
        )),
    };
    let properties = checker.model().properties();
    (
        states,
        properties.into_iter().filter_map(failed_property).collect(),
    )
}

#[cfg(test)]
mod tests;
