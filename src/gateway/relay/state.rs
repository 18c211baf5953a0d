//! The state of a relay: the subscriptions of its sockets, by vault.

use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, HashSet},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{
    domain::{SubscriberId, VaultId},
    gateway::{bounds::GatewayBounds, metrics::GatewayMetrics},
    vault::{VaultError, VaultHandle},
};
use actix_socketio::{Socket, engineio::CloseReason};

use super::{
    attached_sockets::{AttachedSockets, SocketAttachment},
    handle::RelayHandle,
    sink::RelaySink,
    vault_subscriptions::VaultSubscriptions,
};

/// The sockets of one worker thread and their subscriptions. Clones are the same relay.
#[derive(Clone)]
pub(in crate::gateway) struct Relay(pub(super) Rc<RelayState>);

/// Closes the transports of sockets whose relay has panicked. The clients reconnect and are recovered.
const RELAY_PANICKED: CloseReason = CloseReason::Fault;

/// The parameters of a relay.
#[derive(Clone)]
pub(in crate::gateway) struct RelayOptions {
    pub bounds: GatewayBounds,
    /// The epoch of the journal.
    pub epoch: String,
    pub metrics: GatewayMetrics,
}

pub(super) struct RelayState {
    pub(super) options: RelayOptions,
    pub(super) sink: Arc<RelaySink>,
    pub(super) handle: RelayHandle,
    pub(super) vaults: RefCell<HashMap<VaultId, VaultSubscriptions>>,
    /// Vaults that send no notices until the relay has caught up.
    pub(super) behind: RefCell<HashSet<VaultId>>,
    pub(super) next_ticket: Cell<u64>,
    attached: AttachedSockets,
    has_ended: Cell<bool>,
}

impl Relay {
    pub(super) fn new(options: RelayOptions, sink: RelaySink, handle: RelayHandle) -> Self {
        Self(Rc::new(RelayState {
            options,
            sink: Arc::new(sink),
            handle,
            vaults: RefCell::default(),
            behind: RefCell::default(),
            // Tickets are part of the offsets that clients send when they reconnect, perhaps to another process. A random
            // start makes them unique.
            next_ticket: Cell::new(u64::from(rand::random::<u32>()) << 32),
            attached: AttachedSockets::default(),
            has_ended: Cell::new(false),
        }))
    }

    /// Returns the handle by which other threads reach the connections of this worker thread.
    pub(in crate::gateway) fn handle(&self) -> &RelayHandle {
        &self.0.handle
    }

    /// Adds a socket that uses this relay. It is closed if the relay panics.
    pub(in crate::gateway) fn attach(&self, socket: &Socket) -> SocketAttachment {
        self.0.attached.attach(socket.clone())
    }

    /// Ends the relay: closes all sockets that use it, and returns their number.
    pub(super) fn end(&self) -> usize {
        self.0.has_ended.set(true);
        self.0.attached.close_all(RELAY_PANICKED)
    }

    /// Returns whether the actor of this relay has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.0.has_ended.get()
    }
}

impl RelayState {
    /// Returns a ticket that no query had before.
    pub(super) fn take_ticket(&self) -> u64 {
        let ticket = self.next_ticket.get();
        self.next_ticket.set(ticket + 1);
        ticket
    }

    /// Refuses the oldest pending join of a subscription and counts it.
    pub(super) fn refuse_join(
        &self,
        subscriptions: &mut VaultSubscriptions,
        id: SubscriberId,
        error: VaultError,
    ) {
        if let Some(code) = subscriptions.refuse_join(id, error) {
            self.options.metrics.join_refused(code);
        }
    }
}

/// Returns the subscriptions of a vault, and adds an empty set where there is none.
pub(super) fn subscriptions_of(
    vaults: &mut HashMap<VaultId, VaultSubscriptions>,
    vault: VaultHandle,
) -> &mut VaultSubscriptions {
    vaults
        .entry(vault.id().clone())
        .or_insert_with(|| VaultSubscriptions::new(vault))
}

/// Removes the subscriptions of a vault if there are none left.
pub(super) fn remove_if_empty(vaults: &mut HashMap<VaultId, VaultSubscriptions>, id: &VaultId) {
    if vaults
        .get(id)
        .is_some_and(|subscriptions| subscriptions.sockets.is_empty())
    {
        vaults.remove(id);
    }
}

/// Returns an id that no other subscription of this process has.
pub(super) fn new_subscriber_id() -> SubscriberId {
    static NEXT_ID: AtomicU64 = AtomicU64::new(0);
    SubscriberId(NEXT_ID.fetch_add(1, Ordering::Relaxed))
}
