//! The state of one connected user.

use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, VecDeque},
    rc::Rc,
};

use crate::{
    access::limits::{Limits, SocketPermit},
    domain::{Principal, SubscriberId, VaultId},
    gateway::{
        connections::ConnectionRegistry,
        metrics::GatewayMetrics,
        protocol::ClientRequest,
        recovery::RecoveryStore,
        relay::{DeliverySocket, Relay, SocketAttachment},
    },
    vault::Vaults,
};
use actix_socketio::Socket;

use super::responses::ResponseContext;

/// What connections of a worker thread share.
#[derive(Clone)]
pub(in crate::gateway) struct ConnectionContext {
    pub vaults: Vaults,
    /// The relay of this connection. After a panic, later connections have another one.
    pub relay: Relay,
    pub connections: ConnectionRegistry,
    pub limits: Limits,
    pub recovery: RecoveryStore,
    pub metrics: GatewayMetrics,
}

/// One connected user. Clones are the same connection.
#[derive(Clone)]
pub(in crate::gateway) struct UserConnection(pub(super) Rc<ConnectionState>);

pub(super) struct ConnectionState {
    pub(super) context: ConnectionContext,
    pub(super) socket: Socket,
    pub(super) delivery: DeliverySocket,
    pub(super) user: Principal,
    pub(super) attachment: SocketAttachment,
    /// The subscriptions by vault. Some may have ended; the relay has the current ones.
    pub(super) subscriptions: RefCell<HashMap<VaultId, SubscriberId>>,
    /// Requests that wait for a lookup, oldest first.
    pub(super) queue: RefCell<VecDeque<QueuedRequest>>,
    /// Whether a lookup is in progress. It continues with the queue when it is done.
    pub(super) looking_up: Cell<bool>,
    /// Identifies the connection for recovery. `None` if it is not recoverable.
    pub(super) pid: Option<String>,
    /// Counts the socket for its user until the connection leaves.
    pub(super) permit: Cell<Option<SocketPermit>>,
    /// Whether the subscriptions have ended. Later events of the client are ignored.
    pub(super) has_left: Cell<bool>,
}

/// A request with what its response needs.
pub(super) struct QueuedRequest {
    pub(super) request: ClientRequest,
    pub(super) response: ResponseContext,
}
