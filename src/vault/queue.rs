//! The queue of a vault: mutations that wait for a transaction, and those that wait for their answer.

use std::{collections::VecDeque, time::Instant};

use actix::SpawnHandle;
use tokio::sync::oneshot;

use crate::{
    domain::Mutation,
    journal::{BatchWindow, CommitOutcome, CommittedEvent, JournalError},
};

use super::{
    error::{MutationResult, VaultError},
    metrics::VaultMetrics,
    permits::QueueSlot,
};

/// The message that requests a mutation.
pub(super) struct Submit {
    mutation: Mutation,
    pending: PendingMutation,
}

/// The mutations that wait for the next transaction.
#[derive(Default)]
pub(super) struct MutationQueue {
    pub(super) waiting: VecDeque<Submit>,
    pub(super) gate: QueueGate,
    /// The number of transactions that were started.
    pub(super) started: u64,
    pub(super) window: BatchWindow,
    /// Ends the batch window.
    pub(super) window_timer: Option<SpawnHandle>,
}

/// Whether the next transaction may start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum QueueGate {
    #[default]
    Open,
    /// A transaction is in flight, or missed events are being read. Mutations wait.
    Closed,
    /// The outcome of a commit is unknown and the database does not answer. Mutations are refused: an outage may last for
    /// hours.
    Unresolved,
}

/// A mutation that is not answered yet, and its queue slot. It is answered when this is dropped, with the result that is
/// known then; so it is answered also when the actor panics. A caller that does not wait any more frees no slot.
pub(super) struct PendingMutation {
    /// `None` once it is answered.
    caller: Option<WaitingCaller>,
    result: MutationResult,
    queued_at: Instant,
    kind: &'static str,
    metrics: VaultMetrics,
}

struct WaitingCaller {
    slot: QueueSlot,
    answer: oneshot::Sender<MutationResult>,
}

/// The outcome of a transaction. Each mutation has its result already; it is answered after the events are published.
pub(super) struct CommittedBatch {
    pub(super) events: Result<Vec<CommittedEvent>, JournalError>,
    /// How many events at the start of `events` another node wrote.
    pub(super) missed: usize,
    pub(super) is_vault_deleted: bool,
    pub(super) mutations: Vec<PendingMutation>,
}

impl Submit {
    pub(super) fn new(
        mutation: Mutation,
        slot: QueueSlot,
        answer: oneshot::Sender<MutationResult>,
        metrics: VaultMetrics,
    ) -> Self {
        let pending = PendingMutation {
            caller: Some(WaitingCaller { slot, answer }),
            result: Err(VaultError::Unavailable),
            queued_at: Instant::now(),
            kind: mutation.command.event_kind().metric_label(),
            metrics,
        };
        Self { mutation, pending }
    }

    pub(super) fn queued_at(&self) -> Instant {
        self.pending.queued_at
    }

    /// Splits the message for a transaction. If no result is set from now on, the outcome is unknown.
    pub(super) fn start(mut self) -> (Mutation, PendingMutation) {
        self.pending.result = Err(VaultError::Unknown);
        (self.mutation, self.pending)
    }

    /// Answers with an error.
    pub(super) fn refuse(mut self, error: VaultError) {
        self.pending.result = Err(error);
    }
}

impl PendingMutation {
    pub(super) fn is_outcome_unknown(&self) -> bool {
        matches!(self.result, Err(VaultError::Unknown))
    }
}

impl Drop for PendingMutation {
    fn drop(&mut self) {
        if let Some(WaitingCaller { slot, answer }) = self.caller.take() {
            self.metrics.record_result(self.kind, &self.result);
            let waited = self.queued_at.elapsed().as_secs_f64();
            self.metrics.mutation_seconds.observe(waited);
            let result = std::mem::replace(&mut self.result, Err(VaultError::Unknown));
            // The slot is free before the answer: a caller that has its answer may submit again at once.
            drop(slot);
            // An error means that the caller does not wait any more. The mutation is committed nevertheless.
            let _ = answer.send(result);
        }
    }
}

impl MutationQueue {
    /// Refuses every waiting mutation.
    pub(super) fn refuse_all(&mut self, error: impl Into<VaultError>) {
        let error = error.into();
        for waiting in std::mem::take(&mut self.waiting) {
            waiting.refuse(error.clone());
        }
    }
}

impl CommittedBatch {
    /// Sets the result of each mutation from the outcome of their transaction.
    pub(super) fn new(
        outcome: Result<CommitOutcome, JournalError>,
        mut mutations: Vec<PendingMutation>,
    ) -> Self {
        let is_vault_deleted = outcome
            .as_ref()
            .is_ok_and(|outcome| outcome.is_vault_deleted);
        let missed = outcome.as_ref().map_or(0, |outcome| outcome.missed);
        let events = match outcome {
            Ok(CommitOutcome {
                events, results, ..
            }) => {
                for (mutation, result) in mutations.iter_mut().zip(results) {
                    mutation.result = result.map_err(VaultError::from);
                }
                Ok(events)
            }
            Err(error) => {
                for mutation in &mut mutations {
                    mutation.result = Err(error.clone().into());
                }
                Err(error)
            }
        };
        Self {
            events,
            missed,
            is_vault_deleted,
            mutations,
        }
    }
}
