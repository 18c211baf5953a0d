//! How a vault changes. What arrives while a transaction is in flight waits in the queue and goes to the journal
//! together, in order. After the commit the events are applied, spoken to the subscribers, and then their authors are
//! answered.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use actix::prelude::*;
use tokio::sync::oneshot;
use tracing::{debug, error};

use crate::{
    domain::{Answer, Effect, Mutation, Refusal, Seq, VaultId},
    journal::{Gathering, Journal, JournalError, Record, Written, report},
};

use super::{
    VaultError,
    actor::{Letter, Standing, VaultActor},
    directory::Place,
    meters::{Meters, kind_of},
    notice::{Body, Notice},
};

/// How long between two attempts to learn what became of a commit.
const BETWEEN_ATTEMPTS: Duration = Duration::from_secs(1);

/// How many events are read at once when a vault looks what it has missed.
const PAGE: usize = 1024;

/// How long whoever was just answered is waited for, at most.
const MOMENT: Duration = Duration::from_millis(1);

/// Change the vault on someone's behalf.
pub(super) struct Submit {
    mutation: Mutation,
    asked: Asked,
}

/// What waits for a vault's next transaction.
#[derive(Default)]
pub(super) struct Queue {
    pending: VecDeque<Submit>,
    pub(super) in_flight: bool,
    /// How many transactions have begun.
    pub(super) begun: u64,
    gathering: Gathering,
    /// Ends the wait for those who were just answered.
    patience: Option<SpawnHandle>,
}

/// Somebody who waits for an answer, and his place in the queue: it is free when he is answered, not when he
/// goes away, and a little before, for whoever has his answer may ask again at once. He is answered when this is
/// dropped, with what is true of his mutation by then; so he is answered too when the actor dies.
struct Asked {
    /// Until he is answered.
    waits: Option<(Place, oneshot::Sender<Result<Answer, VaultError>>)>,
    truth: Result<Answer, VaultError>,
    since: Instant,
    kind: &'static str,
    meters: Meters,
}

/// What a transaction came to. The authors know already what is true; they are answered when it has been told.
struct Committed {
    written: Result<Vec<(Record, Effect)>, JournalError>,
    /// How many of these, the first, another process wrote.
    missed: usize,
    /// The journal knows no such vault any longer.
    is_gone: bool,
    authors: Vec<Asked>,
}

impl Submit {
    pub(super) fn new(
        mutation: Mutation,
        place: Place,
        answer: oneshot::Sender<Result<Answer, VaultError>>,
        meters: Meters,
    ) -> Self {
        let asked = Asked {
            waits: Some((place, answer)),
            truth: Err(VaultError::Unavailable),
            since: Instant::now(),
            kind: kind_of(&mutation.command),
            meters,
        };
        Self { mutation, asked }
    }

    /// Begins to do it: from here on, an end without an outcome leaves it unknown.
    fn take_up(mut self) -> (Mutation, Asked) {
        self.asked.truth = Err(VaultError::Unknown);
        (self.mutation, self.asked)
    }

    fn refuse(mut self, error: VaultError) {
        self.asked.truth = Err(error);
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        if let Some((place, answer)) = self.waits.take() {
            self.meters.mutation(self.kind, &self.truth);
            let waited = self.since.elapsed().as_secs_f64();
            self.meters.mutation_seconds.observe(waited);
            let nothing = Err(VaultError::Unknown);
            drop(place);
            // Who asked may be gone; what he asked for is done all the same.
            let _ = answer.send(std::mem::replace(&mut self.truth, nothing));
        }
    }
}

