//! The relay: one per worker thread. A vault sends it each event once; it hands the event to its own sockets'
//! outboxes, in thread-local memory and without a lock.
//!
//! Whatever a socket hears of a vault comes through here, in one order. Where each socket stands is `room.rs`.

use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, HashSet},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use actix::prelude::*;
use tracing::error;

use crate::{
    domain::{SubscriberId, VaultId},
    journal::Record,
    socketio::{Ack, Frame},
    vault::{
        Attach, Attached, Audience, Body, Delivery, Notice, PAGE, SinkId, Subscription, Then,
        VaultError, VaultHandle,
    },
};

use super::{
    bounds::{Bounds, Places},
    connection::Connection,
    mailbox::{RelayActor, RelaySink},
    meters::Meters,
    protocol,
    room::{Asked, Errand, Join, Listener, OUT_OF_STEP, Pages, Room, Seat, Task, Turns, emit},
};

#[cfg(test)]
mod properties;
mod residents;

/// The sockets of one worker thread and what they are subscribed to. A clone is the same relay.
#[derive(Clone)]
pub(super) struct Relay(Rc<Inner>);

struct Inner {
    sink: Arc<RelaySink>,
    epoch: String,
    /// Events carry offsets, for those who may come back.
    offsets: bool,
    /// Who is connected, by pid.
    connections: RefCell<HashMap<String, Connection>>,
    bounds: Bounds,
    rooms: RefCell<HashMap<VaultId, Room>>,
    /// Vaults whose rooms are to be attached again when everything before has been worked off.
    behind: RefCell<HashSet<VaultId>>,
    tickets: Cell<u64>,
    meters: Meters,
}

impl Relay {
    /// Starts the relay of this worker thread.
    pub(super) fn start(bounds: Bounds, (epoch, offsets): (&str, bool), meters: Meters) -> Self {
        static RELAYS: AtomicU64 = AtomicU64::new(0);
        let id = SinkId(RELAYS.fetch_add(1, Ordering::Relaxed));
        let mut relay = None;
        RelayActor::create(|ctx| {
            let inner = Rc::new(Inner {
                sink: Arc::new(RelaySink {
                    id,
                    addr: ctx.address(),
                    places: Places::new(bounds.clone()),
                    mailbox: meters.mailbox.clone(),
                }),
                epoch: epoch.to_owned(),
                offsets,
                connections: RefCell::default(),
                bounds,
                rooms: RefCell::default(),
                behind: RefCell::default(),
                // They name joins to clients that come back, to another process perhaps: none is to come twice.
                tickets: Cell::new(u64::from(rand::random::<u32>()) << 32),
                meters,
            });
            relay = Some(Self(inner.clone()));
            RelayActor(Self(inner))
        });
        relay.expect("the actor was made with its relay")
    }

    /// Has a socket join a vault: takes a seat for it, or the one that it has, and asks the vault. What comes of it is
    /// told to the socket, in its place among everything that it hears of the vault.
    pub(super) fn join(
        &self,
        vault: VaultHandle,
        seat: Option<SubscriberId>,
        listener: &Listener,
        (attach, ack): (Attach, Option<Ack>),
    ) -> SubscriberId {
        let mut rooms = self.0.rooms.borrow_mut();
        let room = self.room(&mut rooms, vault);
        let id = seat
            .filter(|seat| room.seats.contains_key(seat))
            .unwrap_or_else(new_subscriber);
        let new = || Seat::new(listener.clone());
        let seat = room.seats.entry(id).or_insert_with(new);
        seat.joins.push_back(Join {
            ack,
            ..Join::unacknowledged(attach)
        });
        self.attend(room, id);
        id
    }

    fn ticket(&self) -> u64 {
        let ticket = self.0.tickets.get();
        self.0.tickets.set(ticket + 1);
        ticket
    }

