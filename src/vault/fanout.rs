//! Delivers the notices of one vault to its subscribers through their sinks.
//!
//! An event is delivered once to each sink that has a live subscriber. A sink without room has fallen behind: it is
//! notified, its subscribers are removed, and it attaches them again when it has processed its queue, each after the last
//! event that it received. The same happens when the vault's actor panics.

use std::{collections::HashMap, sync::Arc};

use prometheus::IntCounter;
use tracing::warn;

use crate::{
    domain::{SubscriberId, UserId, subscribers::Subscribers},
    telemetry::throttle::LogThrottle,
};

use super::{
    handle::{Sink, SinkId, VaultHandle},
    metrics::VaultMetrics,
    notice::{Delivery, Notice, NoticeBody, NoticeReceivers},
    stats::VaultStatsRecorder,
};

/// The live subscribers of one vault and their sinks.
pub(super) struct Fanout {
    vault: VaultHandle,
    subscribers: Subscribers<SinkId>,
    sinks: HashMap<SinkId, Arc<dyn Sink>>,
    /// Sinks that were full. They receive nothing until they have caught up.
    behind: HashMap<SinkId, Arc<dyn Sink>>,
    log_throttle: LogThrottle,
    stats: Arc<VaultStatsRecorder>,
    fell_behind: IntCounter,
}

impl Fanout {
    pub(super) fn new(
        vault: VaultHandle,
        stats: Arc<VaultStatsRecorder>,
        metrics: &VaultMetrics,
    ) -> Self {
        Self {
            vault,
            subscribers: Subscribers::default(),
            sinks: HashMap::new(),
            behind: HashMap::new(),
            log_throttle: LogThrottle::new(),
            stats,
            fell_behind: metrics.fell_behind.clone(),
        }
    }

    /// Returns whether there is no live subscriber and no sink that will attach subscribers again.
    pub(super) fn is_empty(&self) -> bool {
        self.subscribers.is_empty() && self.behind.values().all(|sink| sink.is_closed())
    }

    /// Returns whether a sink has fallen behind and not yet caught up.
    pub(super) fn is_behind(&self, sink: SinkId) -> bool {
        self.behind.contains_key(&sink)
    }

    /// Adds a live subscriber that misses no event, unless its sink has fallen behind.
    pub(super) fn insert(&mut self, id: SubscriberId, user: UserId, sink: &Arc<dyn Sink>) {
        if !self.is_behind(sink.id()) {
            self.sinks.entry(sink.id()).or_insert_with(|| sink.clone());
            self.subscribers.insert(id, user, sink.id());
            self.update_stats();
        }
    }

    /// Returns whether a subscriber is live.
    pub(super) fn contains(&self, id: SubscriberId) -> bool {
        self.subscribers.contains(id)
    }

    /// Removes a subscriber.
    pub(super) fn remove(&mut self, id: SubscriberId) {
        self.subscribers.remove(id);
        self.update_stats();
    }

    /// Records that a sink has room again. It has no live subscriber until it attaches them.
    pub(super) fn caught_up(&mut self, sink: SinkId) {
        self.behind.remove(&sink);
        self.subscribers.remove_sink(sink);
        self.update_stats();
    }

    /// Delivers a notice to all live subscribers.
    pub(super) fn broadcast(&mut self, notice: &Arc<Notice>) {
        let sinks: Vec<_> = self.subscribers.sinks().collect();
        for id in sinks {
            if let Some(sink) = self.sinks.get(&id).cloned() {
                self.deliver(&sink, NoticeReceivers::All, notice);
            }
        }
    }

    /// Delivers a notice to one subscriber, which need not be live.
    pub(super) fn send_to(&mut self, id: SubscriberId, sink: &Arc<dyn Sink>, notice: &Arc<Notice>) {
        self.deliver(sink, NoticeReceivers::Only(vec![id]), notice);
    }

    /// Ends every subscription of a user who is no longer a member.
    pub(super) fn remove_user(&mut self, user: &UserId) {
        let mut by_sink: HashMap<SinkId, Vec<SubscriberId>> = HashMap::new();
        for (id, sink) in self.subscribers.remove_user(user) {
            by_sink.entry(sink).or_default().push(id);
        }
        self.update_stats();
        let notice = Notice::new(NoticeBody::Removed);
        for (id, subscribers) in by_sink {
            if let Some(sink) = self.sinks.get(&id).cloned() {
                self.deliver(&sink, NoticeReceivers::Only(subscribers), &notice);
            }
        }
    }

    /// Ends every subscription, because the vault was deleted.
    pub(super) fn close_all(&mut self) {
        self.broadcast(&Notice::new(NoticeBody::Closed));
        self.subscribers = Subscribers::default();
        self.update_stats();
    }

    fn update_stats(&self) {
        self.stats.set_subscribers(self.subscribers.len());
    }

    /// Delivers a notice to a sink. A full sink receives nothing more until it has caught up.
    fn deliver(&mut self, sink: &Arc<dyn Sink>, to: NoticeReceivers, notice: &Arc<Notice>) {
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
            // An overloaded sink falls behind repeatedly.
            if let Some(suppressed) = self.log_throttle.allow() {
                warn!(vault.id = %self.vault.id(), sink = id.0, suppressed, "sink fell behind; its subscribers resume later");
            }
            self.fell_behind.inc();
            self.behind.insert(id, sink.clone());
            self.subscribers.remove_sink(id);
            self.update_stats();
            sink.fell_behind(self.vault.clone());
        }
    }
}

impl Drop for Fanout {
    /// Notifies the sinks of a panic of the actor. An actor that ends normally has no subscriber.
    fn drop(&mut self) {
        for id in self.subscribers.sinks() {
            if let Some(sink) = self.sinks.get(&id) {
                sink.fell_behind(self.vault.clone());
            }
        }
    }
}
