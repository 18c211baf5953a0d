//! Who hears a vault, and through which sinks.
//!
//! An event leaves once for each sink that serves somebody. A sink that has no room is behind: it is told so, its
//! subscribers are counted out, and it attaches them again, each after the last event that he got, when it has worked
//! off what it had. The same is true when all of this comes to a sudden end.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use prometheus::IntCounter;
use tracing::warn;

use crate::{
    domain::{SubscriberId, UserId, subscribers::Subscribers},
    seldom::Seldom,
};

use super::{
    VaultHandle,
    meters::Meters,
    notice::{Audience, Body, Delivery, Notice, Sink, SinkId},
    vitals::Vitals,
};

/// The subscribers of one vault.
pub(super) struct Listeners {
    vault: VaultHandle,
    subscribers: Subscribers<SinkId>,
    sinks: HashMap<SinkId, Arc<dyn Sink>>,
    /// Sinks that had no room; they are sent nothing until they have caught up.
    behind: HashSet<SinkId>,
    /// A sink that falls behind does so again and again until whatever holds it up is over.
    behindhand: Seldom,
    vitals: Arc<Vitals>,
    fell_behind: IntCounter,
}

impl Listeners {
    /// Nobody, yet.
    pub(super) fn of(vault: VaultHandle, vitals: Arc<Vitals>, meters: &Meters) -> Self {
        Self {
            vault,
            subscribers: Subscribers::default(),
            sinks: HashMap::new(),
            behind: HashSet::new(),
            behindhand: Seldom::new(),
            vitals,
            fell_behind: meters.fell_behind.clone(),
        }
    }

    /// Whether nobody listens, and nobody is about to come back.
    pub(super) fn is_empty(&self) -> bool {
        self.subscribers.is_empty() && self.behind.is_empty()
    }

    /// Whether this sink is sent nothing for now.
    pub(super) fn is_behind(&self, sink: SinkId) -> bool {
        self.behind.contains(&sink)
    }

    /// Counts a subscriber in, who has heard everything so far, unless his sink has just fallen behind.
    pub(super) fn insert(&mut self, id: SubscriberId, user: UserId, sink: &Arc<dyn Sink>) {
        if !self.is_behind(sink.id()) {
            self.sinks.entry(sink.id()).or_insert_with(|| sink.clone());
            self.subscribers.insert(id, user, sink.id());
            self.count();
        }
    }

    /// Whether a subscriber is counted in.
    pub(super) fn has(&self, id: SubscriberId) -> bool {
        self.subscribers.contains(id)
    }

    /// Counts a subscriber out.
    pub(super) fn remove(&mut self, id: SubscriberId) {
        self.subscribers.remove(id);
        self.count();
    }

    /// The sink has room again, and nobody whom it serves is counted in.
    pub(super) fn caught_up(&mut self, sink: SinkId) {
        self.behind.remove(&sink);
        self.subscribers.remove_sink(sink);
        self.count();
    }

    /// Tells everybody.
    pub(super) fn tell_everyone(&mut self, notice: &Arc<Notice>) {
        let sinks: Vec<_> = self.subscribers.sinks().collect();
        for id in sinks {
            if let Some(sink) = self.sinks.get(&id).cloned() {
                self.tell(&sink, Audience::Everyone, notice);
            }
        }
    }

    /// Tells one, who need not be counted in.
    pub(super) fn tell_one(
        &mut self,
        id: SubscriberId,
        sink: &Arc<dyn Sink>,
        notice: &Arc<Notice>,
    ) {
        self.tell(sink, Audience::Only(vec![id]), notice);
    }

    /// Ends every subscription of a user who is no longer a member.
    pub(super) fn dismiss(&mut self, user: &UserId) {
        let mut by_sink: HashMap<SinkId, Vec<SubscriberId>> = HashMap::new();
        for (id, sink) in self.subscribers.remove_user(user) {
            by_sink.entry(sink).or_default().push(id);
        }
        self.count();
        let notice = Notice::new(Body::Removed);
        for (id, subscribers) in by_sink {
            if let Some(sink) = self.sinks.get(&id).cloned() {
                self.tell(&sink, Audience::Only(subscribers), &notice);
            }
        }
    }

    /// Ends every subscription: the vault is no more.
    pub(super) fn close(&mut self) {
        self.tell_everyone(&Notice::new(Body::Closed));
        self.subscribers = Subscribers::default();
        self.count();
    }

    fn count(&self) {
        self.vitals.is_heard_by(self.subscribers.len());
    }

    /// Hands a notice to a sink; one that has no room is left out until it has caught up.
    fn tell(&mut self, sink: &Arc<dyn Sink>, to: Audience, notice: &Arc<Notice>) {
        let id = sink.id();
        if self.is_behind(id) {
            return;
        }
        let delivery = Delivery {
            vault: self.vault.id().clone(),
            to,
            notice: notice.clone(),
        };
        if sink.deliver(delivery).is_err() {
            if let Some(unsaid) = self.behindhand.now() {
                warn!(vault.id = %self.vault.id(), sink = id.0, unsaid, "a sink fell behind; its subscribers are told later");
            }
            self.fell_behind.inc();
            self.behind.insert(id);
            self.subscribers.remove_sink(id);
            self.count();
            sink.fell_behind(self.vault.clone());
        }
    }
}

impl Drop for Listeners {
    /// The actor died, for it does not end while somebody listens: its sinks missed what comes from here on.
    fn drop(&mut self) {
        for id in self.subscribers.sinks() {
            if let Some(sink) = self.sinks.get(&id) {
                sink.fell_behind(self.vault.clone());
            }
        }
    }
}
