//! How somebody begins to hear a vault: to join, to come back, to be attached again after his sink fell behind or
//! the vault's actor died. It is always the same: in one handler he is told what follows the last event that he knows, and
//! counted in.
//!
//! What he missed comes from the ring of the last events; what is older is read from the journal; a page at a time
//! either way. After each page but the last he is told that there is [more](Body::More), and asks for it when he has room: what
//! happens meanwhile waits in the journal, not in memory.

use std::{collections::VecDeque, sync::Arc};

use actix::prelude::*;
use tokio::sync::OwnedSemaphorePermit;
use tracing::warn;

use crate::{
    domain::{Action, Effect, Refusal, Role, Seq, SubscriberId, UserId},
    journal::{JournalError, Record},
};

use super::{
    VaultError, VaultHandle,
    actor::{Standing, VaultActor},
    notice::{Body, Joined, Notice, Refused, Sink, SinkId},
};

/// How many events a subscriber is told of what he missed before he asks for more: no more than a small outbox holds.
const PAGE: usize = 32;

/// Who wants to hear a vault, and from where on.
#[derive(Clone, Debug)]
pub struct Subscription {
    pub subscriber: SubscriberId,
    pub user: UserId,
    /// Comes back in the answer to a join, so that each finds its own.
    pub ticket: u64,
    pub attach: Attach,
}

/// After which event a subscriber is attached, and whether he is told that he is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attach {
    /// He joins: events from now on.
    Join,
    /// He joins and knows the events up to `seq`, of the history called `epoch` if he says so.
    JoinSince { seq: Seq, epoch: Option<String> },
    /// He is in already, got the events up to `after`, and joined when the vault stood at `joined_at`: a removal
    /// before that was not the end of this subscription.
    Resume { after: Seq, joined_at: Seq },
}

/// Attach a subscriber. Everything he hears of the vault leaves through this sink, beginning with the answer.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Subscribe {
    subscription: Subscription,
    sink: Arc<dyn Sink>,
    vault: VaultHandle,
    handled: bool,
    _visit: Option<OwnedSemaphorePermit>,
}

/// What a subscriber asked for while a page was read for him, in order.
pub(super) type Waiting = VecDeque<Subscribe>;

impl Subscribe {
    pub(super) fn new(
        subscription: Subscription,
        sink: Arc<dyn Sink>,
        vault: VaultHandle,
        visit: Option<OwnedSemaphorePermit>,
    ) -> Self {
        Self {
            subscription,
            sink,
            vault,
            handled: false,
            _visit: visit,
        }
    }

    fn done(mut self) {
        self.handled = true;
    }
}

impl Drop for Subscribe {
    /// The actor died before it came to this: nobody else would ask again.
    fn drop(&mut self) {
        if !self.handled {
            self.sink.fell_behind(self.vault.clone());
        }
    }
}

impl Handler<Subscribe> for VaultActor {
    type Result = ();

    fn handle(&mut self, subscribe: Subscribe, ctx: &mut Self::Context) {
        self.used = true;
        self.take(subscribe, ctx);
        self.end_if_closed(ctx);
    }
}

impl VaultActor {
    /// Attaches, or waits for the page that is being read for the same subscriber.
    fn take(&mut self, subscribe: Subscribe, ctx: &mut Context<Self>) {
        match self.reading.get_mut(&subscribe.subscription.subscriber) {
            Some(waiting) => waiting.push_back(subscribe),
            None => self.attach(subscribe, ctx),
        }
    }

    fn attach(&mut self, subscribe: Subscribe, ctx: &mut Context<Self>) {
        if self.listeners.is_behind(subscribe.sink.id()) {
            return subscribe.done(); // it attaches everybody again when it has caught up
        }
        let Subscription { user, attach, .. } = &subscribe.subscription;
        let since = match attach {
            Attach::Join => None,
            Attach::JoinSince { seq, epoch } => {
                let same_history = |epoch: &String| epoch == self.journal.epoch();
                Some(*seq).filter(|_| epoch.as_ref().is_none_or(same_history))
            }
            // From the last event that he got: it may be the one that ended his subscription.
            Attach::Resume { after, .. } => {
                let place = Seq(after.0.saturating_sub(1));
                return self.tell_after(subscribe, place, ctx);
            }
        };
        match (self.admit(user), since) {
            (Err(error), _) => self.refuse(&subscribe, error),
            (Ok((_, head)), Some(seq)) if seq <= head => {
                return self.tell_after(subscribe, seq, ctx);
            }
            (Ok(at), _) => self.join_anew(&subscribe, at),
        }
        subscribe.done();
    }