impl Committed {
    fn new(outcome: Result<Written, JournalError>, mut authors: Vec<Asked>) -> Self {
        let is_gone = outcome.as_ref().is_ok_and(|written| written.is_gone);
        let missed = outcome.as_ref().map_or(0, |written| written.missed);
        let written = match outcome {
            Ok(Written {
                records, results, ..
            }) => {
                for (author, result) in authors.iter_mut().zip(results) {
                    author.truth = result.map_err(VaultError::from);
                }
                Ok(records)
            }
            Err(error) => {
                for author in &mut authors {
                    author.truth = Err(error.clone().into());
                }
                Err(error)
            }
        };
        Self {
            written,
            missed,
            is_gone,
            authors,
        }
    }
}

impl Letter for Submit {
    const PLACES: usize = 1;

    fn handle(self, vault: &mut VaultActor, ctx: &mut Context<VaultActor>) {
        match vault.closed() {
            None => {
                // Those before it may have been answered when it was on its way.
                vault.vitals.waits(self.asked.since);
                vault.queue.pending.push_back(self);
                vault.commit_next(ctx); // does nothing while a transaction is in flight, or others are waited for
            }
            Some(error) => {
                self.refuse(error);
                vault.answered();
                vault.end_if_closed(ctx);
            }
        }
    }
}

impl VaultActor {
    /// Sends everything that waits as one transaction; when it is on disk: apply, speak, answer, go on.
    fn commit_next(&mut self, ctx: &mut Context<Self>) {
        let Standing::Open { vault, tenure, .. } = &self.standing else {
            return;
        };
        let queue = &mut self.queue;
        if queue.in_flight || queue.pending.is_empty() {
            return;
        }
        if !queue.gathering.is_complete(queue.pending.len()) {
            let give_up = |this: &mut Self, ctx: &mut Context<Self>| {
                this.queue.gathering.give_up();
                this.queue.patience = None;
                this.commit_next(ctx);
            };
            let wait = || ctx.run_later(MOMENT, give_up);
            queue.patience.get_or_insert_with(wait);
            return;
        }
        if let Some(patience) = queue.patience.take() {
            ctx.cancel_future(patience);
        }
        let size = queue.pending.len().min(self.options.commit_batch);
        let batch = queue.pending.drain(..size).map(Submit::take_up);
        let (mutations, authors): (Vec<_>, Vec<_>) = batch.unzip();
        queue.in_flight = true;
        queue.begun += 1;
        self.vitals.has_in_flight(size);
        let (journal, vault, tenure) = (self.journal.clone(), vault.clone(), tenure.clone());
        let (tell, told) = oneshot::channel();
        // Not a future of the actor's: should the actor die, its successor waits for the end of this.
        actix::spawn(async move {
            let outcome = journal.append(vault, mutations).await;
            let _ = tell.send(Committed::new(outcome, authors));
            drop(tenure);
        });
        ctx.spawn(told.into_actor(self).map(|committed, this, ctx| {
            match committed {
                Ok(committed) => this.committed(committed, ctx),
                // Whoever was to tell it is gone: what became of it is read from the journal.
                Err(_) => this.start_over(ctx),
            }
        }));
    }

    fn committed(&mut self, committed: Committed, ctx: &mut Context<Self>) {
        let Committed {
            written,
            missed,
            is_gone,
            authors,
        } = committed;
        match written {
            Ok(records) => {
                let unknown = |author: &Asked| matches!(author.truth, Err(VaultError::Unknown));
                let unknown = authors.iter().any(unknown);
                if missed > 0 {
                    self.directory.sees_others(&self.id);
                }
                if let Some((first, _)) = records.get(missed) {
                    self.joining.precede(first.seq, self.queue.begun);
                }
                self.publish(records, ctx);
                if unknown {
                    // Of one that was written alone nobody could tell.
                    return self.look_again(ctx);
                }
                if is_gone && self.closed().is_none() {
                    // Of its end there is no event left to tell.
                    self.start_over(ctx);
                }
            }
            Err(error) => {
                let mutations = authors.len();
                report!(error, vault.id = %self.id, mutations, "a batch was not written");
                if matches!(error, JournalError::Unknown(_)) {
                    // Nothing else is taken up before the head has been read again.
                    return self.look_again(ctx);
                }
                // Whoever came meanwhile has waited as long, and would wait as long again for the same answer.
                for waiting in std::mem::take(&mut self.queue.pending) {
                    waiting.refuse(error.clone().into());
                }
            }
        }
        let answered = authors.len();
        drop(authors);
        self.go_on(answered, ctx);
    }

