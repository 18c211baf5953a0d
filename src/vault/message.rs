//! The messages of a vault's actor. Each becomes an input of the machine.

use std::time::Instant;

use actix::prelude::*;

use crate::{
    domain::{Mutation, SubscriberId},
    telemetry::panics,
};

use super::{
    actor::VaultActor,
    callers::PendingMutation,
    handle::SinkId,
    machine::{SubscribeRequest, VaultInput},
    options::VaultOptions,
    sinks::OpenSubscribe,
    subscription::Subscription,
};

/// A message to a vault's actor.
pub(super) trait VaultMessage: Send + 'static {
    /// The number of queue slots that the message holds.
    const SLOTS: usize = 0;

    /// Whether the message is a request, which the statistics record as a use of the vault.
    const IS_USE: bool = true;

    /// Returns the input. The actor keeps what the answer needs.
    fn into_input(self, vault: &mut VaultActor) -> VaultInput;
}

/// A message and the time at which it was sent. The actor receives every message in an envelope.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Envelope<M: VaultMessage> {
    pub sent_at: Instant,
    pub message: M,
}

impl<M: VaultMessage> Envelope<M> {
    pub(super) fn new(message: M) -> Self {
        let sent_at = Instant::now();
        Self { sent_at, message }
    }
}

impl<M: VaultMessage> Handler<Envelope<M>> for VaultActor {
    type Result = ();

    fn handle(&mut self, envelope: Envelope<M>, ctx: &mut Self::Context) {
        let handling = self.metrics.mailbox.message_taken(envelope.sent_at);
        let _panic_context = panics::vault_scope(self.id.as_str());
        if M::IS_USE {
            self.stats.record_use(handling.started);
        }
        let input = envelope.message.into_input(self);
        self.handle_input(input, ctx);
    }
}

/// The message that requests a mutation.
pub(super) struct Submit {
    pub(super) mutation: Mutation,
    pub(super) pending: PendingMutation,
}

/// The message that attaches a subscriber. The answer and all notices go to its sink.
pub(super) struct Subscribe {
    pub(super) subscription: Subscription,
    pub(super) request: OpenSubscribe,
}

/// The message that ends a subscription.
pub(super) struct Leave(pub SubscriberId);

/// The message that reports that a sink has room again.
pub(super) struct CaughtUp(pub SinkId);

/// The message that the journal has moved on. The head is in the statistics, so that one message stands for all hints
/// that arrive before it is handled.
pub(super) struct RemoteHead;

/// The message that the sweep has found a lower head in the journal.
pub(super) struct HeadWentBack;

/// The message that the database has another epoch.
pub(super) struct HistoryReplaced;

/// The message that the memory of a vault that nothing uses is needed.
pub(super) struct Unload;

/// The message that changes the bounds of a loaded vault.
pub(super) struct Reconfigure(pub VaultOptions);

impl VaultMessage for Submit {
    const SLOTS: usize = 1;

    fn into_input(self, vault: &mut VaultActor) -> VaultInput {
        let Self { mutation, pending } = self;
        // The mutations before it may have been answered while this message was in the mailbox.
        vault.stats.mutation_queued(pending.queued_at());
        let caller = vault.callers.add(pending);
        VaultInput::Submit { caller, mutation }
    }
}

impl VaultMessage for Subscribe {
    fn into_input(self, vault: &mut VaultActor) -> VaultInput {
        let Self {
            subscription,
            request,
        } = self;
        let (id, sink) = vault.sinks.add(request);
        VaultInput::Subscribe(SubscribeRequest {
            id,
            subscription,
            sink,
        })
    }
}

impl VaultMessage for Leave {
    fn into_input(self, _: &mut VaultActor) -> VaultInput {
        VaultInput::Leave(self.0)
    }
}

impl VaultMessage for CaughtUp {
    fn into_input(self, _: &mut VaultActor) -> VaultInput {
        VaultInput::SinkReady(self.0)
    }
}

impl VaultMessage for Reconfigure {
    const IS_USE: bool = false;

    fn into_input(self, vault: &mut VaultActor) -> VaultInput {
        VaultInput::Reconfigure(self.0.for_machine(&vault.journal))
    }
}

impl VaultMessage for Unload {
    const IS_USE: bool = false;

    fn into_input(self, _: &mut VaultActor) -> VaultInput {
        VaultInput::Unload
    }
}

impl VaultMessage for HeadWentBack {
    const IS_USE: bool = false;

    fn into_input(self, _: &mut VaultActor) -> VaultInput {
        VaultInput::HeadWentBack
    }
}

impl VaultMessage for HistoryReplaced {
    const IS_USE: bool = false;

    fn into_input(self, _: &mut VaultActor) -> VaultInput {
        VaultInput::HistoryReplaced
    }
}

impl VaultMessage for RemoteHead {
    const IS_USE: bool = false;

    fn into_input(self, vault: &mut VaultActor) -> VaultInput {
        VaultInput::RemoteHead(vault.stats.take_hinted_head())
    }
}