    /// Tells what follows a place, from memory or from the journal.
    fn tell_after(&mut self, subscribe: Subscribe, place: Seq, ctx: &mut Context<Self>) {
        if let Some(missed) = self.ring_after(place) {
            self.tell_page(&subscribe, place, missed, true);
            return subscribe.done();
        }
        let subscriber = subscribe.subscription.subscriber;
        // Until the page is told, a subscription that there is goes on.
        self.reading.insert(subscriber, Waiting::new());
        let (journal, id) = (self.journal.clone(), self.id.clone());
        let read = async move { journal.after(&id, place, PAGE).await };
        ctx.spawn(read.into_actor(self).map(move |page, this, ctx| {
            this.page_read(subscribe, place, page, ctx);
            this.end_if_closed(ctx);
        }));
    }

    fn page_read(
        &mut self,
        subscribe: Subscribe,
        place: Seq,
        page: Result<Vec<Record>, JournalError>,
        ctx: &mut Context<Self>,
    ) {
        let Some(waiting) = self.reading.remove(&subscribe.subscription.subscriber) else {
            return subscribe.done(); // he has left meanwhile
        };
        match page {
            Ok(page) => self.page(&subscribe, place, page),
            Err(error) => {
                warn!(vault.id = %self.id, %error, "a subscriber's page could not be read");
                self.refuse(&subscribe, error.into());
            }
        }
        subscribe.done();
        for next in waiting {
            self.take(next, ctx);
        }
    }

    /// Tells what was read and, if memory goes on from there, what follows it.
    fn page(&mut self, subscribe: &Subscribe, place: Seq, page: Vec<Record>) {
        // What is on disk and not yet published is told when it is.
        let (read, head) = (page.len(), self.head());
        let known = |record: &Record| head.is_none_or(|head| record.seq <= head);
        let page: Vec<_> = page.into_iter().filter(known).collect();
        let reached = page.last().map_or(place, |last| last.seq);
        let rest = self.ring_after(reached);
        let whole = page
            .first()
            .map_or(rest.is_some(), |first| first.seq == place.next());
        // Memory may have moved past the page; of a vault that is no more, the journal is all there is.
        let complete = rest.is_some() || (head.is_none() && read < PAGE);
        let event = |record| Notice::new(Body::Event(record));
        let events = page
            .into_iter()
            .map(event)
            .chain(rest.into_iter().flatten());
        match (whole, &subscribe.subscription.attach) {
            (true, _) => self.tell_page(subscribe, place, events.collect(), complete),
            // What follows is no longer kept.
            (false, Attach::Join | Attach::JoinSince { .. }) => {
                match self.admit(&subscribe.subscription.user) {
                    Ok(at) => self.join_anew(subscribe, at),
                    Err(error) => self.refuse(subscribe, error),
                }
            }
            (false, Attach::Resume { .. }) => {
                let gone = matches!(self.standing, Standing::Absent);
                self.tell(subscribe, if gone { Body::Closed } else { Body::Lost });
            }
        }
    }

    /// Tells a page of these events after a place, and that there is more, or counts him in when that is all.
    fn tell_page(
        &mut self,
        subscribe: &Subscribe,
        place: Seq,
        mut events: Vec<Arc<Notice>>,
        complete: bool,
    ) {
        let more = !complete || events.len() > PAGE;
        events.truncate(PAGE);
        // What happens until he asks, he is told when he does.
        self.listeners.remove(subscribe.subscription.subscriber);
        if self.replay(subscribe, place, events) {
            if more {
                self.tell(subscribe, Body::More);
            } else {
                self.count_in(subscribe);
            }
        }
    }

    /// Tells a subscriber these events after a place, and first that he is in if he joins; whether he is to hear more.
    fn replay(&mut self, subscribe: &Subscribe, place: Seq, events: Vec<Arc<Notice>>) -> bool {
        let Subscription {
            subscriber,
            user,
            ticket,
            attach,
        } = &subscribe.subscription;
        let joins = !matches!(attach, Attach::Resume { .. });
        if joins {
            let (role, head) = match self.admit(user) {
                Ok(at) => at,
                Err(error) => {
                    self.refuse(subscribe, error);
                    return false;
                }
            };
            let joined = Joined {
                ticket: *ticket,
                role,
                seq: head,
                replayed: Some(head.0 - place.0),
                resync: false,
            };
            self.tell(subscribe, Body::Joined(joined));
        }
        for event in events {
            let (sink, listeners) = (&subscribe.sink, &mut self.listeners);
            listeners.tell_one(*subscriber, sink, &event);
            // Who has been removed since hears that, and nothing after it, whatever he is now.
            if let Attach::Resume { joined_at, .. } = attach
                && let Some(end) = end_of(&event, user, *joined_at)
            {
                self.tell(subscribe, end);
                return false;
            }
        }
        true
    }

