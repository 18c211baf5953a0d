//! The beginning and the end of a connection: a recovered connection resumes its subscriptions, and a connection that ends
//! saves its recovery state.

use std::{
    cell::{Cell, RefCell},
    mem,
    rc::Rc,
};

use crate::{
    access::limits::SocketPermit,
    domain::{Principal, UserId},
    gateway::{
        connections::RecoverableConnection,
        recovery::{PendingJoinState, RecoveredSocket, RecoveryRequest, RecoveryState},
        relay::{DeliverySocket, Relay},
        trace::{DeliveryTrace, ResumedSubscription},
    },
};
use actix_socketio::{Socket, SocketIdentity, engineio::CloseReason, random_id};

use super::{
    joined_vaults::JoinedVault,
    state::{ConnectionContext, ConnectionState, LookupState, UserConnection},
};

/// The parameters of a connection.
pub(in crate::gateway) struct ConnectionParams {
    pub socket: Socket,
    pub user: Principal,
    pub permit: SocketPermit,
    /// The current relay of the worker thread.
    pub relay: Relay,
    /// What the client requested. [`RecoveryRequest::Off`] if recovery is disabled.
    pub recovery: RecoveryRequest,
    /// The connection to continue. `None` starts a new one.
    pub recovered: Option<RecoveredSocket>,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::gateway) enum ConnectionEnd {
    /// The transport was lost or closed. The recovery state is saved.
    Recoverable,
    /// The client or the server left the namespace. The recovery state is discarded.
    Final,
}

impl UserConnection {
    /// Starts a connection, or continues a recovered one.
    pub(in crate::gateway) fn new(
        context: Rc<ConnectionContext>,
        params: ConnectionParams,
    ) -> Self {
        let ConnectionParams {
            socket,
            user,
            permit,
            relay,
            recovery,
            recovered,
        } = params;
        let (id, pid, resumed, _claim) = match recovered {
            Some(recovered) => {
                let RecoveredSocket {
                    pid,
                    id,
                    subscriptions,
                    claim,
                } = recovered;
                (Some(id), pid, subscriptions, Some(claim))
            }
            None => (None, random_id(), Vec::new(), None),
        };
        let (pid, initial_offset) = match recovery {
            RecoveryRequest::Off => (None, None),
            RecoveryRequest::New => (Some(pid), None),
            RecoveryRequest::Claim(claim) => (Some(pid), claim.offset),
        };
        if let Some(pid) = &pid {
            socket.set_identity(SocketIdentity {
                id: id.unwrap_or_else(random_id),
                pid: Some(pid.clone()),
            });
        }
        let new_trace = || DeliveryTrace::new(context.recovery.traced_packets(), initial_offset);
        let trace = pid.is_some().then(new_trace);
        let delivery = DeliverySocket::new(socket.clone(), user.id.clone(), trace);
        let connection = Self(Rc::new(ConnectionState {
            attachment: relay.attach(&delivery),
            delivery,
            context,
            relay,
            socket,
            user,
            subscriptions: RefCell::default(),
            lookup: RefCell::default(),
            pid,
            permit: Cell::new(Some(permit)),
            has_left: Cell::new(false),
        }));
        connection.register();
        connection.resume(resumed);
        connection
    }

    /// Registers the connection for recovery.
    fn register(&self) {
        let ConnectionContext {
            connections,
            recovery,
            ..
        } = &*self.0.context;
        if let Some(pid) = &self.0.pid {
            connections.insert(pid, self.0.clone());
            recovery.register(pid, self.0.relay.handle());
        }
    }

    /// Resumes the subscriptions of a recovered connection.
    fn resume(&self, resumed: Vec<ResumedSubscription>) {
        let (vaults, relay) = (&self.0.context.vaults, &self.0.relay);
        for subscription in resumed {
            let vault = subscription.vault.clone();
            let subscriber = relay.resume(vaults.open(&vault), &self.0.attachment, subscription);
            let joined = JoinedVault { vault, subscriber };
            self.0.subscriptions.borrow_mut().insert(joined);
        }
    }

    /// Ends the connection. Has no effect when called again.
    pub(in crate::gateway) fn end(&self, end: ConnectionEnd) {
        self.0.leave_all(end);
        if let Some(pid) = &self.0.pid {
            let connection: Rc<dyn RecoverableConnection> = self.0.clone();
            self.0.context.connections.remove(pid, &connection);
        }
    }
}

impl RecoverableConnection for ConnectionState {
    fn user(&self) -> &UserId {
        &self.user.id
    }

    fn suspend(&self) {
        self.leave_all(ConnectionEnd::Recoverable);
    }

    fn close(&self, reason: CloseReason) {
        self.socket.close(reason);
    }
}

impl ConnectionState {
    /// Leaves all vaults and saves or discards the recovery state. Has no effect when called again.
    fn leave_all(&self, end: ConnectionEnd) {
        if self.has_left.replace(true) {
            return;
        }
        let relay = &self.relay;
        // A lookup in progress finds no request to continue with.
        self.lookup.replace(LookupState::Idle);
        self.permit.take();
        let subscriptions = self.subscriptions.take();
        if let Some(pid) = &self.pid {
            let recovery = &self.context.recovery;
            let trace = self.delivery.with_trace(mem::take);
            match trace.filter(|_| end == ConnectionEnd::Recoverable) {
                Some(mut trace) => {
                    let trace_dropped = &self.context.metrics.trace_dropped;
                    trace_dropped.inc_by(trace.take_dropped());
                    let pending_joins = subscriptions.iter().flat_map(|joined| {
                        let JoinedVault { vault, subscriber } = joined;
                        let joins = relay.pending_joins(vault, *subscriber).into_iter();
                        joins.map(|attach| PendingJoinState {
                            vault: vault.clone(),
                            attach,
                        })
                    });
                    let state = RecoveryState {
                        user: self.user.id.clone(),
                        id: self.socket.id().to_owned(),
                        trace,
                        pending_joins: pending_joins.collect(),
                    };
                    recovery.save(pid, state);
                }
                None => recovery.unregister(pid, relay.handle()),
            }
        }
        for JoinedVault { vault, subscriber } in subscriptions {
            relay.leave(&vault, subscriber);
        }
    }
}
