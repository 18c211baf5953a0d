//! Performs the effects of the vault's machine.

use actix::prelude::*;
use tokio::sync::oneshot;
use tracing::{debug, error, warn};

use crate::{
    domain::{MonotonicTime, Seq},
    journal::{JournalError, report},
};

use super::{
    actor::VaultActor,
    callers::EndedBatch,
    error::VaultError,
    handle::SinkId,
    machine::{
        Batch, BatchOutcome, MissedPurpose, PositionLoss, VaultEffect, VaultFact, VaultInput,
    },
    missed_events::read_missed_events,
    notice::Delivery,
};

impl VaultActor {
    /// Performs one effect.
    pub(super) fn perform(&mut self, effect: VaultEffect, ctx: &mut Context<Self>) {
        match effect {
            VaultEffect::Append(batch) => self.append(batch, ctx),
            VaultEffect::ReadMembership { request, user } => {
                let (journal, id) = (self.journal.clone(), self.id.clone());
                let read = async move { journal.is_member(&id, &user).await };
                self.read(read, ctx, move |result| VaultInput::MembershipRead {
                    request,
                    result: result.map_err(VaultError::from),
                });
            }
            VaultEffect::ReadHead => {
                let (journal, id) = (self.journal.clone(), self.id.clone());
                let read = async move { journal.head(&id).await };
                self.read(read, ctx, |head| {
                    VaultInput::HeadRead(head.map_err(VaultError::from))
                });
            }
            VaultEffect::ReadPage {
                request,
                after,
                limit,
            } => {
                let (journal, id) = (self.journal.clone(), self.id.clone());
                let vault = self.id.clone();
                let read = async move { journal.records_after(&id, after, limit).await };
                self.read(read, ctx, move |page| VaultInput::PageRead {
                    request,
                    result: page.map_err(|error| {
                        report!(error, vault.id = %vault, "replay page could not be read");
                        error.into()
                    }),
                });
            }
            VaultEffect::ReadMissed { purpose, after } => self.read_missed(purpose, after, ctx),
            VaultEffect::Deliver { sink, to, notice } => {
                let vault = self.id.clone();
                self.deliver(sink, Delivery { vault, to, notice });
            }
            VaultEffect::ReportBehind(sink) => self.report_behind(sink),
            VaultEffect::ReportPositionsUnknown(loss) => self.report_positions_unknown(loss),
            VaultEffect::AnnounceHead(head) => self.host.announce_head(&self.id, head),
            VaultEffect::Answer { caller, result } => self.callers.answer(caller, result),
            VaultEffect::Finish(request) => self.sinks.finish(request),
            VaultEffect::WithdrawMembers => self.members_snapshot.withdraw(),
            VaultEffect::PublishMembers => {
                if let Some(members) = self.machine.members() {
                    self.members_snapshot.publish(members.clone());
                }
            }
            VaultEffect::RecordQueue { in_flight, oldest } => {
                self.stats.set_in_flight(in_flight);
                let queued_at = oldest.and_then(|caller| self.callers.queued_at(caller));
                self.stats.set_oldest(queued_at);
            }
            VaultEffect::WakeAt(time) => self.wake_at(time, ctx),
            VaultEffect::Retire(cause) => {
                if self.host.retire(&self.id, &self.permits, cause) {
                    debug!(vault.id = %self.id, "vault unloaded");
                    ctx.stop();
                }
            }
            VaultEffect::Restart => ctx.stop(),
            VaultEffect::Report(fact) => self.report(fact),
        }
    }

    /// Does what must not be lost of an effect when the actor ends by a panic.
    pub(super) fn salvage(&mut self, effect: VaultEffect) {
        match effect {
            VaultEffect::Deliver { sink, .. } | VaultEffect::ReportBehind(sink) => {
                self.report_behind(sink);
            }
            VaultEffect::ReportPositionsUnknown(loss) => self.report_positions_unknown(loss),
            VaultEffect::Answer { caller, result } => self.callers.answer(caller, result),
            VaultEffect::Append(_)
            | VaultEffect::ReadMembership { .. }
            | VaultEffect::ReadHead
            | VaultEffect::ReadPage { .. }
            | VaultEffect::ReadMissed { .. }
            // The other nodes find the head by their sweep.
            | VaultEffect::AnnounceHead(_)
            // A request whose answer was not delivered is requested again.
            | VaultEffect::Finish(_)
            | VaultEffect::WithdrawMembers
            | VaultEffect::PublishMembers
            | VaultEffect::RecordQueue { .. }
            | VaultEffect::WakeAt(_)
            | VaultEffect::Retire(_)
            | VaultEffect::Restart
            | VaultEffect::Report(_) => {}
        }
    }

    fn report_positions_unknown(&self, loss: PositionLoss) {
        match loss {
            // First: a socket that is closed now must not be recovered.
            PositionLoss::ThisVault => self.host.history_replaced(),
            // Sockets that were connected since the directory did that are of the present history.
            PositionLoss::AllVaults => {}
        }
        for sink in self.sinks.iter() {
            sink.positions_unknown(self.handle.clone());
        }
    }