    /// Counts in who has heard everything so far, if he may hear what comes.
    fn count_in(&mut self, subscribe: &Subscribe) {
        let Subscription {
            subscriber, user, ..
        } = &subscribe.subscription;
        match self.admit(user) {
            Ok(_) => {
                self.tell(subscribe, Body::Live);
                self.listeners
                    .insert(*subscriber, user.clone(), &subscribe.sink);
            }
            Err(VaultError::Refused(_)) => self.tell(subscribe, Body::Removed),
            Err(error) => self.refuse(subscribe, error),
        }
    }

    /// Counts somebody in from now on; if he named an event, it is not one that he could go on from.
    fn join_anew(&mut self, subscribe: &Subscribe, (role, head): (Role, Seq)) {
        let Subscription {
            subscriber,
            user,
            ticket,
            attach,
        } = &subscribe.subscription;
        let joined = Joined {
            ticket: *ticket,
            role,
            seq: head,
            replayed: None,
            resync: *attach != Attach::Join,
        };
        self.tell(subscribe, Body::Joined(joined));
        self.listeners
            .insert(*subscriber, user.clone(), &subscribe.sink);
    }

    /// Says why somebody is not attached.
    fn refuse(&mut self, subscribe: &Subscribe, error: VaultError) {
        let Subscription { ticket, attach, .. } = &subscribe.subscription;
        let body = match attach {
            Attach::Join | Attach::JoinSince { .. } => Body::Refused(Refused {
                ticket: *ticket,
                error,
            }),
            Attach::Resume { .. } => Body::Lost,
        };
        self.tell(subscribe, body);
    }

    fn tell(&mut self, subscribe: &Subscribe, body: Body) {
        let subscriber = subscribe.subscription.subscriber;
        self.listeners
            .tell_one(subscriber, &subscribe.sink, &Notice::new(body));
    }

    /// The user's role and the vault's head, if he may hear it.
    fn admit(&self, user: &UserId) -> Result<(Role, Seq), VaultError> {
        match (&self.standing, self.closed()) {
            (Standing::Open { vault, .. }, _) => Ok((vault.admit(user, Action::Read)?, vault.head)),
            (_, Some(error)) => Err(error),
            (_, None) => Err(Refusal::AccessDenied.into()),
        }
    }

    /// Where the vault stands, while it is there.
    fn head(&self) -> Option<Seq> {
        match &self.standing {
            Standing::Open { vault, .. } => Some(vault.head),
            Standing::Opening | Standing::Absent | Standing::Failed(_) => None,
        }
    }

    fn ring_after(&self, place: Seq) -> Option<Vec<Arc<Notice>>> {
        match &self.standing {
            Standing::Open { ring, .. } => Some(ring.after(place)?.cloned().collect()),
            Standing::Opening | Standing::Absent | Standing::Failed(_) => None,
        }
    }
}

/// How an event ends a subscription of this user that began at a place, if it does.
fn end_of(event: &Notice, user: &UserId, joined_at: Seq) -> Option<Body> {
    let Body::Event(record) = &event.body else {
        return None;
    };
    if record.seq <= joined_at {
        return None;
    }
    match record.effect() {
        Ok(Effect::Removed(removed)) if removed == *user => Some(Body::Removed),
        Ok(Effect::Deleted) => Some(Body::Closed),
        Ok(_) | Err(_) => None,
    }
}

/// The subscriber hears nothing more of the vault.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Leave(pub SubscriberId);

impl Handler<Leave> for VaultActor {
    type Result = ();

    fn handle(&mut self, Leave(subscriber): Leave, _: &mut Self::Context) {
        self.used = true;
        self.listeners.remove(subscriber);
        for waiting in self.reading.remove(&subscriber).unwrap_or_default() {
            waiting.done();
        }
    }
}

/// The sink has room again and is about to attach its subscribers.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct CaughtUp(pub SinkId);

impl Handler<CaughtUp> for VaultActor {
    type Result = ();

    fn handle(&mut self, CaughtUp(sink): CaughtUp, _: &mut Self::Context) {
        self.used = true;
        self.listeners.caught_up(sink);
    }
}
