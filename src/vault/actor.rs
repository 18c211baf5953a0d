//! The vault actor: one vault, one mailbox, one transaction in flight.
//!
//! What arrives while a transaction is in flight waits in `pending` and goes to the journal together, in order.
//! After the commit the events are applied, spoken to the subscribers, and then their authors are answered.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use actix::prelude::*;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tracing::{error, info, warn};

use crate::{
    domain::{
        Action, Answer, Effect, Mutation, Refusal, Seq, SubscriberId, UserId, Vault, VaultId,
        subscribers::Subscribers,
    },
    journal::{Journal, JournalError, Record, Written},
};

use super::{
    VaultError,
    directory::Directory,
    notice::{Audience, Body, Delivery, Joined, Notice, Sink, SinkId},
    ring::Ring,
};

/// How long an actor that found no vault goes on telling so to those who already have its address.
const FAREWELL: Duration = Duration::from_secs(1);

/// How long between two attempts to learn what became of a commit.
const BETWEEN_ATTEMPTS: Duration = Duration::from_secs(1);

/// A vault, alive: a projection of its journal that may die at any time and is opened again from it.
pub(super) struct VaultActor {
    id: VaultId,
    journal: Journal,
    directory: Directory,
    /// How many mutations go into one transaction.
    batch: usize,
    standing: Standing,
    pending: VecDeque<Submit>,
    in_flight: bool,
    subscribers: Subscribers<SinkId>,
    sinks: HashMap<SinkId, Arc<dyn Sink>>,
    /// Sinks that had no room; they are sent nothing until they have caught up.
    behind: HashSet<SinkId>,
}

/// What the actor knows of its vault.
enum Standing {
    /// Not read yet; nothing is handled meanwhile.
    Opening,
    /// It is there.
    Open { vault: Vault, ring: Ring },
    /// It never was, or is no more: everybody is told what a stranger is told.
    Absent,
    /// It could not be read.
    Failed(VaultError),
}

impl VaultActor {
    pub(super) fn new(id: VaultId, journal: Journal, directory: Directory, batch: usize) -> Self {
        Self {
            id,
            journal,
            directory,
            batch,
            standing: Standing::Opening,
            pending: VecDeque::new(),
            in_flight: false,
            subscribers: Subscribers::default(),
            sinks: HashMap::new(),
            behind: HashSet::new(),
        }
    }

    fn opened(&mut self, loaded: Result<Option<Vault>, JournalError>, ctx: &mut Context<Self>) {
        self.standing = match loaded {
            Ok(Some(vault)) if !vault.members.is_empty() => {
                let ring = Ring::at(vault.head);
                return self.standing = Standing::Open { vault, ring };
            }
            Ok(_) => Standing::Absent,
            Err(error) => {
                error!(vault.id = %self.id, %error, "a vault could not be opened");
                Standing::Failed(error.into())
            }
        };
        // Ids that nobody has leave no actor behind, and a vault that could not be read is tried again.
        self.retire(ctx);
    }

    /// Leaves the directory and ends soon; until then whoever still has the address is answered.
    fn retire(&mut self, ctx: &mut Context<Self>) {
        self.directory.forget(&self.id, &ctx.address());
        ctx.run_later(FAREWELL, |_, ctx| ctx.stop());
    }

    /// Why nothing can be done here, when nothing can.
    fn closed(&self) -> Option<VaultError> {
        match &self.standing {
            Standing::Open { .. } => None,
            Standing::Opening => Some(VaultError::Unavailable),
            Standing::Absent => Some(Refusal::AccessDenied.into()),
            Standing::Failed(error) => Some(error.clone()),
        }
    }

    /// Sends everything that waits as one transaction; when it is on disk: apply, speak, answer, go on.
    fn commit_next(&mut self, ctx: &mut Context<Self>) {
        let Standing::Open { vault, .. } = &self.standing else {
            return;
        };
        if self.in_flight || self.pending.is_empty() {
            return;
        }
        let size = self.pending.len().min(self.batch);
        let (mutations, asked): (Vec<_>, Vec<_>) =
            self.pending.drain(..size).map(Submit::take_up).unzip();
        self.in_flight = true;
        let (journal, vault) = (self.journal.clone(), vault.clone());
        let append = async move { journal.append(vault, mutations).await };
        ctx.spawn(append.into_actor(self).map(|outcome, this, ctx| {
            this.committed(outcome, asked, ctx);
        }));
    }

