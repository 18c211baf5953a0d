//! How mutations are committed. Those that arrive while a transaction is in flight wait in the queue and go into the
//! next one together, in order. After the commit the machine applies the events, publishes them to the subscribers, and
//! then answers the callers.

use std::{mem, time::Duration};

use crate::{
    domain::Mutation,
    journal::{BatchBase, CommittedEvent},
    vault::error::{MutationResult, VaultError},
};

use super::{
    effect::{Batch, QueuedMutation, VaultEffect, VaultFact},
    ids::{CallerId, MissedPurpose},
    input::{BatchOutcome, WrittenBatch},
    queue::{OwnEvents, QueueGate},
    state::{VaultMachine, VaultState},
    step::Step,
};

/// The time between two attempts to resolve an unknown commit.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// How long a transaction waits for the next requests of the callers that were just answered.
const BATCH_WINDOW: Duration = Duration::from_millis(1);

impl VaultMachine {
    pub(super) fn submit(&mut self, caller: CallerId, mutation: Mutation, step: &mut Step<'_>) {
        match self.refusal_reason() {
            None => {
                let mutation = QueuedMutation { caller, mutation };
                self.queue.waiting.push_back(mutation);
                self.commit_next(step);
            }
            Some(error) => {
                let result = Err(error);
                step.effects.push(VaultEffect::Answer { caller, result });
                self.queue.record(step);
            }
        }
    }

    /// Returns the error for a mutation that cannot wait for a transaction.
    fn refusal_reason(&self) -> Option<VaultError> {
        match self.queue.gate {
            QueueGate::Open | QueueGate::Closed => self.unavailable_reason(),
            QueueGate::Unresolved { .. } => Some(VaultError::Unavailable),
        }
    }

    /// Starts a transaction with the waiting mutations, unless the queue is blocked or empty or the batch window is open.
    pub(super) fn commit_next(&mut self, step: &mut Step<'_>) {
        let VaultState::Open { vault, .. } = &self.state else {
            return;
        };
        let queue = &mut self.queue;
        if queue.gate != QueueGate::Open || queue.waiting.is_empty() {
            return;
        }
        if !queue.window.is_complete(queue.waiting.len()) {
            queue.window_ends.get_or_insert(step.now + BATCH_WINDOW);
            return;
        }
        queue.window_ends = None;
        let size = queue.waiting.len().min(self.options.commit_batch);
        let mutations: Vec<_> = queue.waiting.drain(..size).collect();
        queue.free_unused();
        queue.in_flight = mutations.iter().map(|mutation| mutation.caller).collect();
        queue.gate = QueueGate::Closed;
        queue.publication = OwnEvents::Unpublished;
        queue.started += 1;
        let vault = vault.clone();
        step.effects
            .push(VaultEffect::Append(Batch { vault, mutations }));
    }

    /// Starts the transaction whose batch window has ended.
    pub(super) fn end_batch_window(&mut self, step: &mut Step<'_>) {
        if self.queue.window_ends.is_some_and(|end| end <= step.now) {
            self.queue.window_ends = None;
            self.queue.window.time_out();
            self.commit_next(step);
        }
    }

    pub(super) fn committed(&mut self, outcome: BatchOutcome, step: &mut Step<'_>) {
        let callers = mem::take(&mut self.queue.in_flight);
        match outcome {
            BatchOutcome::Written(written) => self.written(written, callers, step),
            BatchOutcome::Failed(error) => {
                let answered = callers.len();
                answer_all(callers, &error, step);
                // The waiting mutations would wait as long again for the same error.
                self.queue.refuse_waiting(error, step);
                self.unblock_queue(answered, step);
            }
            BatchOutcome::Unknown => {
                answer_all(callers, &VaultError::Unknown, step);
                self.resolve_unknown_commit(step);
            }
            BatchOutcome::Dropped => {
                answer_all(callers, &VaultError::Unknown, step);
                self.restart(step);
            }
        }
    }

