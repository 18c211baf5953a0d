//! The state of one connected user.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
};

use crate::{
    access::limits::{Limits, SocketPermit},
    domain::Principal,
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

use super::{joined_vaults::JoinedVaults, responses::ResponseContext};

/// What all connections of a worker thread share.
pub(in crate::gateway) struct ConnectionContext {
    pub vaults: Vaults,
    pub connections: ConnectionRegistry,
    pub limits: Limits,
    pub recovery: RecoveryStore,
    pub metrics: GatewayMetrics,
}

/// One connected user. Clones are the same connection.
#[derive(Clone)]
pub(in crate::gateway) struct UserConnection(pub(super) Rc<ConnectionState>);

pub(super) struct ConnectionState {
    pub(super) context: Rc<ConnectionContext>,
    /// The relay of this connection. After a panic, later connections have another one.
    pub(super) relay: Relay,
    pub(super) socket: Socket,
    pub(super) delivery: DeliverySocket,
    pub(super) user: Principal,
    pub(super) attachment: SocketAttachment,
    /// The subscriptions by vault. Some may have ended; the relay has the current ones.
    pub(super) subscriptions: RefCell<JoinedVaults>,
    pub(super) lookup: RefCell<LookupState>,
    /// Identifies the connection for recovery. `None` if it is not recoverable.
    pub(super) pid: Option<String>,
    /// Counts the socket for its user until the connection leaves.
    pub(super) permit: Cell<Option<SocketPermit>>,
    /// Whether the subscriptions have ended. Later events of the client are ignored.
    pub(super) has_left: Cell<bool>,
}

/// Whether a request waits for a lookup. Without one, requests are executed at once, and there is no queue.
#[derive(Default)]
pub(super) enum LookupState {
    #[default]
    Idle,
    /// The lookup continues with these requests when it is done, oldest first.
    InProgress(VecDeque<QueuedRequest>),
}

/// A request with what its response needs.
pub(super) struct QueuedRequest {
    pub(super) request: ClientRequest,
    pub(super) response: ResponseContext,
}