    fn committed(
        &mut self,
        outcome: Result<Written, JournalError>,
        asked: Vec<Asked>,
        ctx: &mut Context<Self>,
    ) {
        match outcome {
            Ok(written) => {
                self.publish(written.records, ctx);
                for (asked, result) in asked.into_iter().zip(written.results) {
                    asked.answer(result.map_err(VaultError::from));
                }
            }
            Err(error) => {
                warn!(vault.id = %self.id, %error, mutations = asked.len(), "a batch was not written");
                let unknown = matches!(error, JournalError::Unknown(_));
                let error = VaultError::from(error);
                for asked in asked {
                    asked.answer(Err(error.clone()));
                }
                if unknown {
                    // Nothing else is taken up before the head has been read again.
                    return self.look_again(ctx);
                }
            }
        }
        self.in_flight = false;
        self.commit_next(ctx);
    }

    /// Learns from the journal what became of a commit that nobody could tell of, and publishes what it finds.
    fn look_again(&mut self, ctx: &mut Context<Self>) {
        let Standing::Open { vault, .. } = &self.standing else {
            return;
        };
        let (journal, id, head) = (self.journal.clone(), self.id.clone(), vault.head);
        let look = async move {
            let records = journal.after(&id, head).await?;
            let effect = |record: Record| match record.effect() {
                Ok(effect) => Ok((record, effect)),
                Err(error) => Err(JournalError::unreadable(&error)),
            };
            records
                .into_iter()
                .map(effect)
                .collect::<Result<Vec<_>, _>>()
        };
        ctx.spawn(look.into_actor(self).map(|found, this, ctx| match found {
            Ok(records) => {
                info!(vault.id = %this.id, events = records.len(), "the vault is in step with its journal again");
                this.publish(records, ctx);
                this.in_flight = false;
                this.commit_next(ctx);
            }
            Err(error) => {
                warn!(vault.id = %this.id, %error, "the vault's journal cannot be read yet");
                ctx.run_later(BETWEEN_ATTEMPTS, |this, ctx| this.look_again(ctx));
            }
        }));
    }

    /// Takes in what is on disk and tells it to the subscribers, event by event.
    fn publish(&mut self, records: Vec<(Record, Effect)>, ctx: &mut Context<Self>) {
        for (record, effect) in records {
            let Standing::Open { vault, ring } = &mut self.standing else {
                return;
            };
            vault.apply(record.seq, &effect);
            let notice = Notice::new(Body::Event(record));
            ring.push(notice.clone());
            self.tell_everyone(&notice);
            match effect {
                Effect::None | Effect::Added(..) | Effect::Role(..) | Effect::Renamed(..) => {}
                Effect::Removed(user) => self.dismiss(&user),
                Effect::Deleted => {
                    self.tell_everyone(&Notice::new(Body::Closed));
                    self.subscribers = Subscribers::default();
                    self.standing = Standing::Absent;
                    for waiting in std::mem::take(&mut self.pending) {
                        waiting
                            .take_up()
                            .1
                            .answer(Err(Refusal::AccessDenied.into()));
                    }
                    self.retire(ctx);
                }
            }
        }
    }

    /// Ends every subscription of a user who is no longer a member.
    fn dismiss(&mut self, user: &UserId) {
        let mut by_sink: HashMap<SinkId, Vec<SubscriberId>> = HashMap::new();
        for (id, sink) in self.subscribers.remove_user(user) {
            by_sink.entry(sink).or_default().push(id);
        }
        let notice = Notice::new(Body::Removed);
        for (sink, ids) in by_sink {
            self.tell(sink, Audience::Only(ids), &notice);
        }
    }

    fn tell_everyone(&mut self, notice: &Arc<Notice>) {
        let sinks: Vec<_> = self.subscribers.sinks().collect();
        for sink in sinks {
            self.tell(sink, Audience::Everyone, notice);
        }
    }

    /// Hands a notice to a sink; one that has no room is left out until it has caught up.
    fn tell(&mut self, id: SinkId, to: Audience, notice: &Arc<Notice>) {
        let Some(sink) = self.sinks.get(&id) else {
            return;
        };
        let delivery = Delivery {
            vault: self.id.clone(),
            to,
            notice: notice.clone(),
        };
        if !self.behind.contains(&id) && sink.deliver(delivery).is_err() {
            warn!(vault.id = %self.id, relay = id.0, "a relay fell behind");
            sink.fell_behind(self.id.clone());
            self.behind.insert(id);
            self.subscribers.remove_sink(id);
        }
    }
}

impl Actor for VaultActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let (journal, id) = (self.journal.clone(), self.id.clone());
        let load = async move { journal.load(&id).await };
        ctx.wait(
            load.into_actor(self)
                .map(|loaded, this, ctx| this.opened(loaded, ctx)),
        );
    }
}

/// Change the vault on someone's behalf.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Submit {
    mutation: Mutation,
    asked: Asked,
}

/// Somebody who waits for an answer, and his place in the queue: it is free when he is answered, not when he
/// goes away.
struct Asked {
    answer: Option<oneshot::Sender<Result<Answer, VaultError>>>,
    _place: OwnedSemaphorePermit,
    /// What is true of him when the actor ends without an answer.
    otherwise: VaultError,
}