    fn append(&mut self, batch: Batch, ctx: &mut Context<Self>) {
        let Batch { vault, mutations } = batch;
        self.stats.set_in_flight(mutations.len());
        let (mut callers, mut commands) = (Vec::new(), Vec::new());
        for queued in mutations {
            callers.extend(self.callers.start(queued.caller));
            commands.push(queued.mutation);
        }
        let (journal, lease) = (self.journal.clone(), self.lease.clone());
        let (sender, ended) = oneshot::channel();
        // Not a future of the actor: if the actor panics, its successor waits until this has ended.
        actix::spawn(async move {
            let vault_id = vault.id.clone();
            let outcome = journal.append(vault, commands).await;
            if let Err(error) = &outcome {
                report!(error, vault.id = %vault_id, mutations = callers.len(), "batch was not written");
            }
            // An actor that has panicked takes nothing. The callers are answered then when the batch is dropped.
            let _ = sender.send(EndedBatch::new(callers, outcome));
            drop(lease);
        });
        ctx.spawn(ended.into_actor(self).map(|ended, this, ctx| {
            let outcome = match ended {
                Ok(batch) => this.callers.take_back(batch),
                Err(_) => BatchOutcome::Dropped,
            };
            this.handle_input(VaultInput::Committed(outcome), ctx);
        }));
    }

    fn read_missed(&mut self, purpose: MissedPurpose, after: Seq, ctx: &mut Context<Self>) {
        let (journal, id) = (self.journal.clone(), self.id.clone());
        let read = async move {
            match purpose {
                MissedPurpose::UnknownCommit => journal.check_head_is_unlocked(&id).await?,
                MissedPurpose::Join | MissedPurpose::Hint => {}
            }
            read_missed_events(journal, id, after).await
        };
        let (vault, remote_events) = (self.id.clone(), self.metrics.remote_events.clone());
        self.read(read, ctx, move |missed| VaultInput::MissedRead {
            purpose,
            result: missed.inspect(|events| match purpose {
                MissedPurpose::Hint => remote_events.inc_by(events.len() as u64),
                MissedPurpose::Join | MissedPurpose::UnknownCommit => {}
            }).map_err(|error| {
                match purpose {
                    MissedPurpose::UnknownCommit => {
                        report!(error, vault.id = %vault, "unknown commit could not be resolved; retrying");
                    }
                    // A join is refused, and a hint is repeated.
                    MissedPurpose::Join | MissedPurpose::Hint => {}
                }
                error.into()
            }),
        });
    }

    /// Awaits a read of the journal and gives its result to the machine.
    fn read<T: 'static>(
        &mut self,
        read: impl Future<Output = Result<T, JournalError>> + 'static,
        ctx: &mut Context<Self>,
        into_input: impl FnOnce(Result<T, JournalError>) -> VaultInput + 'static,
    ) {
        ctx.spawn(read.into_actor(self).map(|result, this, ctx| {
            this.handle_input(into_input(result), ctx);
        }));
    }

    /// Delivers a notice. A sink without room receives no later notice of this step.
    fn deliver(&mut self, id: SinkId, delivery: Delivery) {
        let Some(sink) = self.sinks.get(id) else {
            return;
        };
        if sink.deliver(delivery).is_err() {
            // An overloaded sink falls behind repeatedly.
            if let Some(suppressed) = self.behind_log.allow() {
                warn!(vault.id = %self.id, sink = id.0, suppressed, "sink fell behind; its subscribers resume later");
            }
            self.metrics.fell_behind.inc();
            self.effects.skip_deliveries(id);
            let full = VaultInput::SinkFull(id);
            self.machine
                .handle(full, MonotonicTime::now(), &mut self.effects);
            self.stats.set_subscribers(self.machine.subscribers());
        }
    }

    fn wake_at(&mut self, time: MonotonicTime, ctx: &mut Context<Self>) {
        let delay = time.since(MonotonicTime::now());
        let timer = ctx.run_later(delay, |this, ctx| {
            for closed in this.sinks.take_closed() {
                this.handle_input(VaultInput::SinkClosed(closed), ctx);
            }
            this.handle_input(VaultInput::Tick, ctx);
        });
        if let Some(earlier) = self.wake_up.replace(timer) {
            ctx.cancel_future(earlier);
        }
    }

    fn report(&self, fact: VaultFact) {
        match fact {
            VaultFact::ForeignWriter => self.host.log_foreign_writer(&self.id),
            VaultFact::UnknownCommitResolved { events } => {
                debug!(vault.id = %self.id, events, "unknown commit resolved");
            }
            VaultFact::Rewound { head, journal_head } => {
                self.host.log_rewound(&self.id, head, journal_head);
            }
            VaultFact::FarBehind { head } => {
                debug!(vault.id = %self.id, head = head.0, "too many events missed; loading the vault again");
            }
            VaultFact::Gap { seq, head } => {
                error!(vault.id = %self.id, event.seq = seq.0, head = head.0, "gap in committed events; loading the vault again");
            }
        }
    }
}
