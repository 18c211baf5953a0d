//! The relay: one per worker thread. A vault sends it each event once; it hands the event to its own sockets'
//! outboxes, in thread-local memory and without a lock.
//!
//! Whatever a socket hears of a vault comes through here, in one order. For each subscription the relay keeps `q`,
//! the last event that went into the socket's outbox: what is not after `q` is dropped, and a gap, which must
//! never happen, closes the transport.

use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, VecDeque},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use actix::prelude::*;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::error;

use crate::{
    domain::{Seq, SubscriberId, UserId, VaultId},
    engineio::CloseReason,
    journal::Record,
    socketio::{Ack, Frame, Socket},
    vault::{Attach, Audience, Body, Delivery, Full, Joined, Sink, SinkId, VaultHandle},
};

use super::protocol::{self, JoinedPayload};

/// Why a relay closes a transport: its client comes back and joins again.
const OUT_OF_STEP: CloseReason = CloseReason::Application("out of step");

/// The sockets of one worker thread and what they are subscribed to. A clone is the same relay.
#[derive(Clone)]
pub(super) struct Relay(Rc<Inner>);

struct Inner {
    sink: Arc<RelaySink>,
    epoch: String,
    rooms: RefCell<HashMap<VaultId, Room>>,
    joins: Cell<u64>,
}

/// The subscriptions of one vault.
struct Room {
    vault: VaultHandle,
    seats: HashMap<SubscriberId, Seat>,
}

/// One socket's subscription of one vault.
struct Seat {
    socket: Socket,
    user: UserId,
    /// The last event that went to the socket; none before it has joined.
    q: Option<Seq>,
    /// Joins that the vault has not confirmed yet, oldest first.
    joins: VecDeque<Join>,
}

/// A join under way.
pub(super) struct Join {
    number: u64,
    attach: Attach,
    pub ack: Option<Ack>,
}

/// A join that the vault was asked for.
pub(super) struct Asked {
    pub subscriber: SubscriberId,
    pub number: u64,
}

impl Relay {
    /// Starts the relay of this worker thread, for at most so many events waiting (`actors.relay_mailbox`).
    pub(super) fn start(capacity: usize, epoch: &str) -> Self {
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
                rooms: RefCell::default(),
                joins: Cell::new(0),
            });
            relay = Some(Self(inner.clone()));
            RelayActor(Self(inner))
        });
        relay.expect("the actor was made with its relay")
    }

    /// The way vaults reach this relay.
    pub(super) fn sink(&self) -> Arc<dyn Sink> {
        self.0.sink.clone()
    }

    /// Takes a seat for a socket, or the one that it has, and notes that a join is under way. The vault is asked
    /// right after.
    pub(super) fn join(
        &self,
        id: &VaultId,
        vault: &VaultHandle,
        seat: Option<SubscriberId>,
        (socket, user): (&Socket, &UserId),
        (attach, ack): (Attach, Option<Ack>),
    ) -> Asked {
        let number = self.number();
        let mut rooms = self.0.rooms.borrow_mut();
        let room = rooms.entry(id.clone()).or_insert_with(|| Room {
            vault: vault.clone(),
            seats: HashMap::new(),
        });
        room.vault = vault.clone();
        let subscriber = seat
            .filter(|seat| room.seats.contains_key(seat))
            .unwrap_or_else(new_subscriber);
        let seat = room.seats.entry(subscriber).or_insert_with(|| Seat {
            socket: socket.clone(),
            user: user.clone(),
            q: None,
            joins: VecDeque::new(),
        });
        seat.joins.push_back(Join {
            number,
            attach,
            ack,
        });
        Asked { subscriber, number }
    }

    /// A join came to nothing: gives it back, and frees the seat of who was not in before. `None` when the
    /// socket has left meanwhile.
    pub(super) fn refused(&self, id: &VaultId, asked: &Asked) -> Option<Join> {
        let mut rooms = self.0.rooms.borrow_mut();
        let room = rooms.get_mut(id)?;
        let seat = room.seats.get_mut(&asked.subscriber)?;
        let place = seat.joins.iter().position(|j| j.number == asked.number)?;
        let join = seat.joins.remove(place)?;
        if seat.q.is_none() && seat.joins.is_empty() {
            room.vault.leave(asked.subscriber);
            room.seats.remove(&asked.subscriber);
        }
        forget_if_empty(&mut rooms, id);
        Some(join)
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
                        for seat in room.seats.values_mut() {
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
            (Body::Closed, _) => {
                // A join under way is about to be refused, and has its seat until then.
                room.seats.retain(|_, seat| seat.keep_joining());
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
            Body::Lost => seat.socket.close(OUT_OF_STEP),
            Body::Removed => {
                emit(&seat.socket, "error", &protocol::Error::removed(vault));
                if !seat.keep_joining() {
                    room.seats.remove(&id);
                }
            }
            Body::Resumed | Body::Closed | Body::Event(_) => {}
        }
    }

    /// This relay was left out for a while: everybody in the room is attached again where he stands.
    fn catch_up(&self, id: &VaultId) {
        let rooms = self.0.rooms.borrow();
        let Some(room) = rooms.get(id) else {
            return;
        };
        room.vault.caught_up(self.0.sink.id);
        for (subscriber, seat) in &room.seats {
            let resume = seat.q.map(Attach::Resume);
            let joins = seat.joins.iter().map(|join| join.attach.clone());
            for attach in resume.into_iter().chain(joins) {
                let user = seat.user.clone();
                // Who is no longer admitted hears so by the notice of his removal.
                drop(room.vault.subscribe(*subscriber, user, self.sink(), attach));
            }
        }
    }

    fn number(&self) -> u64 {
        let number = self.0.joins.get();
        self.0.joins.set(number + 1);
        number
    }
}

