//! How somebody begins to hear a vault: to join, to come back, to be attached again after his sink fell behind or
//! the vault's actor died. It is always the same: in one handler he is told what follows the last event that he knows, and
//! counted in.
//!
//! What he missed comes from the ring of the last events; what is older is read from the journal; a page at a time
//! either way. While there is [more](Then::More), he asks for it when he has room: what happens meanwhile waits in the
//! journal, not in memory.

use std::sync::Arc;

use actix::prelude::*;
use serde::{Deserialize, Serialize};
use tokio::sync::OwnedSemaphorePermit;

use crate::{
    domain::{Action, Effect, Refusal, Role, Seq, SubscriberId, UserId},
    journal::{JournalError, Record, report},
};

use super::{
    VaultError, VaultHandle,
    actor::{Letter, Standing, VaultActor},
    notice::{Attached, Body, Joined, Notice, PAGE, Sink, SinkId, Then},
};

/// Who wants to hear a vault, and from where on.
#[derive(Clone, Debug)]
pub struct Subscription {
    pub subscriber: SubscriberId,
    pub user: UserId,
    /// Comes back in the answer, so that each finds its own.
    pub ticket: u64,
    pub attach: Attach,
}

/// After which event a subscriber is attached, and whether he is told that he is in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
pub(super) struct Subscribe {
    pub(super) subscription: Subscription,
    pub(super) sink: Arc<dyn Sink>,
    vault: VaultHandle,
    handled: bool,
    _visit: Option<OwnedSemaphorePermit>,
}

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

    pub(super) fn done(mut self) {
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

impl Letter for Subscribe {
    fn handle(self, vault: &mut VaultActor, ctx: &mut Context<VaultActor>) {
        let looks_first = match &self.subscription.attach {
            Attach::Join | Attach::JoinSince { .. } => true,
            // He got it from another process, where this vault has been ahead.
            Attach::Resume { after, .. } => vault.head().is_some_and(|head| *after > head),
        };
        if looks_first && vault.closed().is_none() {
            return vault.join_abreast(self, ctx);
        }
        vault.attach(self, None, ctx);
        vault.end_if_closed(ctx);
    }
}

impl VaultActor {
    /// Attaches him. Who joined when the vault stood at an earlier `place` is told what came after that.
    pub(super) fn attach(
        &mut self,
        subscribe: Subscribe,
        place: Option<Seq>,
        ctx: &mut Context<Self>,
    ) {
        let Subscription {
            subscriber,
            user,
            attach,
            ..
        } = &subscribe.subscription;
        self.reading.forget(*subscriber);
        if self.listeners.is_behind(subscribe.sink.id()) {
            return subscribe.done(); // it attaches everybody again when it has caught up
        }
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
        let place = place.filter(|_| *attach == Attach::Join);
        match (self.admit(user), since.or(place)) {
            (Err(error), _) => self.refuse(subscribe, error),
            (Ok((_, head)), Some(seq)) if seq <= head => self.tell_after(subscribe, seq, ctx),
            (Ok(at), _) => self.join_anew(subscribe, at),
        }
    }

    /// Tells what follows a place, from memory or from the journal.
    fn tell_after(&mut self, subscribe: Subscribe, place: Seq, ctx: &mut Context<Self>) {
        if let Some(missed) = self.ring_after(place) {
            return self.tell_page(subscribe, place, missed, true);
        }
        // Until the page is told, a subscription that there is goes on.
        self.reading.begin(&subscribe);
        let (journal, id) = (self.journal.clone(), self.id.clone());
        let read = async move { journal.after(&id, place, PAGE).await };
        ctx.spawn(read.into_actor(self).map(move |page, this, ctx| {
            this.page_read(subscribe, place, page);
            this.end_if_closed(ctx);
        }));
    }

    fn page_read(
        &mut self,
        subscribe: Subscribe,
        place: Seq,
        page: Result<Vec<Record>, JournalError>,
    ) {
        if !self.reading.end(&subscribe) {
            return subscribe.done(); // he has left meanwhile, or asked anew
        }
        match page {
            Ok(page) => self.page(subscribe, place, page),
            Err(error) => {
                report!(error, vault.id = %self.id, "a subscriber's page could not be read");
                self.refuse(subscribe, error.into());
            }
        }
    }

    /// Tells what was read and, if memory goes on from there, what follows it.
    fn page(&mut self, subscribe: Subscribe, place: Seq, page: Vec<Record>) {
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
                let then = if gone { Then::Closed } else { Then::Lost };
                self.answer(subscribe, None, Vec::new(), then);
            }
        }
    }

    /// Tells a page of these events after a place; says that there is more, or counts him in when that is all.
    fn tell_page(
        &mut self,
        subscribe: Subscribe,
        place: Seq,
        mut events: Vec<Arc<Notice>>,
        complete: bool,
    ) {
        let more = !complete || events.len() > PAGE;
        events.truncate(PAGE);
        let Subscription { user, attach, .. } = &subscribe.subscription;
        let at = self.admit(user);
        // Who has been removed since hears that, and nothing after it, whatever he is now. Who joins after an event of
        // his choice joins as what he is now.
        let end = match attach {
            Attach::Resume { joined_at, .. } => cut_at_end(&mut events, user, *joined_at),
            Attach::Join if at.is_ok() => cut_at_end(&mut events, user, place),
            Attach::Join | Attach::JoinSince { .. } => None,
        };
        let joined = match (attach, &at) {
            (Attach::Resume { .. }, _) => None,
            (_, Ok((role, head))) => {
                let (seq, replayed) = match attach {
                    Attach::JoinSince { .. } => (*head, Some(head.0 - place.0)),
                    Attach::Join | Attach::Resume { .. } => (place, None),
                };
                Some(Joined {
                    role: *role,
                    seq,
                    replayed,
                    resync: false,
                })
            }
            (_, Err(error)) => {
                let error = error.clone();
                return self.refuse(subscribe, error);
            }
        };
        let then = match (end, at) {
            (Some(end), _) => end,
            (None, _) if more => Then::More,
            (None, Ok(_)) => Then::Live,
            (None, Err(VaultError::Refused(_))) => Then::Removed,
            (None, Err(_)) => Then::Lost,
        };
        self.answer(subscribe, joined, events, then);
    }

    /// Counts somebody in from now on; if he named an event, it is not one that he could go on from.
    fn join_anew(&mut self, subscribe: Subscribe, (role, head): (Role, Seq)) {
        let joined = Joined {
            role,
            seq: head,
            replayed: None,
            resync: subscribe.subscription.attach != Attach::Join,
        };
        self.answer(subscribe, Some(joined), Vec::new(), Then::Live);
    }

    /// Says why somebody is not attached.
    pub(super) fn refuse(&mut self, subscribe: Subscribe, error: VaultError) {
        let then = match &subscribe.subscription.attach {
            Attach::Join | Attach::JoinSince { .. } => Then::Refused(error),
            Attach::Resume { .. } => Then::Lost,
        };
        self.answer(subscribe, None, Vec::new(), then);
    }

    fn answer(
        &mut self,
        subscribe: Subscribe,
        joined: Option<Joined>,
        events: Vec<Arc<Notice>>,
        then: Then,
    ) {
        let Subscription {
            subscriber,
            user,
            ticket,
            ..
        } = &subscribe.subscription;
        let live = matches!(then, Then::Live);
        if !matches!(then, Then::Refused(_)) {
            // What happens until he asks again, he is told when he does.
            self.listeners.remove(*subscriber);
        }
        let attached = Attached {
            ticket: *ticket,
            joined,
            events,
            then,
        };
        let (sink, notice) = (&subscribe.sink, Notice::new(Body::Attached(attached)));
        self.listeners.tell_one(*subscriber, sink, &notice);
        if live {
            self.listeners.insert(*subscriber, user.clone(), sink);
        }
        subscribe.done();
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
    pub(super) fn head(&self) -> Option<Seq> {
        match &self.standing {
            Standing::Open { vault, .. } => Some(vault.head),
            Standing::Opening | Standing::Absent | Standing::Failed(_) => None,
        }
    }

    /// What memory has after a place: enough of it to see whether there is more than a page.
    fn ring_after(&self, place: Seq) -> Option<Vec<Arc<Notice>>> {
        match &self.standing {
            Standing::Open { ring, .. } => {
                Some(ring.after(place)?.take(PAGE + 1).cloned().collect())
            }
            Standing::Opening | Standing::Absent | Standing::Failed(_) => None,
        }
    }
}

