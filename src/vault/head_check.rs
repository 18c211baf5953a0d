//! Compares the vault's head with the journal before a join, because other nodes may write to the same vault without
//! a notification. So a client that joins never receives an older head than it has seen on another node, and `resync` is
//! reported only for events that no journal has.
//!
//! Joins that arrive while the head is being read wait for the next check, since the running read may be older than what
//! their clients know. So any number of joins costs one read at a time. If the journal is ahead because of this vault's
//! own transaction, its end is awaited, and only then are missing events read.

use std::mem;

use actix::prelude::*;

use crate::{domain::Seq, journal::JournalError};

use super::{
    missed_events::read_missed_events,
    queue::QueueGate,
    state::{VaultActor, VaultState},
    subscribe::Subscribe,
    waiting_joins::{HeadCheck, JoinPosition, WaitingJoin},
};

impl VaultActor {
    /// Returns the join with its position in the vault's order, which is that of its arrival.
    pub(super) fn waiting_join(&self, subscribe: Subscribe) -> WaitingJoin {
        let position = if self.fanout.contains(subscribe.subscription.subscriber) {
            JoinPosition::Head
        } else {
            JoinPosition::BeforeLaterTransactions {
                started: self.queue.started,
            }
        };
        WaitingJoin {
            subscribe,
            position,
        }
    }

    /// Attaches a subscriber after the head has been compared with the journal.
    pub(super) fn join_after_head_check(&mut self, join: WaitingJoin, ctx: &mut Context<Self>) {
        self.reads.begin(&join.subscribe);
        self.joins.push(join);
        self.start_head_check(ctx);
    }

    /// Reads the journal's head for the waiting joins, unless a check is running.
    fn start_head_check(&mut self, ctx: &mut Context<Self>) {
        let joins = &mut self.joins;
        if !matches!(joins.check, HeadCheck::Idle) || joins.waiting.is_empty() {
            return;
        }
        joins.check = HeadCheck::Reading(mem::take(&mut joins.waiting));
        let (journal, id) = (self.journal.clone(), self.id.clone());
        let read = async move { journal.head(&id).await };
        ctx.spawn(read.into_actor(self).map(|head, this, ctx| match head {
            Ok(Some(head)) => this.compare_head(head, ctx),
            // Another process deleted the vault and purged it. The joins are requested again from the successor.
            Ok(None) => this.restart(ctx),
            Err(error) => this.refuse_joins(&error, ctx),
        }));
    }

    fn compare_head(&mut self, journal_head: Seq, ctx: &mut Context<Self>) {
        if self.head().is_none_or(|own| own >= journal_head) {
            self.complete_joins(ctx);
        } else if self.queue.gate != QueueGate::Open {
            let joins = self.joins.take_checked();
            self.joins.check = HeadCheck::Ahead {
                journal_head,
                joins,
            };
        } else {
            self.catch_up(ctx);
        }
    }

    /// Continues the head check that waited for the end of a transaction.
    pub(super) fn resume_waiting_joins(&mut self, ctx: &mut Context<Self>) {
        if let HeadCheck::Ahead { journal_head, .. } = self.joins.check {
            self.joins.check = HeadCheck::Reading(self.joins.take_checked());
            self.compare_head(journal_head, ctx);
        }
    }

    /// Publishes the events of another node. No transaction starts until then.
    fn catch_up(&mut self, ctx: &mut Context<Self>) {
        let VaultState::Open { vault, .. } = &self.state else {
            return self.complete_joins(ctx);
        };
        self.queue.gate = QueueGate::Closed;
        let missed = read_missed_events(self.journal.clone(), self.id.clone(), vault.head);
        ctx.spawn(missed.into_actor(self).map(|missed, this, ctx| {
            match missed {
                Ok(events) => {
                    if !events.is_empty() {
                        this.host.warn_of_foreign_writer(&this.id);
                    }
                    this.publish(events, ctx);
                    this.complete_joins(ctx);
                }
                Err(error) => this.refuse_joins(&error, ctx),
            }
            this.unblock_queue(0, ctx);
        }));
    }

    /// Attaches the subscribers of the completed check.
    fn complete_joins(&mut self, ctx: &mut Context<Self>) {
        if matches!(self.state, VaultState::Failed(_)) {
            return; // the actor restarts, and the joins are requested again
        }
        for WaitingJoin {
            subscribe,
            position,
        } in self.joins.take_checked()
        {
            if self.reads.end(&subscribe) {
                self.attach(subscribe, position.after(), ctx);
            } else {
                subscribe.finish();
            }
        }
        self.finish_head_check(ctx);
    }

    /// Refuses the joins of the check that failed.
    fn refuse_joins(&mut self, error: &JournalError, ctx: &mut Context<Self>) {
        for WaitingJoin { subscribe, .. } in self.joins.take_checked() {
            if self.reads.end(&subscribe) {
                self.refuse(subscribe, error.clone().into());
            } else {
                subscribe.finish();
            }
        }
        self.finish_head_check(ctx);
    }

    fn finish_head_check(&mut self, ctx: &mut Context<Self>) {
        self.start_head_check(ctx);
        self.stop_unless_open(ctx);
    }
}