impl Seat {
    /// Ends the subscription but for joins that are under way; whether there are any.
    fn keep_joining(&mut self) -> bool {
        self.q = None;
        !self.joins.is_empty()
    }

    fn joined(&mut self, vault: &VaultId, joined: &Joined, epoch: &str) {
        let Some(join) = self.joins.pop_front() else {
            return;
        };
        self.q = Some(joined.after());
        let mut payload = JoinedPayload::new(vault, joined, epoch);
        emit(&self.socket, "vault:joined", &payload);
        if let Some(ack) = join.ack {
            payload.ok = Some(true);
            acknowledge(ack, &payload);
        }
    }

    fn event(&mut self, vault: &VaultId, record: &Record, frame: &Frame) {
        match self.q {
            Some(q) if record.seq == q.next() => {
                self.socket.push(frame);
                self.q = Some(record.seq);
            }
            Some(q) if record.seq > q => {
                error!(vault.id = %vault, event.seq = record.seq.0, after = q.0, "a gap before an event");
                self.socket.close(OUT_OF_STEP);
            }
            // It has it already, or it has not joined yet.
            Some(_) | None => {}
        }
    }
}

/// Emits an event of ours.
pub(super) fn emit<T: serde::Serialize + ?Sized>(socket: &Socket, event: &str, payload: &T) {
    if let Err(error) = socket.emit(event, payload) {
        error!(%error, event, "an event of ours could not be encoded");
    }
}

/// Acknowledges with a payload of ours.
pub(super) fn acknowledge<T: serde::Serialize + ?Sized>(ack: Ack, payload: &T) {
    if let Err(error) = ack.send(payload) {
        error!(%error, "an acknowledgement of ours could not be encoded");
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
struct FellBehind(VaultId);

impl Handler<FellBehind> for RelayActor {
    type Result = ();

    fn handle(&mut self, FellBehind(vault): FellBehind, _: &mut Self::Context) {
        self.0.catch_up(&vault);
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
        reason = "once for each vault until it has caught up"
    )]
    fn fell_behind(&self, vault: VaultId) {
        self.addr.do_send(FellBehind(vault));
    }
}