    fn room<'a>(&self, rooms: &'a mut HashMap<VaultId, Room>, vault: VaultHandle) -> &'a mut Room {
        rooms.entry(vault.id().clone()).or_insert_with(|| Room {
            vault,
            seats: HashMap::new(),
            pages: Pages::new(),
        })
    }

    /// Asks the vault for what a seat needs next, when nothing is under way for it: at once, or when it is its turn.
    fn attend(&self, room: &mut Room, id: SubscriberId) {
        let Some(seat) = room.seats.get_mut(&id).filter(|seat| seat.errand.is_none()) else {
            return;
        };
        let Some(attach) = seat.need() else {
            return;
        };
        if attach == Attach::Join {
            return self.ask((&room.vault, id, seat), attach, None);
        }
        // Most of the places are for what happens meanwhile.
        let pages = self.0.bounds.relay_mailbox() / 4 / PAGE;
        let pages = room.pages.of(pages.max(1));
        if let Some(turns) = seat.listener.try_turns(pages) {
            return self.ask((&room.vault, id, seat), attach, Some(turns));
        }
        let turns = seat.listener.clone().turns(pages.clone());
        let (this, vault) = (self.clone(), room.vault.clone());
        seat.errand = Some(Errand::Waiting(Task(actix::spawn(async move {
            let turns = turns.await;
            let mut rooms = this.0.rooms.borrow_mut();
            let room = rooms.get_mut(vault.id());
            if let Some(seat) = room.and_then(|room| room.seats.get_mut(&id)) {
                seat.errand = None; // this, which has nothing left to wait for
                if let Some(attach) = seat.need() {
                    this.ask((&vault, id, seat), attach, turns);
                }
            }
        }))));
    }

    fn ask(
        &self,
        (vault, id, seat): (&VaultHandle, SubscriberId, &mut Seat),
        attach: Attach,
        turns: Option<Turns>,
    ) {
        let ticket = self.ticket();
        let joins = !matches!(attach, Attach::Resume { .. });
        if joins && let Some(join) = seat.joins.front_mut() {
            let patience = || self.patience(vault.id().clone(), id);
            join.patience.get_or_insert_with(patience);
        }
        seat.errand = Some(Errand::Asked(Asked {
            ticket,
            joins,
            _turns: turns,
        }));
        let subscription = Subscription {
            subscriber: id,
            user: seat.listener.user.clone(),
            ticket,
            attach,
        };
        vault.subscribe(subscription, self.0.sink.clone());
    }

    fn patience(&self, vault: VaultId, id: SubscriberId) -> Task {
        let this = self.clone();
        Task(actix::spawn(async move {
            tokio::time::sleep(this.0.bounds.join_timeout()).await;
            let mut rooms = this.0.rooms.borrow_mut();
            if let Some(room) = rooms.get_mut(&vault) {
                if let Some(seat) = room.seats.get_mut(&id) {
                    seat.give_up();
                }
                this.0.refuse(room, id, VaultError::Busy);
                this.attend(room, id);
                forget_if_empty(&mut rooms, &vault);
            }
        }))
    }

    /// Whether this seat is still taken.
    pub(super) fn has(&self, id: &VaultId, seat: SubscriberId) -> bool {
        let rooms = self.0.rooms.borrow();
        rooms
            .get(id)
            .is_some_and(|room| room.seats.contains_key(&seat))
    }

    /// Ends a subscription: from here on the socket hears nothing of the vault. Gives back the
    /// acknowledgements of joins that were under way.
    pub(super) fn leave(&self, id: &VaultId, subscriber: SubscriberId) -> Vec<Ack> {
        let mut rooms = self.0.rooms.borrow_mut();
        let Some(room) = rooms.get_mut(id) else {
            return Vec::new();
        };
        let Some(seat) = room.seats.remove(&subscriber) else {
            return Vec::new();
        };
        room.vault.leave(subscriber);
        forget_if_empty(&mut rooms, id);
        seat.listener.trace(|trace| trace.left(subscriber));
        seat.joins.into_iter().filter_map(|join| join.ack).collect()
    }

    pub(super) fn deliver(&self, delivery: Delivery) {
        let Delivery { vault, to, notice } = delivery;
        let mut rooms = self.0.rooms.borrow_mut();
        let Some(room) = rooms.get_mut(&vault) else {
            return; // everybody has left meanwhile
        };
        match (&notice.body, to) {
            (Body::Event(record), Audience::Everyone) => {
                let frame = self.frame(&vault, &notice, record);
                let mut sockets = 0;
                for (id, seat) in room.seats.iter_mut().filter(|(_, seat)| seat.live) {
                    sockets += usize::from(seat.event(*id, &vault, record, &frame));
                }
                self.0.meters.delivered(sockets, notice.since);
            }
            (Body::Attached(attached), Audience::Only(ids)) => {
                for id in ids {
                    self.attached(room, id, attached);
                }
            }
            (Body::Removed, Audience::Only(ids)) => {
                for id in ids {
                    if room.seats.get(&id).is_some_and(|seat| seat.live) {
                        self.removed(room, id);
                    }
                }
            }
            (Body::Closed, Audience::Everyone) => {
                // Who is still told what he missed comes to the end by himself; a join under way is about to be refused.
                room.seats
                    .retain(|id, seat| !seat.live || seat.keep_joining(*id));
            }
            (body, to) => {
                error!(vault.id = %vault, ?to, ?body, "a notice for others");
            }
        }
        forget_if_empty(&mut rooms, &vault);
    }

    /// The vault has answered what was asked for a seat.
    fn attached(&self, room: &mut Room, id: SubscriberId, attached: &Attached) {
        let vault = room.vault.id().clone();
        let Some(seat) = room.seats.get_mut(&id) else {
            return; // it has left meanwhile
        };
        if !seat.answered(attached.ticket) {
            return;
        }
        if let Some(joined) = &attached.joined {
            self.0.meters.joined(joined.resync);
            seat.joined(id, (&vault, &self.0.epoch), (attached.ticket, joined));
        }
        for notice in &attached.events {
            if let Body::Event(record) = &notice.body
                && seat.event(id, &vault, record, &self.frame(&vault, notice, record))
            {
                self.0.meters.replayed.inc();
            }
        }
        match &attached.then {
            Then::Live => seat.live = true,
            Then::More => seat.live = false,
            Then::Removed => self.removed(room, id),
            Then::Closed => room.end(id),
            Then::Lost => {
                // Not the end of it: who comes back asks again.
                seat.listener.socket.close(OUT_OF_STEP);
                room.seats.remove(&id);
            }
            Then::Refused(error) => self.0.refuse(room, id, error.clone()),
        }
        self.attend(room, id);
    }

    fn removed(&self, room: &mut Room, id: SubscriberId) {
        if let Some(seat) = room.seats.get(&id) {
            let error = protocol::Error::removed(room.vault.id());
            emit(&seat.listener.socket, protocol::ERROR, &error);
        }
        room.end(id);
    }

    /// An event as it is sent to everybody.
    fn frame(&self, vault: &VaultId, notice: &Notice, record: &Record) -> Frame {
        notice.wire(|_| protocol::event(vault, record, self.0.offsets))
    }

    /// This relay is left out of a vault's events; whether that is news.
    pub(super) fn is_left_behind(&self, vault: &VaultHandle) -> bool {
        self.0.behind.borrow_mut().insert(vault.id().clone())
    }

    /// This relay was left out for a while, or the vault's actor died: everybody in the room is attached again where
    /// he stands.
    pub(super) fn catch_up(&self, vault: &VaultHandle) {
        self.0.behind.borrow_mut().remove(vault.id());
        vault.caught_up(self.0.sink.id);
        let mut rooms = self.0.rooms.borrow_mut();
        let Some(room) = rooms.get_mut(vault.id()) else {
            return;
        };
        for seat in room.seats.values_mut() {
            seat.live = false;
            // Who waits for his turn keeps his place.
            seat.forget_question();
        }
        let everybody: Vec<_> = room.seats.keys().copied().collect();
        for id in everybody {
            self.attend(room, id);
        }
    }
}

impl Inner {
    /// The oldest join of a seat came to nothing.
    fn refuse(&self, room: &mut Room, id: SubscriberId, error: VaultError) {
        if let Some(code) = room.refuse(id, error) {
            self.meters.refused(code);
        }
    }
}

fn new_subscriber() -> SubscriberId {
    static SUBSCRIBERS: AtomicU64 = AtomicU64::new(0);
    SubscriberId(SUBSCRIBERS.fetch_add(1, Ordering::Relaxed))
}

fn forget_if_empty(rooms: &mut HashMap<VaultId, Room>, id: &VaultId) {
    if rooms.get(id).is_some_and(|room| room.seats.is_empty()) {
        rooms.remove(id);
    }
}
