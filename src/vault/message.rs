//! The messages of a vault's actor.

use std::time::Instant;

use actix::prelude::*;

use super::state::VaultActor;

/// A message to a vault's actor.
pub(super) trait VaultMessage: Send + 'static {
    /// The number of queue slots that the message holds.
    const SLOTS: usize = 0;
    /// Whether the message is a request, which keeps the vault loaded.
    const IS_USE: bool = true;

    /// Handles the message.
    fn handle(self, vault: &mut VaultActor, ctx: &mut Context<VaultActor>);
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
