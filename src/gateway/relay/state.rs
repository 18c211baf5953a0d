//! The relay of one worker thread: the machine, and what it acts on.

use std::{
    cell::{Cell, RefCell},
    mem,
    rc::{Rc, Weak},
    sync::Arc,
    time::Duration,
};

use tracing::error;

use crate::{
    domain::{MonotonicTime, SubscriberId, VaultId},
    gateway::{bounds::GatewayBounds, scoped_task::ScopedTask},
    vault::Attach,
};
use actix_socketio::{Ack, engineio::CloseReason};

use super::{
    delivery_socket::{DeliverySocket, MAX_WAITING_FRAMES},
    effects::{EncodedEvent, RelayIo, RelayPeers, RelayPerformer},
    handle::RelayHandle,
    machine::{RelayBounds, RelayInput, RelayMachine, RelaySocketId},
    options::RelayOptions,
    sink::RelaySink,
    socket_table::{SocketAttachment, SocketTable},
};

/// The sockets of one worker thread and their subscriptions. Clones are the same relay.
#[derive(Clone)]
pub(in crate::gateway) struct Relay(pub(super) Rc<RelayState>);

/// Closes the transports of sockets whose relay has panicked. The clients reconnect and are recovered.
const RELAY_PANICKED: CloseReason = CloseReason::Fault;

pub(super) struct RelayState {
    pub(super) peers: RelayPeers,
    handle: RelayHandle,
    core: RefCell<RelayCore>,
    /// Sends the next tick.
    timer: Cell<Option<ScopedTask>>,
    has_ended: Cell<bool>,
}

struct RelayCore {
    machine: RelayMachine,
    io: RelayIo,
    bounds: RelayBounds,
}

/// What the caller of the relay does after an input.
pub(super) struct HandledInput {
    /// How many sockets received the event.
    pub(super) delivered: usize,
    /// The acknowledgements of cancelled joins.
    pub(super) cancelled: Vec<Ack>,
    /// The vaults to catch up with after the notices in the mailbox.
    pub(super) await_mailbox: Vec<VaultId>,
}

impl Relay {
    pub(super) fn new(options: RelayOptions, sink: RelaySink, handle: RelayHandle) -> Self {
        let bounds = relay_bounds(&options.bounds);
        // Tickets are part of the offsets that clients send when they reconnect, perhaps to another process. A random
        // start makes them unique.
        let first_ticket = u64::from(rand::random::<u32>()) << 32;
        Self(Rc::new(RelayState {
            peers: RelayPeers {
                options,
                sink: Arc::new(sink),
                sockets: SocketTable::default(),
            },
            handle,
            core: RefCell::new(RelayCore {
                machine: RelayMachine::new(bounds, first_ticket),
                io: RelayIo::default(),
                bounds,
            }),
            timer: Cell::default(),
            has_ended: Cell::new(false),
        }))
    }

    /// Returns the handle by which other threads reach the connections of this worker thread.
    pub(in crate::gateway) fn handle(&self) -> &RelayHandle {
        &self.0.handle
    }

    /// Adds a socket that uses this relay. It is closed if the relay panics.
    pub(in crate::gateway) fn attach(&self, socket: &DeliverySocket) -> SocketAttachment {
        self.0.peers.sockets.attach(socket.clone())
    }

    /// Ends the relay after a panic: closes all sockets that use it. The next connection starts another relay.
    pub(super) fn end_after_panic(&self) {
        if !self.0.has_ended.replace(true) {
            let sockets = self.0.peers.sockets.close_all(RELAY_PANICKED);
            error!(sockets, "relay panicked; closing its sockets");
        }
    }

