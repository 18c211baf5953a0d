//! The messages about subscriptions.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use crate::domain::SubscriberId;

use super::{
    handle::{Sink, SinkId, VaultHandle},
    subscription::Subscription,
};

/// The message that attaches a subscriber. The answer and all notices go to its sink.
pub(super) struct Subscribe {
    pub(super) subscription: Subscription,
    pub(super) sink: Arc<dyn Sink>,
    vault: VaultHandle,
    is_finished: bool,
    _permit: Option<OwnedSemaphorePermit>,
}

/// The message that ends a subscription.
pub(super) struct Leave(pub SubscriberId);

/// The message that reports that a sink has room again.
pub(super) struct CaughtUp(pub SinkId);

impl Subscribe {
    pub(super) fn new(
        subscription: Subscription,
        sink: Arc<dyn Sink>,
        vault: VaultHandle,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Self {
        Self {
            subscription,
            sink,
            vault,
            is_finished: false,
            _permit: permit,
        }
    }

    /// Ends the request: it was answered, or no answer is expected any more.
    pub(super) fn finish(mut self) {
        self.is_finished = true;
    }
}

impl Drop for Subscribe {
    /// Notifies the sink if the actor ended before the request was finished, so that the sink requests it again.
    fn drop(&mut self) {
        if !self.is_finished {
            self.sink.fell_behind(self.vault.clone());
        }
    }
}
