//! The requests of connections to their relay: join, resume and leave vaults.

use crate::{
    domain::{SubscriberId, VaultId},
    gateway::trace::ResumedSubscription,
    vault::{Attach, VaultHandle},
};
use actix_socketio::Ack;

use super::{
    machine::{RelayInput, SeatId},
    socket_table::SocketAttachment,
    state::{Relay, new_subscriber_id},
};

/// A socket's request to join a vault.
pub(in crate::gateway) struct JoinRequest {
    pub vault: VaultHandle,
    /// The subscription that the socket already has of the vault.
    pub subscriber: Option<SubscriberId>,
    pub attach: Attach,
    pub ack: Option<Ack>,
}

impl Relay {
    /// Joins a vault and returns the id of the subscription. The vault's answer reaches the socket in order with all other
    /// packets of the vault.
    pub(in crate::gateway) fn join(
        &self,
        request: JoinRequest,
        socket: &SocketAttachment,
    ) -> SubscriberId {
        let JoinRequest {
            vault,
            subscriber,
            attach,
            ack,
        } = request;
        let subscriber = subscriber
            .filter(|id| self.is_subscribed(vault.id(), *id))
            .unwrap_or_else(new_subscriber_id);
        let seat = SeatId {
            socket: socket.id(),
            subscriber,
        };
        let (id, ack) = self.with_io(|io| (io.keep_vault(vault), ack.map(|ack| io.keep_ack(ack))));
        self.input(RelayInput::Join {
            vault: &id,
            seat,
            attach,
            ack,
        });
        subscriber
    }

    /// Resumes a subscription on another connection and returns its id. A `vault:joined` that the client has not received
    /// is sent again first.
    pub(in crate::gateway) fn resume(
        &self,
        vault: VaultHandle,
        socket: &SocketAttachment,
        resumed: ResumedSubscription,
    ) -> SubscriberId {
        let seat = SeatId {
            socket: socket.id(),
            subscriber: new_subscriber_id(),
        };
        let id = self.with_io(|io| io.keep_vault(vault));
        self.input(RelayInput::Resume {
            vault: &id,
            seat,
            resumed,
        });
        seat.subscriber
    }

    /// Ends a subscription: the socket receives no further packet of the vault. Returns the acknowledgements of pending
    /// joins.
    pub(in crate::gateway) fn leave(&self, vault: &VaultId, subscriber: SubscriberId) -> Vec<Ack> {
        self.input(RelayInput::Leave { vault, subscriber })
            .cancelled
    }
}
