//! The live subscribers of one vault and their sinks.
//!
//! An event is delivered once to each sink that has a live subscriber. A sink without room has fallen behind: it is
//! notified, its subscribers are removed, and it attaches them again when it has processed its queue, each after the last
//! event that it received.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    domain::{SubscriberId, UserId, subscribers::Subscribers},
    vault::{
        handle::SinkId,
        notice::{Notice, NoticeBody, NoticeReceivers},
    },
};

use super::{effect::VaultEffect, step::Step};

/// The live subscribers of one vault.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Fanout {
    subscribers: Subscribers<SinkId>,
    /// Sinks that were full. They receive nothing until they have caught up.
    behind: BTreeSet<SinkId>,
}

impl Fanout {
    /// Returns the number of live subscribers.
    pub(super) fn len(&self) -> usize {
        self.subscribers.len()
    }

    /// Returns whether there is a live subscriber.
    pub(super) fn has_subscribers(&self) -> bool {
        !self.subscribers.is_empty()
    }

    /// Returns the sinks that serve a live subscriber.
    pub(super) fn sinks(&self) -> impl Iterator<Item = SinkId> + '_ {
        self.subscribers.sinks()
    }

    /// Returns whether there is no live subscriber and no sink that will attach subscribers again.
    pub(super) fn is_empty(&self) -> bool {
        self.subscribers.is_empty() && self.behind.is_empty()
    }

    /// Returns whether a sink has fallen behind and not yet caught up.
    pub(super) fn is_behind(&self, sink: SinkId) -> bool {
        self.behind.contains(&sink)
    }

    /// Adds a live subscriber that misses no event, unless its sink has fallen behind.
    pub(super) fn insert(&mut self, id: SubscriberId, user: UserId, sink: SinkId) {
        if !self.is_behind(sink) {
            self.subscribers.insert(id, user, sink);
        }
    }

    /// Returns whether a subscriber is live.
    pub(super) fn contains(&self, id: SubscriberId) -> bool {
        self.subscribers.contains(id)
    }

    /// Removes a subscriber.
    pub(super) fn remove(&mut self, id: SubscriberId) {
        self.subscribers.remove(id);
    }

    /// Records that a sink had no room. It receives nothing more until it has caught up.
    pub(super) fn fell_behind(&mut self, sink: SinkId, step: &mut Step<'_>) {
        self.behind.insert(sink);
        self.subscribers.remove_sink(sink);
        step.effects.push(VaultEffect::ReportBehind(sink));
    }

    /// Records that a sink has room again. It has no live subscriber until it attaches them.
    pub(super) fn caught_up(&mut self, sink: SinkId) {
        self.behind.remove(&sink);
        self.subscribers.remove_sink(sink);
    }

    /// Delivers a notice to all live subscribers.
    pub(super) fn broadcast(&self, notice: &Arc<Notice>, step: &mut Step<'_>) {
        for sink in self.subscribers.sinks() {
            self.deliver(sink, NoticeReceivers::All, notice, step);
        }
    }

    /// Delivers a notice to one subscriber, which need not be live.
    pub(super) fn send_to(
        &self,
        id: SubscriberId,
        sink: SinkId,
        notice: &Arc<Notice>,
        step: &mut Step<'_>,
    ) {
        self.deliver(sink, NoticeReceivers::Only(vec![id]), notice, step);
    }

    /// Ends every subscription of a user who is no longer a member.
    pub(super) fn remove_user(&mut self, user: &UserId, step: &mut Step<'_>) {
        let mut by_sink: BTreeMap<SinkId, Vec<SubscriberId>> = BTreeMap::new();
        for (id, sink) in self.subscribers.remove_user(user) {
            by_sink.entry(sink).or_default().push(id);
        }
        let notice = Notice::new(NoticeBody::Removed, step.now);
        for (sink, removed) in by_sink {
            self.deliver(sink, NoticeReceivers::Only(removed), &notice, step);
        }
    }

    /// Ends every subscription, because the vault was deleted.
    pub(super) fn close_all(&mut self, step: &mut Step<'_>) {
        let notice = Notice::new(NoticeBody::Closed, step.now);
        self.broadcast(&notice, step);
        self.subscribers = Subscribers::default();
    }

    fn deliver(
        &self,
        sink: SinkId,
        to: NoticeReceivers,
        notice: &Arc<Notice>,
        step: &mut Step<'_>,
    ) {
        if !self.is_behind(sink) {
            let notice = notice.clone();
            step.effects.push(VaultEffect::Deliver { sink, to, notice });
        }
    }
}
