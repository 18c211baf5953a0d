//! The requests to subscribe for which the database is being read. When a read completes, its subscriber may have left,
//! subscribed again, or been removed with its sink. The result is then dropped.

use std::collections::BTreeMap;

use crate::{
    domain::{Seq, SubscriberId},
    vault::handle::SinkId,
};

use super::{ids::SubscribeId, input::SubscribeRequest};

/// The requests that wait for a read, at most one awaited for each subscriber.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct PendingReads {
    awaited: BTreeMap<SubscriberId, AwaitedRead>,
    /// The replay pages that are being read.
    pages: BTreeMap<SubscribeId, PendingPage>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct AwaitedRead {
    request: SubscribeId,
    sink: SinkId,
}

/// A replay page that is being read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct PendingPage {
    pub(super) request: SubscribeRequest,
    /// The seq before the first record of the page.
    pub(super) after: Seq,
}

impl PendingReads {
    /// Returns whether no page is being read.
    pub(super) fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    /// Records that a read starts for this request. Returns whether it replaces an earlier one of the same subscriber.
    pub(super) fn begin(&mut self, request: &SubscribeRequest) -> bool {
        let read = AwaitedRead {
            request: request.id,
            sink: request.sink,
        };
        let subscriber = request.subscription.subscriber;
        self.awaited.insert(subscriber, read).is_some()
    }

    /// Records that a replay page is being read for this request.
    pub(super) fn begin_page(&mut self, page: PendingPage) {
        self.begin(&page.request);
        self.pages.insert(page.request.id, page);
    }

    /// Takes the request whose page was read.
    pub(super) fn take_page(&mut self, request: SubscribeId) -> Option<PendingPage> {
        self.pages.remove(&request)
    }

    /// Returns whether the subscriber of a request still waits for its read.
    pub(super) fn is_awaited(&self, request: &SubscribeRequest) -> bool {
        let awaited = self.awaited.get(&request.subscription.subscriber);
        awaited.is_some_and(|awaited| awaited.request == request.id)
    }

    /// Ends the read of a request. Returns whether its subscriber still waits for it.
    pub(super) fn end(&mut self, request: &SubscribeRequest) -> bool {
        let is_awaited = self.is_awaited(request);
        if is_awaited {
            self.awaited.remove(&request.subscription.subscriber);
        }
        is_awaited
    }

    /// Cancels the read of a subscriber. Returns whether there was one.
    pub(super) fn cancel(&mut self, subscriber: SubscriberId) -> bool {
        self.awaited.remove(&subscriber).is_some()
    }

    /// Cancels all reads of a sink. Returns whether there were any.
    pub(super) fn cancel_sink(&mut self, sink: SinkId) -> bool {
        let before = self.awaited.len();
        self.awaited.retain(|_, awaited| awaited.sink != sink);
        self.awaited.len() < before
    }
}