/// Leaves away what follows the event that ended a subscription of this user, and says how it ended, if it did.
fn cut_at_end(events: &mut Vec<Arc<Notice>>, user: &UserId, joined_at: Seq) -> Option<Then> {
    let ends = |event: &Arc<Notice>| end_of(event, user, joined_at);
    let (place, end) =
        (events.iter().enumerate()).find_map(|(n, event)| Some((n, ends(event)?)))?;
    events.truncate(place + 1);
    Some(end)
}

/// How an event ends a subscription of this user that began at a place, if it does.
fn end_of(event: &Notice, user: &UserId, joined_at: Seq) -> Option<Then> {
    let Body::Event(record) = &event.body else {
        return None;
    };
    if record.seq <= joined_at {
        return None;
    }
    match record.effect() {
        Ok(Effect::Removed(removed)) if removed == *user => Some(Then::Removed),
        Ok(Effect::Deleted) => Some(Then::Closed),
        Ok(_) | Err(_) => None,
    }
}

/// The subscriber hears nothing more of the vault.
pub(super) struct Leave(pub SubscriberId);

impl Letter for Leave {
    fn handle(self, vault: &mut VaultActor, _: &mut Context<VaultActor>) {
        let Self(subscriber) = self;
        vault.listeners.remove(subscriber);
        vault.reading.forget(subscriber);
    }
}

/// The sink has room again and is about to attach its subscribers.
pub(super) struct CaughtUp(pub SinkId);

impl Letter for CaughtUp {
    fn handle(self, vault: &mut VaultActor, _: &mut Context<VaultActor>) {
        let Self(sink) = self;
        vault.reading.forget_sink(sink);
        vault.listeners.caught_up(sink);
    }
}