impl Submit {
    pub(super) fn new(
        mutation: Mutation,
        place: OwnedSemaphorePermit,
        answer: oneshot::Sender<Result<Answer, VaultError>>,
    ) -> Self {
        let asked = Asked {
            answer: Some(answer),
            _place: place,
            otherwise: VaultError::Unavailable,
        };
        Self { mutation, asked }
    }

    /// Begins to do it: from here on, an end without an answer leaves the outcome unknown.
    fn take_up(mut self) -> (Mutation, Asked) {
        self.asked.otherwise = VaultError::Unknown;
        (self.mutation, self.asked)
    }
}

impl Asked {
    fn answer(mut self, outcome: Result<Answer, VaultError>) {
        if let Some(answer) = self.answer.take() {
            // Who asked may be gone; what he asked for is done all the same.
            let _ = answer.send(outcome);
        }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        if let Some(answer) = self.answer.take() {
            let _ = answer.send(Err(self.otherwise.clone()));
        }
    }
}

impl Handler<Submit> for VaultActor {
    type Result = ();

    fn handle(&mut self, submit: Submit, ctx: &mut Self::Context) {
        match self.closed() {
            Some(error) => submit.asked.answer(Err(error)),
            None => {
                self.pending.push_back(submit);
                self.commit_next(ctx); // does nothing while a transaction is in flight
            }
        }
    }
}

/// Attach a subscriber. Everything he hears of the vault leaves through this sink, beginning with the answer.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Subscribe {
    pub subscriber: SubscriberId,
    pub user: UserId,
    pub sink: Arc<dyn Sink>,
    pub attach: Attach,
    /// Told only when he is not admitted.
    pub refused: oneshot::Sender<VaultError>,
}

/// After which event a subscriber is attached, and whether he is told that he is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attach {
    /// He joins: events from now on.
    Join,
    /// He joins and knows the events up to `seq`, of the history called `epoch` if he says so.
    JoinSince { seq: Seq, epoch: Option<String> },
    /// He is in already and got the events up to this one: his sink fell behind.
    Resume(Seq),
}

impl Handler<Subscribe> for VaultActor {
    type Result = ();

    fn handle(&mut self, subscribe: Subscribe, _: &mut Self::Context) {
        let closed = self.closed();
        let Standing::Open { vault, ring } = &self.standing else {
            let _ = subscribe
                .refused
                .send(closed.unwrap_or(VaultError::Unavailable));
            return;
        };
        let sink = subscribe.sink.id();
        if self.behind.contains(&sink) {
            return; // it attaches everybody again when it has caught up
        }
        let role = match vault.admit(&subscribe.user, Action::Read) {
            Ok(role) => role,
            Err(refusal) => {
                let _ = subscribe.refused.send(refusal.into());
                return;
            }
        };
        let join = |replayed, resync| {
            Body::Joined(Joined {
                role,
                seq: vault.head,
                replayed,
                resync,
            })
        };
        let (first, missed) = match subscribe.attach {
            Attach::Join => (join(None, false), Vec::new()),
            Attach::JoinSince { seq, epoch } => {
                let same_history = epoch.is_none_or(|epoch| epoch == self.journal.epoch());
                match ring.after(seq).filter(|_| same_history) {
                    Some(missed) => {
                        let missed: Vec<_> = missed.cloned().collect();
                        (join(Some(missed.len() as u64), false), missed)
                    }
                    None => (join(None, true), Vec::new()),
                }
            }
            Attach::Resume(seq) => match ring.after(seq) {
                Some(missed) => (Body::Resumed, missed.cloned().collect()),
                None => (Body::Lost, Vec::new()),
            },
        };
        self.sinks.entry(sink).or_insert(subscribe.sink);
        self.subscribers
            .insert(subscribe.subscriber, subscribe.user, sink);
        let him = Audience::Only(vec![subscribe.subscriber]);
        self.tell(sink, him.clone(), &Notice::new(first));
        for notice in missed {
            self.tell(sink, him.clone(), &notice);
        }
    }
}

/// The subscriber hears nothing more of the vault.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Leave(pub SubscriberId);

impl Handler<Leave> for VaultActor {
    type Result = ();

    fn handle(&mut self, Leave(subscriber): Leave, _: &mut Self::Context) {
        self.subscribers.remove(subscriber);
    }
}

/// The sink has room again and is about to attach its subscribers.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct CaughtUp(pub SinkId);

impl Handler<CaughtUp> for VaultActor {
    type Result = ();

    fn handle(&mut self, CaughtUp(sink): CaughtUp, _: &mut Self::Context) {
        self.behind.remove(&sink);
    }
}
