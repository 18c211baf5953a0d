//! The subscriptions that the sockets of one worker thread have of one vault.

use std::collections::HashMap;

use crate::{
    contract::problem::{ErrorCode, Problem},
    domain::SubscriberId,
    gateway::{
        emit::{acknowledge, emit},
        protocol::{self, ClientEvent},
    },
    vault::{VaultError, VaultHandle},
};

use super::{replay_permits::VaultReplayPermits, socket_subscription::SocketSubscription};

/// The subscriptions of one vault.
pub(super) struct VaultSubscriptions {
    pub(super) vault: VaultHandle,
    pub(super) sockets: HashMap<SubscriberId, SocketSubscription>,
    pub(super) replay_permits: VaultReplayPermits,
}

impl VaultSubscriptions {
    pub(super) fn new(vault: VaultHandle) -> Self {
        Self {
            vault,
            sockets: HashMap::new(),
            replay_permits: VaultReplayPermits::new(),
        }
    }

    /// Refuses the oldest pending join of a socket, and removes the subscription if it had not joined before. Returns the
    /// error code, or `None` if no join was pending.
    pub(super) fn refuse_join(&mut self, id: SubscriberId, error: VaultError) -> Option<ErrorCode> {
        let subscription = self.sockets.get_mut(&id)?;
        let join = subscription.joins.pop_front()?;
        let problem = Problem::from(error);
        let code = problem.code;
        let vault = self.vault.id().clone();
        let error = protocol::ErrorPayload::new(problem, ClientEvent::Join.name(), Some(vault));
        emit(&subscription.socket.socket, protocol::ERROR, &error);
        if let Some(ack) = join.ack {
            acknowledge(ack, &error.acknowledgement());
        }
        if subscription.last_sent.is_none() && subscription.joins.is_empty() {
            self.vault.leave(id);
            self.sockets.remove(&id);
        }
        Some(code)
    }

    /// Ends the subscription of a socket. A subscription with pending joins stays until the vault has answered them.
    pub(super) fn end(&mut self, id: SubscriberId) {
        if self
            .sockets
            .get_mut(&id)
            .is_some_and(|subscription| !subscription.end_except_joins(id))
        {
            self.sockets.remove(&id);
        }
    }
}
