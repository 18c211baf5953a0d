//! Who of a worker thread's sockets sits in which vault, what each has heard, and what he needs next.
//!
//! For each subscription a seat keeps `q`, the last event that went into the socket's outbox: what is not after `q`
//! is dropped, and a gap, which must never happen, closes the transport.
//!
//! A vault is asked for one thing at a time for each seat. What it answers may be a page of what the socket missed, so a
//! question takes its [`Turns`] first: one socket is told one page at a time, when it has read what it was told before,
//! and a room no more pages at once than the relay has places for.

use std::{
    cell::RefCell,
    collections::{HashMap, VecDeque},
    rc::Rc,
    sync::Arc,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinHandle,
};
use tracing::error;

use crate::{
    domain::{Seq, SubscriberId, UserId, VaultId},
    engineio::CloseReason,
    journal::Record,
    problem::{Code, Problem},
    socketio::{Ack, Frame, Socket},
    vault::{Attach, Joined, VaultError, VaultHandle},
};

use super::{
    offset::Offset,
    protocol::{self, JoinedPayload},
    trace::Trace,
};

/// Why a transport is closed: its client comes back and joins again.
pub(super) const OUT_OF_STEP: CloseReason = CloseReason::Application("out of step");

/// While more frames than this wait for a socket, it is not told more of what it missed.
const ENOUGH: usize = 16;

/// The subscriptions of one vault.
pub(super) struct Room {
    pub vault: VaultHandle,
    pub seats: HashMap<SubscriberId, Seat>,
    pub pages: Pages,
}

/// The pages that may be on their way to this relay from one vault: one turn for each.
pub(super) struct Pages {
    turns: Arc<Semaphore>,
    many: usize,
}

impl Pages {
    pub(super) fn new() -> Self {
        Self {
            turns: Arc::new(Semaphore::new(0)),
            many: 0,
        }
    }

    /// The turns, so many of them from now on. Where it is fewer than before, those that are taken are not taken away.
    pub(super) fn of(&mut self, many: usize) -> &Arc<Semaphore> {
        if many > self.many {
            self.turns.add_permits(many - self.many);
            self.many = many;
        } else if many < self.many {
            self.many -= self.turns.forget_permits(self.many - many);
        }
        &self.turns
    }

    /// How many are free.
    #[cfg(test)]
    pub(super) fn free(&self) -> usize {
        self.turns.available_permits()
    }
}

/// One socket's subscription of one vault.
pub(super) struct Seat {
    pub listener: Listener,
    /// The last event that went to the socket; none before it has joined.
    pub q: Option<Seq>,
    /// Where the vault stood when it joined.
    pub joined_at: Seq,
    /// It is counted in. Until then it is told what it missed, and what everybody hears is not for it.
    pub live: bool,
    /// Joins that the vault has not answered yet, oldest first.
    pub joins: VecDeque<Join>,
    pub errand: Option<Errand>,
}

/// Who sits there. A clone is the same.
#[derive(Clone)]
pub(super) struct Listener {
    pub socket: Socket,
    pub user: UserId,
    /// Held while a page is on its way to the socket, from whichever vault.
    page: Arc<Semaphore>,
    /// What it was sent, where it may come back.
    trace: Option<Rc<RefCell<Trace>>>,
}

/// A join under way.
pub(super) struct Join {
    pub attach: Attach,
    pub ack: Option<Ack>,
    /// Gives it up when it has waited too long for its vault; from when the vault was first asked.
    pub patience: Option<Task>,
}

