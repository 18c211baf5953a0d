//! How mutations are committed. Those that arrive while a transaction is in flight wait in the queue and go into the
//! next one together, in order. After the commit the actor applies the events, publishes them to the subscribers, and
//! then answers the callers.

use std::time::Duration;

use actix::prelude::*;
use tokio::sync::oneshot;
use tracing::{debug, error};

use crate::{
    domain::{Refusal, StateChange},
    journal::{CommittedEvent, JournalError, report},
};

use super::{
    error::VaultError,
    message::VaultMessage,
    missed_events::read_missed_events,
    notice::{Notice, NoticeBody},
    queue::{CommittedBatch, PendingMutation, QueueGate, Submit},
    state::{VaultActor, VaultState},
};

/// The time between two attempts to resolve an unknown commit.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// How long a transaction waits for the next requests of the callers that were just answered.
const BATCH_WINDOW: Duration = Duration::from_millis(1);

impl VaultMessage for Submit {
    const SLOTS: usize = 1;

    fn handle(self, vault: &mut VaultActor, ctx: &mut Context<VaultActor>) {
        match vault.refusal_reason() {
            None => {
                // The mutations before it may have been answered while this message was in the mailbox.
                vault.stats.mutation_queued(self.queued_at());
                vault.queue.waiting.push_back(self);
                vault.commit_next(ctx);
            }
            Some(error) => {
                self.refuse(error);
                vault.update_queue_stats();
                vault.stop_unless_open(ctx);
            }
        }
    }
}

impl VaultActor {
    /// Returns the error for a mutation that cannot wait for a transaction.
    fn refusal_reason(&self) -> Option<VaultError> {
        match self.queue.gate {
            QueueGate::Open | QueueGate::Closed => self.unavailable_reason(),
            QueueGate::Unresolved => Some(VaultError::Unavailable),
        }
    }

    /// Starts a transaction with the waiting mutations, unless the queue is blocked or empty or the batch window is open.
    fn commit_next(&mut self, ctx: &mut Context<Self>) {
        let VaultState::Open { vault, lease, .. } = &self.state else {
            return;
        };
        let queue = &mut self.queue;
        if queue.gate != QueueGate::Open || queue.waiting.is_empty() {
            return;
        }
        if !queue.window.is_complete(queue.waiting.len()) {
            let time_out = |this: &mut Self, ctx: &mut Context<Self>| {
                this.queue.window.time_out();
                this.queue.window_timer = None;
                this.commit_next(ctx);
            };
            let start_timer = || ctx.run_later(BATCH_WINDOW, time_out);
            queue.window_timer.get_or_insert_with(start_timer);
            return;
        }
        if let Some(timer) = queue.window_timer.take() {
            ctx.cancel_future(timer);
        }
        let size = queue.waiting.len().min(self.options.commit_batch);
        let batch = queue.waiting.drain(..size).map(Submit::start);
        let (mutations, pending): (Vec<_>, Vec<_>) = batch.unzip();
        queue.gate = QueueGate::Closed;
        queue.started += 1;
        self.stats.set_in_flight(size);
        let (journal, vault, lease) = (self.journal.clone(), vault.clone(), lease.clone());
        let (sender, committed) = oneshot::channel();
        // Not a future of the actor: if the actor panics, its successor waits until this has ended.
        actix::spawn(async move {
            let outcome = journal.append(vault, mutations).await;
            let _ = sender.send(CommittedBatch::new(outcome, pending));
            drop(lease);
        });
        ctx.spawn(
            committed
                .into_actor(self)
                .map(|committed, this, ctx| match committed {
                    Ok(committed) => this.committed(committed, ctx),
                    // The task was dropped. The successor reads the outcome from the journal.
                    Err(_) => this.restart(ctx),
                }),
        );
    }

    fn committed(&mut self, batch: CommittedBatch, ctx: &mut Context<Self>) {
        let CommittedBatch {
            events,
            missed,
            is_vault_deleted,
            mutations,
        } = batch;
        match events {
            Ok(events) => {
                let is_unknown = mutations.iter().any(PendingMutation::is_outcome_unknown);
                if missed > 0 {
                    self.host.warn_of_foreign_writer(&self.id);
                }
                if let Some(first) = events.get(missed) {
                    self.joins.fix_positions(first.record.seq, &self.queue);
                }
                self.publish(events, ctx);
                if is_unknown {
                    // A mutation was committed alone and its outcome is unknown.
                    return self.commit_is_unknown(ctx);
                }
                if is_vault_deleted && self.unavailable_reason().is_none() {
                    // The journal does not contain the event of the deletion any more.
                    self.restart(ctx);
                }
            }
            Err(error) => {
                report!(error, vault.id = %self.id, mutations = mutations.len(), "batch was not written");
                if matches!(error, JournalError::Unknown(_)) {
                    // No transaction starts before the head has been read again.
                    return self.commit_is_unknown(ctx);
                }
                // The waiting mutations would wait as long again for the same error.
                self.queue.refuse_all(error);
            }
        }
        let answered = mutations.len();
        drop(mutations);
        self.unblock_queue(answered, ctx);
    }

