//! vaultcast as a model, small enough that every state of it can be looked at: the vault's actor, the committer and its journal,
//! relays, sockets, upgrades, crashes and reconnects. What is proven here is the design, in all orders in which its parts
//! may take their steps; that the code is that design is for the tests beside it.
//!
//! # Reading guide
//!
//! States and actions have the names that they have in `src/`. Read `world.rs` first: [`world::World`] is everything that is,
//! [`world::Action`] everything that can happen next. Then one file for each part, each beside what it is a model of:
//! `journal.rs`, `vault.rs`, `relay.rs`, `session.rs`, `client.rs`. `promises.rs` is what must hold, under the numbers that the
//! service's promises have; `bounds.rs` how large a world is and which mistake its program makes; `worlds.rs` the worlds that
//! are looked through.
//!
//! A step is one message that an actor handles, one future of it that ends, one transaction, one thing that a client sends or
//! reads. Between two steps anything else may happen. An action is either going on, and happens sooner or later, or may happen or
//! not: somebody asks for something, or fate strikes. Where nothing is going on any more the world is quiet; that is when
//! everybody must have heard everything. A run that is never quiet (two that overtake each other for ever) breaks no promise here.
//!
//! # What is left out, and why that is sound
//!
//! - Other vaults: no promise spans two of them, and what they share (a transaction, a relay's places) shows in one as a failure
//!   or as a queue that is full.
//! - What a mutation says, who may make it, idempotency: a batch is decided by plain functions, which `src/domain/properties.rs`
//!   drives with random ones. `vault:deleted` ends what a removal ends, for everybody.
//! - `VAULT_BUSY`, rate limits, a join's patience: they refuse before anything has happened. The wait for authors who were
//!   just answered: a transaction begins at any time here.
//! - A vault that is idle leaves the memory when nothing is on its way to it; what comes next is a start, which is here.
//! - A panic in the middle of a handler: what it had told is in the relay's mailbox, in order, and the rest is lost, as when the
//!   actor dies between two steps.
//! - A client's words on their way: to be late is the same as to be sent later. What a websocket was handed and has not
//!   arrived is still in the outbox: what a cut loses of either is lost alike.
//! - A websocket that fails its trial: polls go on. The orderly stop: a restart is a crash here, which keeps less.
//! - A client that joins where it is in already: `src/gateway/relay/properties.rs` drives the real relay with that. Two rooms
//!   of one socket: `src/gateway/trace/tests.rs` tells their trace.
//! - Time: whatever a timer does may happen at any moment.
//!
//! The bounds are small, as those of most counterexamples: two or three mutations, one or two clients. A page is of two events
//! at least, for it begins with the last that a reader got. Nothing else is cut: each world is looked through to its end.
//!
//! # By hand
//!
//! `cargo test -p model` looks through all of them. `cargo run -p model -- recovery` looks through one, and says how many
//! states there are; for a bigger one, change its numbers in `worlds.rs`. `cargo run -p model -- explore recovery` serves it to a
//! browser at <http://127.0.0.1:3000>, to go through it step by step.

mod bounds;
mod client;
mod journal;
mod promises;
mod relay;
mod session;
mod vault;
mod world;
mod worlds;

use std::{env, process::ExitCode, time::Instant};

use stateright::{Checker, Expectation, Model};

use bounds::Bounds;

fn main() -> ExitCode {
    let words: Vec<_> = env::args().skip(1).collect();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let (name, explores) = match words[..] {
        [name] => (name, false),
        ["explore", name] => (name, true),
        _ => ("", false),
    };
    let Some((_, bounds)) = worlds::ALL.iter().find(|(world, _)| *world == name) else {
        let names: Vec<_> = worlds::ALL.iter().map(|(name, _)| *name).collect();
        eprintln!("usage: model [explore] {}", names.join(" | "));
        return ExitCode::FAILURE;
    };
    if explores {
        bounds.clone().checker().serve("127.0.0.1:3000");
        return ExitCode::SUCCESS;
    }
    let (states, surprises) = look_through(name, bounds.clone());
    surprises.iter().for_each(|surprise| println!("{surprise}"));
    if surprises.is_empty() && states > 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Looks at every state of a world: how many there are, and which promise is broken in one, or which sight is seen in none.
fn look_through(name: &str, bounds: Bounds) -> (usize, Vec<String>) {
    let began = Instant::now();
    let checker = bounds.checker().threads(2).spawn_bfs().join();
    assert!(checker.is_done());
    let (states, depth) = (checker.unique_state_count(), checker.max_depth());
    println!(
        "{name}: {states} states, {depth} steps deep, in {:.1?}",
        began.elapsed()
    );
    let surprise = |property: stateright::Property<Bounds>| match (
        property.expectation,
        checker.discovery(property.name),
    ) {
        (Expectation::Sometimes, Some(_)) => None,
        (Expectation::Sometimes, None) => Some(format!("never: {}", property.name)),
        (Expectation::Always | Expectation::Eventually, None) => None,
        (Expectation::Always | Expectation::Eventually, Some(path)) => Some(format!(
            "broken: {}: {:?}",
            property.name,
            path.into_actions()
        )),
    };
    let properties = checker.model().properties();
    (
        states,
        properties.into_iter().filter_map(surprise).collect(),
    )
}

#[cfg(test)]
mod tests;
