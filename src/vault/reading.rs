//! For whom the journal is being read. By the time that it has been, he may have left, asked anew, or been left out with
//! his sink: then what was read is no longer for him.

use std::collections::HashMap;

use crate::domain::SubscriberId;

use super::{attach::Subscribe, notice::SinkId};

/// The subscriptions for which the journal is being read, at most one for each subscriber.
#[derive(Default)]
pub(super) struct Readings(HashMap<SubscriberId, Reading>);

struct Reading {
    ticket: u64,
    sink: SinkId,
}

impl Readings {
    /// The journal is read for this one, and for no earlier one of the same subscriber.
    pub(super) fn begin(&mut self, subscribe: &Subscribe) {
        let reading = Reading {
            ticket: subscribe.subscription.ticket,
            sink: subscribe.sink.id(),
        };
        self.0.insert(subscribe.subscription.subscriber, reading);
    }

    /// Ends it; whether it was still waited for.
    pub(super) fn end(&mut self, subscribe: &Subscribe) -> bool {
        let subscriber = &subscribe.subscription.subscriber;
        let ticket = subscribe.subscription.ticket;
        let awaited = |reading: &Reading| reading.ticket == ticket;
        let is_awaited = self.0.get(subscriber).is_some_and(awaited);
        if is_awaited {
            self.0.remove(subscriber);
        }
        is_awaited
    }

    /// This subscriber waits for nothing any longer.
    pub(super) fn forget(&mut self, subscriber: SubscriberId) {
        self.0.remove(&subscriber);
    }

    /// Nobody whom this sink serves waits for anything any longer.
    pub(super) fn forget_sink(&mut self, sink: SinkId) {
        self.0.retain(|_, reading| reading.sink != sink);
    }
}