    /// Returns whether the actor of this relay has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.0.has_ended.get()
    }

    /// Returns whether this subscription exists.
    pub(in crate::gateway) fn is_subscribed(&self, vault: &VaultId, id: SubscriberId) -> bool {
        self.with_machine(|machine| machine.is_subscribed(vault, id))
    }

    /// Returns the joins of a subscription that the vault has not answered.
    pub(in crate::gateway) fn pending_joins(
        &self,
        vault: &VaultId,
        id: SubscriberId,
    ) -> Vec<Attach> {
        self.with_machine(|machine| machine.pending_joins(vault, id).cloned().collect())
    }

    pub(super) fn with_machine<T>(&self, read: impl FnOnce(&RelayMachine) -> T) -> T {
        read(&self.0.core.borrow().machine)
    }

    pub(super) fn with_io<T>(&self, call: impl FnOnce(&mut RelayIo) -> T) -> T {
        call(&mut self.0.core.borrow_mut().io)
    }

    /// Lets the machine handle an input, and performs its effects.
    pub(super) fn input(&self, input: RelayInput<'_, EncodedEvent<'_>>) -> HandledInput {
        let guard = EndsAfterPanic(self);
        let RelayCore {
            machine,
            io,
            bounds,
        } = &mut *self.0.core.borrow_mut();
        let now = MonotonicTime::now();
        let mut performer = RelayPerformer::new(&self.0.peers, io);
        let current = relay_bounds(&self.0.peers.options.bounds);
        if mem::replace(bounds, current) != current {
            machine.handle(RelayInput::Reconfigure(current), now, &mut performer);
        }
        machine.handle(input, now, &mut performer);
        while let Some(socket) = performer.io.await_room.pop_front() {
            let has_room = |socket: &DeliverySocket| socket.has_room_for_page();
            if self.0.peers.sockets.with(socket, has_room).unwrap_or(true) {
                machine.handle(RelayInput::OutboxDrained { socket }, now, &mut performer);
            } else {
                self.await_room(socket);
            }
        }
        if let Some(at) = io.wake_at.take() {
            self.wake_after(at.since(now));
        }
        mem::forget(guard);
        HandledInput {
            delivered: mem::take(&mut io.delivered),
            cancelled: mem::take(&mut io.cancelled),
            await_mailbox: mem::take(&mut io.await_mailbox),
        }
    }

    /// Continues when the outbox of a socket has room for a page. One task per socket waits at most.
    fn await_room(&self, socket: RelaySocketId) {
        let drained = |socket: &DeliverySocket| socket.socket.drained_to(MAX_WAITING_FRAMES);
        if let Some(drained) = self.0.peers.sockets.with(socket, drained) {
            let relay = Rc::downgrade(&self.0);
            let waiter = ScopedTask::spawn(async move {
                drained.await;
                input_later(&relay, RelayInput::OutboxDrained { socket });
            });
            self.0.peers.sockets.keep_room_waiter(socket, waiter);
        }
    }

    fn wake_after(&self, delay: Duration) {
        let relay = Rc::downgrade(&self.0);
        let timer = ScopedTask::spawn(async move {
            tokio::time::sleep(delay).await;
            input_later(&relay, RelayInput::Tick);
        });
        self.0.timer.set(Some(timer));
    }
}

/// Lets the machine of a relay handle what a task has waited for, unless the relay is gone.
fn input_later(relay: &Weak<RelayState>, input: RelayInput<'_, EncodedEvent<'_>>) {
    if let Some(relay) = relay.upgrade() {
        Relay(relay).input(input);
    }
}

/// Ends the relay if a panic drops it. The state of the machine may be wrong then.
struct EndsAfterPanic<'a>(&'a Relay);

impl Drop for EndsAfterPanic<'_> {
    fn drop(&mut self) {
        self.0.end_after_panic();
    }
}

fn relay_bounds(bounds: &GatewayBounds) -> RelayBounds {
    RelayBounds {
        mailbox: bounds.relay_mailbox(),
        join_timeout: bounds.join_timeout(),
    }
}

/// Returns an id that no other subscription of this process has.
pub(super) fn new_subscriber_id() -> SubscriberId {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT_ID: AtomicU64 = AtomicU64::new(0);
    SubscriberId(NEXT_ID.fetch_add(1, Ordering::Relaxed))
}
