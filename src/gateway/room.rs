//! Who of a worker thread's sockets sits in which vault, and what each has heard.
//!
//! For each subscription a seat keeps `q`, the last event that went into the socket's outbox: what is not after `q`
//! is dropped, and a gap, which must never happen, closes the transport.

use std::collections::{HashMap, VecDeque};

use tokio::task::JoinHandle;
use tracing::error;

use crate::{
    domain::{Seq, SubscriberId, UserId, VaultId},
    engineio::CloseReason,
    journal::Record,
    problem::Problem,
    socketio::{Ack, Frame, Socket},
    vault::{Attach, Joined, Refused, VaultHandle},
};

use super::protocol::{self, JoinedPayload};

/// Why a transport is closed: its client comes back and joins again.
pub(super) const OUT_OF_STEP: CloseReason = CloseReason::Application("out of step");

/// The subscriptions of one vault.
pub(super) struct Room {
    pub vault: VaultHandle,
    pub seats: HashMap<SubscriberId, Seat>,
}

/// One socket's subscription of one vault.
pub(super) struct Seat {
    pub socket: Socket,
    pub user: UserId,
    /// The last event that went to the socket; none before it has joined.
    pub q: Option<Seq>,
    /// Where the vault stood when it joined.
    pub joined_at: Seq,
    /// It is counted in. Until then it is told what it missed, and what everybody hears is not for it.
    pub live: bool,
    /// Joins that the vault has not answered yet, oldest first.
    pub joins: VecDeque<Join>,
    /// Which of them the vault was asked for. One at a time, and none while the socket is still told what it missed: a
    /// join takes its place behind whatever is owed to the socket.
    pub asked: Option<Asked>,
}

/// A join that the vault was asked for.
pub(super) struct Asked {
    pub ticket: u64,
    pub _patience: Patience,
}

/// A join under way.
pub(super) struct Join {
    pub ticket: u64,
    pub attach: Attach,
    pub ack: Option<Ack>,
}

/// Gives a join up when it has waited too long, unless it is dropped before.
pub(super) struct Patience(pub JoinHandle<()>);

impl Drop for Patience {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Room {
    /// A join came to nothing: tells so, and frees the seat of who was not in before.
    pub(super) fn refuse(&mut self, vault: &VaultId, id: SubscriberId, refused: Refused) {
        let Some(seat) = self.seats.get_mut(&id) else {
            return;
        };
        // It may have been answered before, or given up.
        let Some(join) = seat.take(refused.ticket) else {
            return;
        };
        let problem = Problem::from(refused.error);
        let error = protocol::Error::new(problem, protocol::JOIN, Some(vault.clone()));
        emit(&seat.socket, protocol::ERROR, &error);
        if let Some(ack) = join.ack {
            acknowledge(ack, &error.acknowledgement());
        }
        if seat.q.is_none() && seat.joins.is_empty() {
            self.vault.leave(id);
            self.seats.remove(&id);
        }
    }

    /// A subscription has ended. Joins under way are about to be answered, and have their seat until then.
    pub(super) fn end(&mut self, id: SubscriberId) {
        if self
            .seats
            .get_mut(&id)
            .is_some_and(|seat| !seat.keep_joining())
        {
            self.seats.remove(&id);
        }
    }
}

impl Seat {
    /// Ends the subscription but for joins that are under way; whether there are any.
    pub(super) fn keep_joining(&mut self) -> bool {
        (self.q, self.live) = (None, false);
        !self.joins.is_empty()
    }

    /// How it is attached again, when it is in.
    pub(super) fn resume(&self) -> Option<Attach> {
        let (after, joined_at) = (self.q?, self.joined_at);
        Some(Attach::Resume { after, joined_at })
    }

    /// The join that the vault is to be asked for now, if there is one.
    pub(super) fn next(&self) -> Option<&Join> {
        let settled = self.live || self.q.is_none();
        self.joins
            .front()
            .filter(|_| settled && self.asked.is_none())
    }

    /// The join of this ticket, which is answered now.
    pub(super) fn take(&mut self, ticket: u64) -> Option<Join> {
        self.asked.take_if(|asked| asked.ticket == ticket);
        let place = self.joins.iter().position(|join| join.ticket == ticket)?;
        self.joins.remove(place)
    }

    pub(super) fn joined(&mut self, vault: &VaultId, joined: &Joined, epoch: &str) {
        // One that was asked for twice, because the vault's actor had died, is answered once.
        let Some(join) = self.take(joined.ticket) else {
            return;
        };
        (self.q, self.joined_at) = (Some(joined.after()), joined.seq);
        self.live = joined.replayed.is_none();
        let mut payload = JoinedPayload::new(vault, joined, epoch);
        emit(&self.socket, protocol::JOINED, &payload);
        if let Some(ack) = join.ack {
            payload.ok = Some(true);
            acknowledge(ack, &payload);
        }
    }

    pub(super) fn event(&mut self, vault: &VaultId, record: &Record, frame: &Frame) {
        match self.q {
            Some(q) if record.seq == q.next() => {
                self.socket.push(frame);
                self.q = Some(record.seq);
            }
            Some(q) if record.seq > q => {
                error!(vault.id = %vault, event.seq = record.seq.0, after = q.0, "a gap before an event");
                self.socket.close(OUT_OF_STEP);
                (self.q, self.live) = (None, false); // once is enough
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
