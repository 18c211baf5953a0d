//! The queue of a vault: mutations that wait for a transaction, and those in flight.

use std::{collections::VecDeque, mem};

use crate::{domain::MonotonicTime, journal::BatchWindow, vault::error::VaultError};

use super::{
    effect::{QueuedMutation, VaultEffect},
    ids::CallerId,
    step::Step,
};

/// An empty queue with a larger capacity is freed; a smaller one is kept to save the allocation.
const RETAINED_CAPACITY: usize = 64;

/// The mutations that are not answered. Each holds a slot of the vault's queue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct MutationQueue {
    /// They wait for the next transaction.
    pub(super) waiting: VecDeque<QueuedMutation>,
    /// The callers of the transaction in flight, in order.
    pub(super) in_flight: Vec<CallerId>,
    pub(super) gate: QueueGate,
    pub(super) publication: OwnEvents,
    /// The number of transactions that were started.
    pub(super) started: u64,
    pub(super) window: BatchWindow,
    /// When the batch window ends, while a batch waits for it.
    pub(super) window_ends: Option<MonotonicTime>,
}

/// Whether the next transaction may start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum QueueGate {
    #[default]
    Open,
    /// A transaction is in flight, or missed events are being read. Mutations wait.
    Closed,
    /// The outcome of a commit is unknown and the database does not answer. Mutations are refused, because an outage may
    /// last for hours. The outcome is read again at this time, or is being read.
    Unresolved { retry_at: Option<MonotonicTime> },
}

/// Whether events of the transaction in flight may be published already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum OwnEvents {
    #[default]
    Unpublished,
    /// A hint has brought events since the transaction started. Some may be its own, so the head may be behind it.
    PerhapsPublished,
}

impl MutationQueue {
    /// Returns whether every mutation is answered.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.in_flight.is_empty()
    }

    /// Frees the memory of a queue that was long and is empty.
    pub(super) fn free_unused(&mut self) {
        if self.waiting.is_empty() && self.waiting.capacity() > RETAINED_CAPACITY {
            self.waiting = VecDeque::new();
        }
    }

    /// Refuses every waiting mutation.
    pub(super) fn refuse_waiting(&mut self, error: impl Into<VaultError>, step: &mut Step<'_>) {
        let error = error.into();
        for QueuedMutation { caller, .. } in mem::take(&mut self.waiting) {
            let result = Err(error.clone());
            step.effects.push(VaultEffect::Answer { caller, result });
        }
    }

    /// Records how long the queue is, with this number of mutations in flight.
    pub(super) fn record(&self, step: &mut Step<'_>) {
        step.effects.push(VaultEffect::RecordQueue {
            in_flight: self.in_flight.len(),
            oldest: self.waiting.front().map(|waiting| waiting.caller),
        });
    }
}
