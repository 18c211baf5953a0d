//! The subscriptions for which the journal is being read. When a read completes, its subscriber may have left,
//! subscribed again, or been removed with its sink. The result is then dropped.

use std::collections::HashMap;

use crate::domain::SubscriberId;

use super::{handle::SinkId, subscribe::Subscribe};

/// The subscriptions that wait for a read, at most one for each subscriber.
#[derive(Default)]
pub(super) struct PendingReads(HashMap<SubscriberId, PendingRead>);

struct PendingRead {
    ticket: u64,
    sink: SinkId,
}

impl PendingReads {
    /// Records that a read starts for this subscription. It replaces an earlier one of the same subscriber.
    pub(super) fn begin(&mut self, subscribe: &Subscribe) {
        let read = PendingRead {
            ticket: subscribe.subscription.ticket,
            sink: subscribe.sink.id(),
        };
        self.0.insert(subscribe.subscription.subscriber, read);
    }

    /// Ends the read. Returns whether the subscription still waits for it.
    pub(super) fn end(&mut self, subscribe: &Subscribe) -> bool {
        let subscriber = &subscribe.subscription.subscriber;
        let ticket = subscribe.subscription.ticket;
        let is_current = |read: &PendingRead| read.ticket == ticket;
        let is_awaited = self.0.get(subscriber).is_some_and(is_current);
        if is_awaited {
            self.0.remove(subscriber);
        }
        is_awaited
    }

    /// Cancels the read of a subscriber.
    pub(super) fn cancel(&mut self, subscriber: SubscriberId) {
        self.0.remove(&subscriber);
    }

    /// Cancels all reads of a sink.
    pub(super) fn cancel_sink(&mut self, sink: SinkId) {
        self.0.retain(|_, read| read.sink != sink);
    }
}