/// What is being done for a seat.
pub(super) enum Errand {
    /// It waits for its turns.
    Waiting(#[allow(dead_code, reason = "runs while it is held")] Task),
    /// The vault was asked.
    Asked(Asked),
}

/// A question to a vault.
pub(super) struct Asked {
    /// Comes back in the answer; any other answer is to a question that is void.
    pub ticket: u64,
    /// Whether it is the oldest join.
    pub joins: bool,
    /// Given back with the answer.
    pub _turns: Option<Turns>,
}

/// The right to ask for what may be a page.
pub(super) struct Turns {
    _listener: OwnedSemaphorePermit,
    _room: OwnedSemaphorePermit,
}

/// Something that goes on beside, unless this is dropped before.
pub(super) struct Task(pub JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Join {
    /// A join whose confirmation nobody waits for but the socket.
    pub(super) fn unacknowledged(attach: Attach) -> Self {
        Self {
            attach,
            ack: None,
            patience: None,
        }
    }
}

impl Listener {
    pub(super) fn new(socket: Socket, user: UserId, trace: Option<Trace>) -> Self {
        Self {
            socket,
            user,
            page: Arc::new(Semaphore::new(1)),
            trace: trace.map(|trace| Rc::new(RefCell::new(trace))),
        }
    }

    /// Notes something, where it may come back.
    pub(super) fn trace<T>(&self, note: impl FnOnce(&mut Trace) -> T) -> Option<T> {
        self.trace
            .as_ref()
            .map(|trace| note(&mut trace.borrow_mut()))
    }

    /// Notes something that was sent; where much was, it is time to learn what has arrived.
    fn sent(&self, note: impl FnOnce(&mut Trace) -> bool) {
        if self.trace(note) == Some(true) {
            self.socket.beat();
        }
    }

    /// The turns, if they can be had at once.
    pub(super) fn try_turns(&self, room: &Arc<Semaphore>) -> Option<Turns> {
        let has_room = self.socket.waiting().0 <= ENOUGH;
        let listener = has_room.then(|| self.page.clone().try_acquire_owned().ok())??;
        let room = room.clone().try_acquire_owned().ok()?;
        Some(Turns {
            _listener: listener,
            _room: room,
        })
    }

    /// Waits for the turns.
    pub(super) async fn turns(self, room: Arc<Semaphore>) -> Option<Turns> {
        let listener = self.page.acquire_owned().await.ok()?;
        self.socket.drained(ENOUGH).await;
        let room = room.acquire_owned().await.ok()?;
        Some(Turns {
            _listener: listener,
            _room: room,
        })
    }
}

impl Room {
    /// The oldest join came to nothing: tells so, and frees the seat of who was not in before. What was told, if
    /// somebody was joining.
    pub(super) fn refuse(&mut self, id: SubscriberId, error: VaultError) -> Option<Code> {
        let seat = self.seats.get_mut(&id)?;
        let join = seat.joins.pop_front()?;
        let problem = Problem::from(error);
        let code = problem.code;
        let vault = self.vault.id().clone();
        let error = protocol::Error::new(problem, protocol::JOIN, Some(vault));
        emit(&seat.listener.socket, protocol::ERROR, &error);
        if let Some(ack) = join.ack {
            acknowledge(ack, &error.acknowledgement());
        }
        if seat.q.is_none() && seat.joins.is_empty() {
            self.vault.leave(id);
            self.seats.remove(&id);
        }
        Some(code)
    }

    /// A subscription has ended. Joins under way are about to be answered, and have their seat until then.
    pub(super) fn end(&mut self, id: SubscriberId) {
        if self
            .seats
            .get_mut(&id)
            .is_some_and(|seat| !seat.keep_joining(id))
        {
            self.seats.remove(&id);
        }
    }
}

impl Seat {
    pub(super) fn new(listener: Listener) -> Self {
        Self {
            listener,
            q: None,
            joined_at: Seq::ZERO,
            live: false,
            joins: VecDeque::new(),
            errand: None,
        }
    }

    /// Ends the subscription but for joins that are under way; whether there are any.
    pub(super) fn keep_joining(&mut self, id: SubscriberId) -> bool {
        self.listener.trace(|trace| trace.ended(id));
        (self.q, self.live) = (None, false);
        !self.joins.is_empty()
    }

    /// What the vault is to be asked for. First what is still owed to the socket, for a join takes its place behind that.
    pub(super) fn need(&self) -> Option<Attach> {
        let joined_at = self.joined_at;
        match self.q {
            Some(after) if !self.live => Some(Attach::Resume { after, joined_at }),
            Some(_) | None => self.joins.front().map(|join| join.attach.clone()),
        }
    }

    /// Whether the vault was asked under this ticket and has not answered. It has now.
    pub(super) fn answered(&mut self, ticket: u64) -> bool {
        let asked =
            |errand: &mut Errand| matches!(errand, Errand::Asked(asked) if asked.ticket == ticket);
        self.errand.take_if(asked).is_some()
    }

    /// Whatever the vault was asked for, its answer will not come or does not count.
    pub(super) fn forget_question(&mut self) {
        self.errand
            .take_if(|errand| matches!(errand, Errand::Asked(_)));
    }

    /// The oldest join has waited too long; how it ends is for its room to say. The vault may have taken it for all
    /// that: whoever was in before is attached again.
    pub(super) fn give_up(&mut self) {
        let joins = |errand: &mut Errand| matches!(errand, Errand::Asked(asked) if asked.joins);
        if self.errand.take_if(joins).is_some() {
            self.live = false;
        }
    }

    /// The oldest join has been answered under this ticket.
    pub(super) fn joined(
        &mut self,
        id: SubscriberId,
        (vault, epoch): (&VaultId, &str),
        (ticket, joined): (u64, &Joined),
    ) {
        let Some(Join { attach, ack, .. }) = self.joins.pop_front() else {
            return;
        };
        (self.q, self.joined_at) = (Some(joined.after()), joined.seq);
        let mut payload = JoinedPayload::new(vault, joined, epoch);
        let listener = &self.listener;
        if listener.trace.is_some() {
            let offset = Offset::of_join(vault, ticket);
            let args = (&payload, offset.as_str());
            emit(&listener.socket, protocol::JOINED, &args);
            listener.sent(|trace| trace.joined(id, vault, (ticket, &attach, joined)));
        } else {
            emit(&listener.socket, protocol::JOINED, &payload);
        }
        if let Some(ack) = ack {
            payload.ok = Some(true);
            acknowledge(ack, &payload);
        }
    }

    /// Puts an event into the socket's outbox, if it is the next one; whether it was.
    pub(super) fn event(
        &mut self,
        id: SubscriberId,
        vault: &VaultId,
        record: &Record,
        frame: &Frame,
    ) -> bool {
        match self.q {
            Some(q) if record.seq == q.next() => {
                self.listener.socket.push(frame);
                self.listener.sent(|trace| trace.event(id, record.seq));
                self.q = Some(record.seq);
                true
            }
            Some(q) if record.seq > q => {
                error!(vault.id = %vault, event.seq = record.seq.0, after = q.0, "a gap before an event");
                self.listener.socket.close(OUT_OF_STEP);
                (self.q, self.live) = (None, false); // once is enough
                false
            }
            // It has it already, or it has not joined yet.
            Some(_) | None => false,
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