    fn written(&mut self, written: WrittenBatch, callers: Vec<CallerId>, step: &mut Step<'_>) {
        let WrittenBatch {
            events,
            missed,
            base,
            results,
            is_vault_deleted,
            vault,
        } = written;
        if missed > 0 {
            step.effects
                .push(VaultEffect::Report(VaultFact::ForeignWriter));
        }
        // Numbers of another history are no positions.
        let has_positions = match base {
            BatchBase::Continued | BatchBase::FarAhead => true,
            BatchBase::Rewound { .. } => false,
        };
        if let Some(first) = events.get(missed)
            && has_positions
        {
            self.joins.fix_positions(first.record.seq, &self.queue);
        }
        let own_head = events.get(missed..).and_then(<[CommittedEvent]>::last);
        let own_head = own_head.map(|event| event.record.seq);
        match base {
            BatchBase::Continued => self.publish(events, step),
            BatchBase::FarAhead => self.adopt_far_ahead(vault, step),
            BatchBase::Rewound { head } => self.adopt_rewound(head, vault, step),
        }
        if let Some(head) = own_head {
            self.announce_head(head, step);
        }
        let is_unknown = |result: &MutationResult| matches!(result, Err(VaultError::Unknown));
        let has_unknown = results.iter().any(is_unknown);
        let answered = callers.len();
        for (caller, result) in callers.into_iter().zip(results) {
            step.effects.push(VaultEffect::Answer { caller, result });
        }
        if has_unknown {
            // A mutation was committed alone and its outcome is unknown.
            return self.resolve_unknown_commit(step);
        }
        if is_vault_deleted && self.unavailable_reason().is_none() {
            // The journal does not contain the event of the deletion any more.
            self.restart(step);
        }
        self.unblock_queue(answered, step);
    }

    /// Starts the next transaction after one that answered `answered` mutations.
    pub(super) fn unblock_queue(&mut self, answered: usize, step: &mut Step<'_>) {
        self.queue.gate = QueueGate::Open;
        self.queue.publication = OwnEvents::Unpublished;
        self.queue.record(step);
        let waiting = self.queue.waiting.len();
        self.queue
            .window
            .open(answered, waiting, self.options.commit_batch);
        self.resume_waiting_joins(step);
        self.commit_next(step);
    }

    /// Resolves the outcome of a commit before the next transaction. Waiting mutations are refused: they have already
    /// waited for the journal's attempts.
    fn resolve_unknown_commit(&mut self, step: &mut Step<'_>) {
        self.queue.refuse_waiting(VaultError::Unavailable, step);
        self.queue.record(step);
        // The commit may have changed the members.
        step.effects.push(VaultEffect::WithdrawMembers);
        self.queue.gate = QueueGate::Closed;
        self.read_unknown_commit(step);
    }

    fn read_unknown_commit(&mut self, step: &mut Step<'_>) {
        match self.head() {
            Some(after) => step.effects.push(VaultEffect::ReadMissed {
                purpose: MissedPurpose::UnknownCommit,
                after,
            }),
            // The vault was deleted.
            None => self.unblock_queue(0, step),
        }
    }

    /// Publishes the events of an unknown commit. If they could not be read, mutations are refused until they are.
    pub(super) fn unknown_commit_read(
        &mut self,
        read: Result<Vec<CommittedEvent>, VaultError>,
        step: &mut Step<'_>,
    ) {
        match read {
            Ok(events) => {
                let resolved = VaultFact::UnknownCommitResolved {
                    events: events.len(),
                };
                step.effects.push(VaultEffect::Report(resolved));
                if let Some(first) = events.first() {
                    self.joins.fix_positions(first.record.seq, &self.queue);
                }
                let last = events.last().map(|event| event.record.seq);
                self.publish_read(events, step);
                if let Some(head) = last {
                    self.announce_head(head, step);
                }
                if self.members().is_some() {
                    step.effects.push(VaultEffect::PublishMembers);
                }
                self.unblock_queue(0, step);
            }
            Err(error) => {
                let retry_at = Some(step.now + RETRY_INTERVAL);
                self.queue.gate = QueueGate::Unresolved { retry_at };
                self.queue.refuse_waiting(error, step);
                self.queue.record(step);
            }
        }
    }

    /// Reads the outcome of an unknown commit again when its time has come. Mutations stay refused until then.
    pub(super) fn retry_unknown_commit(&mut self, step: &mut Step<'_>) {
        if let QueueGate::Unresolved { retry_at } = &mut self.queue.gate
            && retry_at.take_if(|retry_at| *retry_at <= step.now).is_some()
        {
            self.read_unknown_commit(step);
        }
    }
}

fn answer_all(callers: Vec<CallerId>, error: &VaultError, step: &mut Step<'_>) {
    for caller in callers {
        let result = Err(error.clone());
        step.effects.push(VaultEffect::Answer { caller, result });
    }
}
