//! The two ends of the connection to a vault: requests go in through a [`VaultHandle`], and notices come out through
//! a [`Sink`].

use std::{future::Future, sync::Arc};

use tokio::sync::oneshot;

use crate::domain::{Mutation, MutationAnswer, SubscriberId, VaultId};

use super::{
    error::{MutationResult, VaultError},
    notice::Delivery,
    subscription::Subscription,
};

/// One vault, whether it is loaded or not: each request finds or starts the vault's actor. Cheap to clone.
#[derive(Clone)]
pub struct VaultHandle {
    id: VaultId,
    router: Arc<dyn VaultRouter>,
}

/// Forwards the requests of a [`VaultHandle`] to the vault's actor.
pub(super) trait VaultRouter: Send + Sync {
    /// Queues a mutation. The actor is started if it is not running.
    ///
    /// # Errors
    /// `Busy` if the queue is full, `Unavailable` during a shutdown.
    fn submit(
        &self,
        id: &VaultId,
        mutation: Mutation,
        answer: oneshot::Sender<MutationResult>,
    ) -> Result<(), VaultError>;

    /// Attaches a subscriber. The actor is started if it is not running.
    fn subscribe(&self, vault: &VaultHandle, subscription: Subscription, sink: Arc<dyn Sink>);

    /// Ends a subscription, if the actor is running.
    fn leave(&self, id: &VaultId, subscriber: SubscriberId);

    /// Reports that a sink has room again, if the actor is running.
    fn caught_up(&self, id: &VaultId, sink: SinkId);
}

impl VaultHandle {
    pub(super) fn new(id: VaultId, router: Arc<dyn VaultRouter>) -> Self {
        Self { id, router }
    }

    /// Returns the vault's id.
    pub fn id(&self) -> &VaultId {
        &self.id
    }

    /// Requests a mutation. When this returns, the mutation has its position in the vault's order. The future
    /// resolves to the result; dropping it does not cancel the mutation.
    ///
    /// # Errors
    /// From the future: `Busy` if the queue was full, a refusal, or a failure.
    pub fn submit(
        &self,
        mutation: Mutation,
    ) -> impl Future<Output = Result<MutationAnswer, VaultError>> + use<> {
        let (sender, answer) = oneshot::channel();
        let queued = self.router.submit(&self.id, mutation, sender);
        async move {
            queued?;
            answer.await.unwrap_or(Err(VaultError::Unavailable))
        }
    }

    /// Attaches a subscriber, or attaches it again. The [answer](super::Attached) and all notices are delivered
    /// through the sink, the answer first. A later subscription of the same subscriber replaces one that is not yet
    /// answered. If the actor ends before it answers, it calls [`Sink::fell_behind`].
    pub fn subscribe(&self, subscription: Subscription, sink: Arc<dyn Sink>) {
        self.router.subscribe(self, subscription, sink);
    }

    /// Ends a subscription. The sink must drop notices that are already queued.
    pub fn leave(&self, subscriber: SubscriberId) {
        self.router.leave(&self.id, subscriber);
    }

    /// Reports that a sink that had fallen behind has room again. Its earlier subscriptions are not answered any
    /// more; the sink must attach its subscribers next.
    pub fn caught_up(&self, sink: SinkId) {
        self.router.caught_up(&self.id, sink);
    }
}

/// The queue to which a vault delivers notices, one for each worker thread, for the subscribers of that thread. A subscriber receives
/// all notices of a vault through one sink, in one order.
pub trait Sink: Send + Sync {
    /// Returns the sink's id.
    fn id(&self) -> SinkId;

    /// Returns whether the sink has ended. Nothing that is delivered to it is received.
    fn is_closed(&self) -> bool {
        false
    }

    /// Appends a notice to the sink's queue. An empty sink accepts a notice of any [weight](Delivery::weight).
    ///
    /// # Errors
    /// `SinkFull` if it has no room. The vault then calls [`fell_behind`](Self::fell_behind) and sends no more.
    fn deliver(&self, delivery: Delivery) -> Result<(), SinkFull>;

    /// Reports that the sink's subscribers of this vault receive nothing more, because the sink was full or the
    /// vault's actor ended. The report is always accepted and queued behind the earlier notices.
    ///
    /// When the sink reaches it, it calls [`caught_up`](VaultHandle::caught_up), which cancels every subscription that
    /// was not answered, and attaches its subscribers again: after the last event that each of them received, or with
    /// their join if it was not yet answered.
    fn fell_behind(&self, vault: VaultHandle);

    /// Reports that the journal of the vault is another one than before: what the sink's subscribers of this vault have received
    /// may belong to other numbers. The report is always accepted and queued behind the earlier notices; `fell_behind` may
    /// follow. The sink ends these subscriptions, and does not attach them again.
    fn positions_unknown(&self, vault: VaultHandle);
}

/// The id of a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SinkId(pub u64);

/// The error of a sink that has no room for another notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SinkFull;
