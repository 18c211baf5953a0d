//! Compares the vault's head with the journal's before a join, because other nodes may write to the same vault, and a hint
//! may be lost or late. So a client that joins never receives an older head than it has seen on another node, and `resync` is
//! reported only for events that no journal has.
//!
//! Joins that arrive while the head is being read wait for the next check, since the running read may be older than what
//! their clients know. So any number of joins costs one read at a time. If the journal is ahead because of this vault's
//! own transaction, its end is awaited, and only then are missing events read.

use std::mem;

use crate::{domain::Seq, journal::CommittedEvent, vault::error::VaultError};

use super::{
    effect::{VaultEffect, VaultFact},
    ids::MissedPurpose,
    input::SubscribeRequest,
    joins::finish,
    queue::{OwnEvents, QueueGate},
    state::{VaultMachine, VaultState},
    step::Step,
    waiting_joins::{HeadCheck, JoinPosition, WaitingJoin},
};

impl VaultMachine {
    /// Returns the join with its position in the vault's order, which is that of its arrival.
    pub(super) fn waiting_join(&self, request: SubscribeRequest) -> WaitingJoin {
        let position = if self.fanout.contains(request.subscription.subscriber) {
            JoinPosition::Head
        } else {
            JoinPosition::BeforeLaterTransactions {
                started: self.queue.started,
            }
        };
        WaitingJoin { request, position }
    }

    /// Attaches a subscriber after the head has been compared with the journal's.
    pub(super) fn join_after_head_check(&mut self, join: WaitingJoin, step: &mut Step<'_>) {
        if self.reads.begin(&join.request) {
            self.finish_cancelled_joins(step);
        }
        self.joins.push(join);
        self.start_head_check(step);
    }

    /// Finishes the joins that wait for a head check and whose subscribers do not wait any more. The check may take as long as
    /// a commit of unknown outcome, so they must not accumulate.
    pub(super) fn finish_cancelled_joins(&mut self, step: &mut Step<'_>) {
        let reads = &self.reads;
        let cancelled = (self.joins).take_cancelled(|request| reads.is_awaited(request));
        for request in &cancelled {
            finish(request, step);
        }
    }

    /// Reads the journal's head for the waiting joins, unless a check is running.
    fn start_head_check(&mut self, step: &mut Step<'_>) {
        if !self.joins.waiting.is_empty() {
            self.check_head_now(step);
        }
    }

    /// Reads the journal's head, for the waiting joins if there are any, unless a check is running.
    pub(super) fn check_head_now(&mut self, step: &mut Step<'_>) {
        let head = self.head().unwrap_or_default();
        let joins = &mut self.joins;
        if joins.check == HeadCheck::Idle {
            joins.check = HeadCheck::Reading(mem::take(&mut joins.waiting));
            joins.checked_from = head;
            step.effects.push(VaultEffect::ReadHead);
        }
    }

    pub(super) fn head_read(&mut self, head: Result<Option<Seq>, VaultError>, step: &mut Step<'_>) {
        // The vault's own commits since then do not count, because the read may be older. Nor does a lower head that a transaction
        // has found meanwhile.
        let checked_from = self.joins.checked_from;
        let expected = self
            .head()
            .map_or(checked_from, |own| own.min(checked_from));
        match head {
            Ok(Some(head)) if head < expected => self.rewound(head, step),
            Ok(Some(head)) => self.compare_head(head, step),
            // Another process deleted the vault and purged it. The joins are requested again from the successor.
            Ok(None) => self.restart(step),
            Err(error) => self.refuse_joins(&error, step),
        }
    }

    fn compare_head(&mut self, journal_head: Seq, step: &mut Step<'_>) {
        match self.head() {
            Some(own) if own < journal_head => {
                if self.queue.gate == QueueGate::Open {
                    self.queue.gate = QueueGate::Closed;
                    step.effects.push(VaultEffect::ReadMissed {
                        purpose: MissedPurpose::Join,
                        after: own,
                    });
                } else {
                    self.await_transaction(journal_head);
                }
            }
            // The joins precede the events of the transaction in flight, and its outcome says which they are.
            Some(_) if self.queue.publication == OwnEvents::PerhapsPublished => {
                self.await_transaction(journal_head);
            }
            Some(_) | None => self.complete_joins(step),
        }
    }

    /// Lets the joins of the check wait for the end of the transaction in flight.
    fn await_transaction(&mut self, journal_head: Seq) {
        let joins = self.joins.take_checked();
        self.joins.check = HeadCheck::Ahead {
            journal_head,
            joins,
        };
    }

    /// Continues the head check that waited for the end of a transaction.
    pub(super) fn resume_waiting_joins(&mut self, step: &mut Step<'_>) {
        if let HeadCheck::Ahead { journal_head, .. } = self.joins.check {
            self.joins.check = HeadCheck::Reading(self.joins.take_checked());
            self.compare_head(journal_head, step);
        }
    }

    /// Publishes the events of another node, for which the joins waited. No transaction started until now.
    pub(super) fn caught_up_with_journal(
        &mut self,
        missed: Result<Vec<CommittedEvent>, VaultError>,
        step: &mut Step<'_>,
    ) {
        match missed {
            Ok(events) if self.leaves_far_ahead_to_transaction(&events) => {
                let journal_head = events.last().map(|event| event.record.seq);
                self.await_transaction(journal_head.unwrap_or_default());
                self.queue.gate = QueueGate::Open;
                return self.commit_next(step);
            }
            Ok(events) => {
                if !events.is_empty() {
                    step.effects
                        .push(VaultEffect::Report(VaultFact::ForeignWriter));
                }
                self.publish_read(events, step);
                self.complete_joins(step);
            }
            Err(error) => self.refuse_joins(&error, step),
        }
        self.unblock_queue(0, step);
    }

    /// Attaches the subscribers of the completed check.
    fn complete_joins(&mut self, step: &mut Step<'_>) {
        if matches!(self.state, VaultState::Failed(_)) {
            return; // the actor restarts, and the joins are requested again
        }
        for WaitingJoin { request, position } in self.joins.take_checked() {
            if self.reads.end(&request) {
                self.attach(request, position.after(), step);
            } else {
                finish(&request, step);
            }
        }
        self.start_head_check(step);
    }

    /// Refuses the joins of the check that failed.
    fn refuse_joins(&mut self, error: &VaultError, step: &mut Step<'_>) {
        for WaitingJoin { request, .. } in self.joins.take_checked() {
            if self.reads.end(&request) {
                self.refuse(request, error.clone(), step);
            } else {
                finish(&request, step);
            }
        }
        self.start_head_check(step);
    }
}