    /// Takes up what waits, or ends if the vault is no more.
    pub(super) fn go_on(&mut self, answered: usize, ctx: &mut Context<Self>) {
        self.queue.in_flight = false;
        self.answered();
        let (queue, most) = (&mut self.queue, self.options.commit_batch);
        queue.gathering.begin(answered, queue.pending.len(), most);
        self.look_on(ctx);
        self.commit_next(ctx);
        self.end_if_closed(ctx);
    }

    /// Whoever waited longest has been answered: tells who does now.
    fn answered(&self) {
        self.vitals.has_in_flight(0);
        let oldest = self.queue.pending.front();
        self.vitals
            .waits_now(oldest.map(|oldest| oldest.asked.since));
    }

    /// Learns from the journal what became of a commit that nobody could tell of, and publishes what it finds.
    fn look_again(&mut self, ctx: &mut Context<Self>) {
        let Standing::Open { vault, .. } = &self.standing else {
            // The vault is no more, so there is nothing left to learn.
            return self.go_on(0, ctx);
        };
        let missed = missed(self.journal.clone(), self.id.clone(), vault.head);
        ctx.spawn(missed.into_actor(self).map(|found, this, ctx| match found {
            Ok(records) => {
                debug!(vault.id = %this.id, events = records.len(), "the vault is in step with its journal again");
                if let Some((first, _)) = records.first() {
                    this.joining.precede(first.seq, this.queue.begun);
                }
                this.publish(records, ctx);
                this.go_on(0, ctx);
            }
            Err(error) => {
                report!(error, vault.id = %this.id, "the vault's journal cannot be read yet");
                ctx.run_later(BETWEEN_ATTEMPTS, Self::look_again);
            }
        }));
    }

    /// Takes in what is on disk and tells it to the subscribers, event by event.
    pub(super) fn publish(&mut self, records: Vec<(Record, Effect)>, ctx: &mut Context<Self>) {
        for (record, effect) in records {
            let Standing::Open { vault, ring, .. } = &mut self.standing else {
                return;
            };
            if record.seq != vault.head.next() {
                error!(vault.id = %self.id, event.seq = record.seq.0, head = vault.head.0, "events are missing");
                return self.start_over(ctx);
            }
            vault.apply(record.seq, &effect);
            self.vitals.stands_at(vault.head);
            let notice = Notice::new(Body::Event(record));
            ring.push(notice.clone());
            self.listeners.tell_everyone(&notice);
            match effect {
                Effect::None | Effect::Added(..) | Effect::Role(..) | Effect::Renamed(..) => {}
                Effect::Removed(user) => self.listeners.dismiss(&user),
                Effect::Deleted => {
                    self.listeners.close();
                    self.standing = Standing::Absent;
                    for waiting in std::mem::take(&mut self.queue.pending) {
                        waiting.refuse(Refusal::AccessDenied.into());
                    }
                }
            }
        }
    }
}

/// What is in the journal after a place.
pub(super) async fn missed(
    journal: Journal,
    id: VaultId,
    mut place: Seq,
) -> Result<Vec<(Record, Effect)>, JournalError> {
    let mut all = Vec::new();
    loop {
        let page = journal.after(&id, place, PAGE).await?;
        let (found, newest) = (page.len(), page.last().map(|record| record.seq));
        for record in page {
            let effect = record.effect();
            let effect = effect.map_err(|error| JournalError::unreadable(&error))?;
            all.push((record, effect));
        }
        match newest {
            Some(newest) if found == PAGE => place = newest,
            Some(_) | None => return Ok(all),
        }
    }
}
