//! The callers of mutations that are not answered yet.

use std::{collections::HashMap, mem, sync::Arc, time::Instant};

use tokio::sync::oneshot;

use crate::{
    domain::Mutation,
    journal::{BatchBase, CommitOutcome, JournalError},
};

use super::{
    error::{MutationResult, VaultError},
    machine::{BatchOutcome, CallerId, WrittenBatch},
    metrics::VaultMetrics,
    permits::QueueSlot,
};

/// An empty table with a larger capacity is freed; a smaller one is kept to save the allocation.
const RETAINED_CAPACITY: usize = 64;

/// The callers that wait for an answer, except those of the transaction in flight.
#[derive(Default)]
pub(super) struct Callers {
    waiting: HashMap<CallerId, PendingMutation>,
    next: u64,
}

/// A mutation that is not answered yet, and its queue slot. It is answered when this is dropped, with the result that is
/// known then; so it is answered also when the actor panics. A caller that does not wait any more frees no slot.
pub(super) struct PendingMutation {
    /// `None` once it is answered.
    caller: Option<WaitingCaller>,
    result: MutationResult,
    queued_at: Instant,
    kind: &'static str,
    metrics: Arc<VaultMetrics>,
}

struct WaitingCaller {
    slot: QueueSlot,
    answer: oneshot::Sender<MutationResult>,
}

/// A transaction that has ended, with its callers. If the actor does not take it, because it has panicked, the callers are
/// answered with the outcome nevertheless.
pub(super) struct EndedBatch {
    callers: Vec<(CallerId, PendingMutation)>,
    outcome: BatchOutcome,
}

impl Callers {
    /// Adds a caller.
    pub(super) fn add(&mut self, pending: PendingMutation) -> CallerId {
        let caller = CallerId(self.next);
        self.next += 1;
        self.waiting.insert(caller, pending);
        caller
    }

    /// Takes a caller whose mutation goes into a transaction. If it receives no result from now on, the outcome is unknown.
    pub(super) fn start(&mut self, caller: CallerId) -> Option<(CallerId, PendingMutation)> {
        let mut pending = self.waiting.remove(&caller)?;
        pending.result = Err(VaultError::Unknown);
        Some((caller, pending))
    }

    /// Takes the callers of a transaction back, and returns its outcome.
    pub(super) fn take_back(&mut self, mut batch: EndedBatch) -> BatchOutcome {
        self.waiting.extend(mem::take(&mut batch.callers));
        mem::replace(&mut batch.outcome, BatchOutcome::Dropped)
    }

    /// Answers a caller.
    pub(super) fn answer(&mut self, caller: CallerId, result: MutationResult) {
        if let Some(mut pending) = self.waiting.remove(&caller) {
            pending.result = result;
        }
        if self.waiting.is_empty() && self.waiting.capacity() > RETAINED_CAPACITY {
            self.waiting = HashMap::new();
        }
    }

    /// Returns when the mutation of a caller was queued.
    pub(super) fn queued_at(&self, caller: CallerId) -> Option<Instant> {
        self.waiting.get(&caller).map(|pending| pending.queued_at)
    }
}

impl PendingMutation {
    pub(super) fn new(
        mutation: &Mutation,
        slot: QueueSlot,
        answer: oneshot::Sender<MutationResult>,
        metrics: Arc<VaultMetrics>,
    ) -> Self {
        Self {
            caller: Some(WaitingCaller { slot, answer }),
            result: Err(VaultError::Unavailable),
            queued_at: Instant::now(),
            kind: mutation.command.event_kind().metric_label(),
            metrics,
        }
    }

    pub(super) fn queued_at(&self) -> Instant {
        self.queued_at
    }
}

impl Drop for PendingMutation {
    fn drop(&mut self) {
        if let Some(WaitingCaller { slot, answer }) = self.caller.take() {
            self.metrics.record_result(self.kind, &self.result);
            let waited = self.queued_at.elapsed().as_secs_f64();
            self.metrics.mutation_seconds.observe(waited);
            let result = mem::replace(&mut self.result, Err(VaultError::Unknown));
            // The slot is free before the answer: a caller that has its answer may submit again at once.
            drop(slot);
            // An error means that the caller does not wait any more. The mutation is committed nevertheless.
            let _ = answer.send(result);
        }
    }
}

impl EndedBatch {
    /// Returns the ended transaction of these callers.
    pub(super) fn new(
        callers: Vec<(CallerId, PendingMutation)>,
        outcome: Result<CommitOutcome, JournalError>,
    ) -> Self {
        let outcome = match outcome {
            Ok(CommitOutcome {
                events,
                missed,
                base,
                results,
                is_vault_deleted,
                vault,
                ..
            }) => BatchOutcome::Written(WrittenBatch {
                events,
                missed,
                base,
                results: (results.into_iter())
                    .map(|result| result.map_err(VaultError::from))
                    .collect(),
                is_vault_deleted,
                vault: match base {
                    BatchBase::Continued => None,
                    BatchBase::FarAhead | BatchBase::Rewound { .. } => vault,
                },
            }),
            Err(JournalError::Unknown(_)) => BatchOutcome::Unknown,
            Err(error) => BatchOutcome::Failed(error.into()),
        };
        Self { callers, outcome }
    }
}

impl Drop for EndedBatch {
    fn drop(&mut self) {
        let callers = self.callers.iter_mut().map(|(_, pending)| pending);
        match &mut self.outcome {
            BatchOutcome::Written(written) => {
                for (pending, result) in callers.zip(mem::take(&mut written.results)) {
                    pending.result = result;
                }
            }
            BatchOutcome::Failed(error) => {
                for pending in callers {
                    pending.result = Err(error.clone());
                }
            }
            BatchOutcome::Unknown | BatchOutcome::Dropped => {}
        }
    }
}
