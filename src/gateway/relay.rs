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
    time::Duration,
};

use actix::prelude::*;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::error;

use crate::{
    domain::{SubscriberId, VaultId},
    socketio::Ack,
    vault::{
        Attach, Attached, Audience, Body, Delivery, Full, PAGE, Sink, SinkId, Subscription, Then,
        VaultError, VaultHandle,
    },
};

use super::{
    protocol,
    room::{Asked, Errand, Join, Listener, OUT_OF_STEP, Room, Seat, Task, Turns, emit},
};

/// The sockets of one worker thread and what they are subscribed to. A clone is the same relay.
#[derive(Clone)]
pub(super) struct Relay(Rc<Inner>);

struct Inner {
    sink: Arc<RelaySink>,
    epoch: String,
    /// How long a join may wait for its vault.
    patience: Duration,
    /// How many pages may be on their way here from one vault.
    pages: usize,
    rooms: RefCell<HashMap<VaultId, Room>>,
    /// Vaults whose rooms are to be attached again when everything before has been worked off.
    behind: RefCell<HashSet<VaultId>>,
    tickets: Cell<u64>,
}

impl Relay {
    /// Starts the relay of this worker thread, for at most so many events waiting (`actors.relay_mailbox`). A join waits
    /// as long as `patience` says (`actors.join_timeout`).
    pub(super) fn start(capacity: usize, patience: Duration, epoch: &str) -> Self {
        static RELAYS: AtomicU64 = AtomicU64::new(0);
        let id = SinkId(RELAYS.fetch_add(1, Ordering::Relaxed));
        let mut relay = None;
        RelayActor::create(|ctx| {
            let inner = Rc::new(Inner {
                sink: Arc::new(RelaySink {
                    id,
                    addr: ctx.address(),
                    places: Arc::new(Semaphore::new(capacity)),
                    capacity,
                }),
                epoch: epoch.to_owned(),
                patience,
                // Most of the places are for what happens meanwhile.
                pages: (capacity / 4 / PAGE).max(1),
                rooms: RefCell::default(),
                behind: RefCell::default(),
                tickets: Cell::new(0),
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
        let room = rooms.entry(vault.id().clone()).or_insert_with(|| Room {
            vault,
            seats: HashMap::new(),
            pages: Arc::new(Semaphore::new(self.0.pages)),
        });
        let id = seat
            .filter(|seat| room.seats.contains_key(seat))
            .unwrap_or_else(new_subscriber);
        let new = || Seat::new(listener.clone());
        let seat = room.seats.entry(id).or_insert_with(new);
        seat.joins.push_back(Join {
            attach,
            ack,
            patience: None,
        });
        self.attend(room, id);
        id
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
        if let Some(turns) = seat.listener.try_turns(&room.pages) {
            return self.ask((&room.vault, id, seat), attach, Some(turns));
        }
        let turns = seat.listener.clone().turns(room.pages.clone());
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
        let ticket = self.0.tickets.get();
        self.0.tickets.set(ticket + 1);
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
            tokio::time::sleep(this.0.patience).await;
            let mut rooms = this.0.rooms.borrow_mut();
            if let Some(room) = rooms.get_mut(&vault) {
                if let Some(seat) = room.seats.get_mut(&id) {
                    seat.give_up();
                }
                room.refuse(&vault, id, VaultError::Busy);
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
        seat.joins.into_iter().filter_map(|join| join.ack).collect()
    }

    fn deliver(&self, delivery: Delivery) {
        let Delivery { vault, to, notice } = delivery;
        let mut rooms = self.0.rooms.borrow_mut();
        let Some(room) = rooms.get_mut(&vault) else {
            return; // everybody has left meanwhile
        };
        match (&notice.body, to) {
            (Body::Event(record), Audience::Everyone) => {
                let frame = notice.wire(|_| protocol::event(record));
                for seat in room.seats.values_mut().filter(|seat| seat.live) {
                    seat.event(&vault, record, &frame);
                }
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
                    .retain(|_, seat| !seat.live || seat.keep_joining());
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
            seat.joined(&vault, joined, &self.0.epoch);
        }
        for notice in &attached.events {
            if let Body::Event(record) = &notice.body {
                seat.event(&vault, record, &notice.wire(|_| protocol::event(record)));
            }
        }
        match &attached.then {
            Then::Live => seat.live = true,
            Then::More => seat.live = false,
            Then::Removed => self.removed(room, id),
            Then::Closed => room.end(id),
            Then::Lost => {
                seat.listener.socket.close(OUT_OF_STEP);
                room.end(id);
            }
            Then::Refused(error) => room.refuse(&vault, id, error.clone()),
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

    /// This relay was left out for a while, or the vault's actor died: everybody in the room is attached again where
    /// he stands.
    fn catch_up(&self, vault: &VaultHandle) {
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

fn new_subscriber() -> SubscriberId {
    static SUBSCRIBERS: AtomicU64 = AtomicU64::new(0);
    SubscriberId(SUBSCRIBERS.fetch_add(1, Ordering::Relaxed))
}

fn forget_if_empty(rooms: &mut HashMap<VaultId, Room>, id: &VaultId) {
    if rooms.get(id).is_some_and(|room| room.seats.is_empty()) {
        rooms.remove(id);
    }
}

/// The relay's mailbox.
struct RelayActor(Relay);

impl Actor for RelayActor {
    type Context = Context<Self>;
}

/// A notice, with its places in the relay's queue.
#[derive(Message)]
#[rtype(result = "()")]
struct Deliver(
    Delivery,
    #[allow(dead_code, reason = "held until handled")] OwnedSemaphorePermit,
);

impl Handler<Deliver> for RelayActor {
    type Result = ();

    fn handle(&mut self, Deliver(delivery, _places): Deliver, _: &mut Self::Context) {
        self.0.deliver(delivery);
    }
}

/// The relay was left out of a vault's events from here on.
#[derive(Message)]
#[rtype(result = "()")]
struct FellBehind(VaultHandle);

impl Handler<FellBehind> for RelayActor {
    type Result = ();

    fn handle(&mut self, FellBehind(vault): FellBehind, ctx: &mut Self::Context) {
        // Once, however often it is said, and when the mailbox is empty: actix polls it before what is spawned.
        if self.0.0.behind.borrow_mut().insert(vault.id().clone()) {
            ctx.spawn(
                async {}
                    .into_actor(self)
                    .map(move |(), this, _| this.0.catch_up(&vault)),
            );
        }
    }
}

/// How vaults reach a relay, from their own threads.
struct RelaySink {
    id: SinkId,
    addr: Addr<RelayActor>,
    places: Arc<Semaphore>,
    capacity: usize,
}

impl Sink for RelaySink {
    fn id(&self) -> SinkId {
        self.id
    }

    #[allow(clippy::disallowed_methods, reason = "bounded by places")]
    fn deliver(&self, delivery: Delivery) -> Result<(), Full> {
        let weight = delivery.weight().min(self.capacity);
        let weight = u32::try_from(weight).unwrap_or(u32::MAX);
        let places = self.places.clone().try_acquire_many_owned(weight);
        let places = places.map_err(|_| Full)?;
        self.addr.do_send(Deliver(delivery, places));
        Ok(())
    }

    #[allow(
        clippy::disallowed_methods,
        reason = "once for each vault until it has caught up, or for each join that was lost"
    )]
    fn fell_behind(&self, vault: VaultHandle) {
        self.addr.do_send(FellBehind(vault));
    }
}
