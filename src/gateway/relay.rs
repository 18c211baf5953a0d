//! The relay: one per worker thread. A vault sends it each event once; it hands the event to its own sockets'
//! outboxes, in thread-local memory and without a lock.
//!
//! Whatever a socket hears of a vault comes through here, in one order. Where each socket stands is `room.rs`.

use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, HashSet, VecDeque},
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
    domain::{Seq, SubscriberId, UserId, VaultId},
    socketio::{Ack, Socket},
    vault::{
        Attach, Audience, Body, Delivery, Full, Refused, Sink, SinkId, Subscription, VaultError,
        VaultHandle,
    },
};

use super::{
    protocol,
    room::{Asked, Join, OUT_OF_STEP, Patience, Room, Seat, emit},
};

/// While more frames than this wait for a socket, it is not told more of what it missed.
const ENOUGH: usize = 16;

/// How long until it is looked again whether they have left: at first, and at most.
const PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// The sockets of one worker thread and what they are subscribed to. A clone is the same relay.
#[derive(Clone)]
pub(super) struct Relay(Rc<Inner>);

struct Inner {
    sink: Arc<RelaySink>,
    epoch: String,
    /// How long a join may wait for its vault.
    patience: Duration,
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
                }),
                epoch: epoch.to_owned(),
                patience,
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
        (socket, user): (&Socket, &UserId),
        (attach, ack): (Attach, Option<Ack>),
    ) -> SubscriberId {
        let ticket = self.0.tickets.get();
        self.0.tickets.set(ticket + 1);
        let mut rooms = self.0.rooms.borrow_mut();
        let room = rooms.entry(vault.id().clone()).or_insert_with(|| Room {
            vault,
            seats: HashMap::new(),
        });
        let subscriber = seat
            .filter(|seat| room.seats.contains_key(seat))
            .unwrap_or_else(new_subscriber);
        let seat = room.seats.entry(subscriber).or_insert_with(|| Seat {
            socket: socket.clone(),
            user: user.clone(),
            q: None,
            joined_at: Seq::ZERO,
            live: false,
            joins: VecDeque::new(),
            asked: None,
        });
        seat.joins.push_back(Join {
            ticket,
            attach,
            ack,
        });
        self.ask_next(&room.vault, (subscriber, seat));
        subscriber
    }

    /// Asks the vault for the socket's next join, when it is its turn.
    fn ask_next(&self, vault: &VaultHandle, (subscriber, seat): (SubscriberId, &mut Seat)) {
        let Some(Join { ticket, attach, .. }) = seat.next() else {
            return;
        };
        let (ticket, attach) = (*ticket, attach.clone());
        seat.asked = Some(Asked {
            ticket,
            _patience: self.patience(vault.id().clone(), subscriber, ticket),
        });
        self.subscribe(vault, (subscriber, seat), ticket, attach);
    }

    fn subscribe(
        &self,
        vault: &VaultHandle,
        (subscriber, seat): (SubscriberId, &Seat),
        ticket: u64,
        attach: Attach,
    ) {
        let subscription = Subscription {
            subscriber,
            user: seat.user.clone(),
            ticket,
            attach,
        };
        vault.subscribe(subscription, self.0.sink.clone());
    }

    fn patience(&self, vault: VaultId, subscriber: SubscriberId, ticket: u64) -> Patience {
        let this = self.clone();
        Patience(actix::spawn(async move {
            tokio::time::sleep(this.0.patience).await;
            let error = VaultError::Busy;
            let mut rooms = this.0.rooms.borrow_mut();
            if let Some(room) = rooms.get_mut(&vault) {
                room.refuse(&vault, subscriber, Refused { ticket, error });
                this.go_on_joining(room, subscriber);
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
            (Body::Event(record), to) => {
                let frame = notice.wire(|_| protocol::event(record));
                match to {
                    Audience::Everyone => {
                        for seat in room.seats.values_mut().filter(|seat| seat.live) {
                            seat.event(&vault, record, &frame);
                        }
                    }
                    Audience::Only(ids) => {
                        for id in ids {
                            if let Some(seat) = room.seats.get_mut(&id) {
                                seat.event(&vault, record, &frame);
                            }
                        }
                    }
                }
            }
            (Body::Closed, Audience::Everyone) => {
                // Who is still told what he missed comes to the end by himself; a join under way is about to be refused.
                room.seats
                    .retain(|_, seat| !seat.live || seat.keep_joining());
                for (id, seat) in &mut room.seats {
                    self.ask_next(&room.vault, (*id, seat));
                }
                forget_if_empty(&mut rooms, &vault);
            }
            (body, Audience::Only(ids)) => {
                for id in ids {
                    self.tell(room, &vault, id, body);
                }
                forget_if_empty(&mut rooms, &vault);
            }
            (body, Audience::Everyone) => {
                error!(vault.id = %vault, ?body, "a notice for one was sent to everybody");
            }
        }
    }

    fn tell(&self, room: &mut Room, vault: &VaultId, id: SubscriberId, body: &Body) {
        let Some(seat) = room.seats.get_mut(&id) else {
            return; // it has left meanwhile
        };
        match body {
            Body::Joined(joined) => seat.joined(vault, joined, &self.0.epoch),
            Body::Refused(refused) => room.refuse(vault, id, refused.clone()),
            Body::More => self.go_on(vault.clone(), id, seat.socket.clone()),
            Body::Live => seat.live = true,
            Body::Lost => seat.socket.close(OUT_OF_STEP),
            Body::Removed => {
                emit(
                    &seat.socket,
                    protocol::ERROR,
                    &protocol::Error::removed(vault),
                );
                room.end(id);
            }
            Body::Closed => room.end(id),
            Body::Event(_) => {}
        }
        self.go_on_joining(room, id);
    }

    /// After whatever was told to a socket, its next join may have its turn.
    fn go_on_joining(&self, room: &mut Room, id: SubscriberId) {
        if let Some(seat) = room.seats.get_mut(&id) {
            self.ask_next(&room.vault, (id, seat));
        }
    }

    /// Asks for more of what a socket missed when it has room for it.
    fn go_on(&self, vault: VaultId, id: SubscriberId, socket: Socket) {
        let this = self.clone();
        actix::spawn(async move {
            let mut pause = PAUSE;
            while socket.is_connected() && socket.waiting().0 > ENOUGH {
                tokio::time::sleep(pause).await;
                pause = LONGEST_PAUSE.min(2 * pause);
            }
            let rooms = this.0.rooms.borrow();
            if let Some(room) = rooms.get(&vault)
                && let Some(seat) = room.seats.get(&id)
                && let Some(attach) = seat.resume()
            {
                this.subscribe(&room.vault, (id, seat), 0, attach);
            }
        });
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
        for (id, seat) in &mut room.seats {
            seat.live = false;
            if let Some(attach) = seat.resume() {
                self.subscribe(vault, (*id, seat), 0, attach);
            }
            // What it was asked for may be lost: it is asked again.
            seat.asked = None;
            self.ask_next(vault, (*id, seat));
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

/// A notice, with its place in the relay's queue.
#[derive(Message)]
#[rtype(result = "()")]
struct Deliver(
    Delivery,
    #[allow(dead_code, reason = "held until handled")] OwnedSemaphorePermit,
);

impl Handler<Deliver> for RelayActor {
    type Result = ();

    fn handle(&mut self, Deliver(delivery, _place): Deliver, _: &mut Self::Context) {
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
}

impl Sink for RelaySink {
    fn id(&self) -> SinkId {
        self.id
    }

    #[allow(clippy::disallowed_methods, reason = "bounded by places")]
    fn deliver(&self, delivery: Delivery) -> Result<(), Full> {
        let place = self.places.clone().try_acquire_owned().map_err(|_| Full)?;
        self.addr.do_send(Deliver(delivery, place));
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