    /// Starts the next transaction after one that answered `answered` mutations, or stops if the vault is not open.
    pub(super) fn unblock_queue(&mut self, answered: usize, ctx: &mut Context<Self>) {
        self.queue.gate = QueueGate::Open;
        self.update_queue_stats();
        let (queue, max_batch) = (&mut self.queue, self.options.commit_batch);
        queue.window.open(answered, queue.waiting.len(), max_batch);
        self.resume_waiting_joins(ctx);
        self.commit_next(ctx);
        self.stop_unless_open(ctx);
    }

    /// Resolves the outcome of a commit before the next transaction. Waiting mutations are refused: they have already
    /// waited for the journal's attempts.
    fn commit_is_unknown(&mut self, ctx: &mut Context<Self>) {
        self.queue.refuse_all(VaultError::Unavailable);
        self.update_queue_stats();
        // The commit may have changed the members.
        self.members_snapshot.withdraw();
        self.resolve_unknown_commit(ctx);
    }

    /// Records that no mutation is in flight, and which one is the oldest now.
    fn update_queue_stats(&self) {
        self.stats.set_in_flight(0);
        let oldest = self.queue.waiting.front();
        self.stats.set_oldest(oldest.map(Submit::queued_at));
    }

    /// Reads the outcome of an unknown commit from the journal and publishes its events. Retries until it succeeds;
    /// mutations that arrive after the first attempt are refused meanwhile.
    fn resolve_unknown_commit(&mut self, ctx: &mut Context<Self>) {
        let VaultState::Open { vault, .. } = &self.state else {
            // The vault was deleted.
            return self.unblock_queue(0, ctx);
        };
        let (journal, id, head) = (self.journal.clone(), self.id.clone(), vault.head);
        let missed = async move {
            journal.check_head_is_unlocked(&id).await?;
            read_missed_events(journal, id, head).await
        };
        ctx.spawn(missed.into_actor(self).map(|missed, this, ctx| match missed {
            Ok(events) => {
                debug!(vault.id = %this.id, events = events.len(), "unknown commit resolved");
                if let Some(first) = events.first() {
                    this.joins.fix_positions(first.record.seq, &this.queue);
                }
                this.publish(events, ctx);
                if let VaultState::Open { vault, .. } = &this.state {
                    this.members_snapshot.publish(vault.members.clone());
                }
                this.unblock_queue(0, ctx);
            }
            Err(error) => {
                report!(error, vault.id = %this.id, "unknown commit could not be resolved; retrying");
                this.queue.gate = QueueGate::Unresolved;
                this.queue.refuse_all(error);
                this.update_queue_stats();
                ctx.run_later(RETRY_INTERVAL, Self::resolve_unknown_commit);
            }
        }));
    }

    /// Applies committed events and publishes them to the subscribers, one by one.
    pub(super) fn publish(&mut self, events: Vec<CommittedEvent>, ctx: &mut Context<Self>) {
        let changes_members = |event: &CommittedEvent| event.state_change.changes_members();
        let are_members_changed = events.iter().any(changes_members);
        if are_members_changed {
            self.members_snapshot.withdraw();
        }
        self.apply_and_broadcast(events, ctx);
        if are_members_changed && let VaultState::Open { vault, .. } = &self.state {
            self.members_snapshot.publish(vault.members.clone());
        }
    }

    fn apply_and_broadcast(&mut self, events: Vec<CommittedEvent>, ctx: &mut Context<Self>) {
        for CommittedEvent {
            record,
            state_change,
        } in events
        {
            let VaultState::Open { vault, ring, .. } = &mut self.state else {
                return;
            };
            if record.seq != vault.head.next() {
                error!(vault.id = %self.id, event.seq = record.seq.0, head = vault.head.0, "gap in committed events; loading the vault again");
                return self.restart(ctx);
            }
            vault.apply(record.seq, &state_change);
            self.stats.set_head(vault.head);
            let notice = Notice::new(NoticeBody::Event(record));
            ring.push(notice.clone());
            self.fanout.broadcast(&notice);
            match state_change {
                StateChange::Unchanged
                | StateChange::MemberAdded { .. }
                | StateChange::RoleChanged { .. }
                | StateChange::VaultRenamed { .. } => {}
                StateChange::MemberRemoved { user } => self.fanout.remove_user(&user),
                StateChange::VaultDeleted => {
                    self.fanout.close_all();
                    self.state = VaultState::Absent;
                    self.queue.refuse_all(Refusal::AccessDenied);
                }
            }
        }
    }
}
