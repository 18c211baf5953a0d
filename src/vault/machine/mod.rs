//! The vault as a pure state machine: it decides everything that happens to one vault.
//!
//! [`VaultMachine::handle`] takes an input and the time, changes the state and appends effects. It awaits nothing and reads no
//! clock, so that a simulator can run the type that ships. The shell (`vault/actor.rs`) turns messages and results into inputs
//! and performs the effects in order.
//!
//! A mutation passes these steps in order: decide and commit ([`VaultEffect::Append`]), apply, publish
//! ([`VaultEffect::Deliver`]), answer ([`VaultEffect::Answer`]). One transaction is in flight; mutations that arrive meanwhile
//! wait and go into the next one together.
//!
//! Reading order: `input.rs` and `effect.rs` (what comes in and goes out), `state.rs`, `queue.rs` and `commits.rs` (mutations),
//! `apply.rs` (events), `joins.rs`, `waiting_joins.rs`, `head_check.rs` and `replay.rs` (subscriptions), `fanout.rs` (subscribers
//! and their sinks), `remote_head.rs` (other nodes), `lifetime.rs` (wake-ups and retirement).

mod apply;
mod commits;
mod effect;
mod fanout;
mod head_check;
mod input;
mod joins;
mod lifetime;
mod pending_reads;
mod queue;
mod remote_head;
mod replay;
mod ring;
mod state;
mod waiting_joins;

#[cfg(test)]
mod tests;

use crate::domain::MonotonicTime;

use fanout::Fanout;
use lifetime::Lifetime;
use pending_reads::PendingReads;
use queue::MutationQueue;
use remote_head::HintRead;
use state::VaultState;
use waiting_joins::WaitingJoins;

pub use effect::{Batch, MissedPurpose, QueuedMutation, VaultEffect, VaultEffects, VaultFact};
pub use input::{BatchOutcome, CallerId, SubscribeId, SubscribeRequest, VaultInput, WrittenBatch};
pub use state::MachineOptions;

/// The state of one vault and of everything that waits for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VaultMachine {
    options: MachineOptions,
    state: VaultState,
    queue: MutationQueue,
    fanout: Fanout,
    joins: WaitingJoins,
    reads: PendingReads,
    hint_read: HintRead,
    lifetime: Lifetime,
}

/// The time of an input, and where its effects go.
struct Step<'a> {
    now: MonotonicTime,
    effects: &'a mut VaultEffects,
}

impl VaultMachine {
    /// Returns a machine that waits for [`VaultInput::Opened`].
    pub fn new(options: MachineOptions) -> Self {
        Self {
            options,
            state: VaultState::Loading,
            queue: MutationQueue::default(),
            fanout: Fanout::default(),
            joins: WaitingJoins::default(),
            reads: PendingReads::default(),
            hint_read: HintRead::Idle,
            lifetime: Lifetime::default(),
        }
    }

    /// Handles an input at this time, and appends the effects in the order in which they must be performed.
    pub fn handle(&mut self, input: VaultInput, now: MonotonicTime, effects: &mut VaultEffects) {
        let step = &mut Step { now, effects };
        self.lifetime.record_use(&input);
        match input {
            VaultInput::Opened(loaded) => self.opened(loaded, step),
            VaultInput::Submit { caller, mutation } => self.submit(caller, mutation, step),
            VaultInput::Committed(outcome) => self.committed(outcome, step),
            VaultInput::Subscribe(request) => self.subscribe(request, step),
            VaultInput::Leave(subscriber) => {
                self.fanout.remove(subscriber);
                self.reads.cancel(subscriber);
            }
            VaultInput::SinkFull(sink) => self.fanout.fell_behind(sink, step),
            VaultInput::SinkReady(sink) => {
                self.reads.cancel_sink(sink);
                self.fanout.caught_up(sink);
            }
            VaultInput::SinkClosed(sink) => self.fanout.caught_up(sink),
            VaultInput::MembershipRead { request, result } => {
                self.membership_read(request, result, step);
            }
            VaultInput::HeadRead(head) => self.head_read(head, step),
            VaultInput::PageRead { request, result } => self.page_read(request, result, step),
            VaultInput::MissedRead { purpose, result } => match purpose {
                MissedPurpose::UnknownCommit => self.unknown_commit_read(result, step),
                MissedPurpose::Join => self.caught_up_with_journal(result, step),
                MissedPurpose::Hint => self.hint_read(result, step),
            },
            VaultInput::RemoteHead(head) => self.remote_head(head, step),
            VaultInput::Tick => self.tick(step),
            VaultInput::Reconfigure(options) => self.reconfigure(options, step),
        }
        self.retire_unless_open(step);
        self.request_wake_up(step);
    }
}
