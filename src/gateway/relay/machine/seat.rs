//! One seat: a socket's subscription of one vault.

use std::collections::VecDeque;

use crate::{
    domain::{Epoch, MonotonicTime, Seq},
    vault::{Attach, Joined},
};

use super::ids::{JoinAckId, RelaySocketId};

/// The state of one seat. At most one query is pending at its vault.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Seat {
    pub socket: RelaySocketId,
    pub state: SeatState,
    /// Joins that the vault has not answered, oldest first.
    pub joins: VecDeque<PendingJoin>,
    pub query: SeatQuery,
}

/// What a seat receives.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SeatState {
    /// Nothing: it has not joined, or the vault ended the subscription.
    Joining,
    /// Missed events only.
    Behind(SeatPosition),
    /// Every event.
    Live(SeatPosition),
    /// Nothing more: the socket was closed, because an event is missing.
    OutOfStep,
}

/// The position of a seat in the order of its vault.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SeatPosition {
    /// The last event that was put into the outbox.
    pub last_sent: Seq,
    /// The head of the vault when the socket joined it.
    pub joined_at: Seq,
    /// The epoch of the history that the numbers belong to.
    pub epoch: Epoch,
}

/// A join that the vault has not answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PendingJoin {
    pub attach: Attach,
    pub ack: Option<JoinAckId>,
    /// When the join is refused as busy. `None` until it is the next request to the vault.
    pub deadline: Option<MonotonicTime>,
}

/// What a seat waits for. A query whose answer may be a page of missed events has a turn: first of its socket, then of its
/// vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SeatQuery {
    /// Nothing.
    Idle,
    /// Another seat of the socket has the turn of the socket.
    AwaitingSocket,
    /// The outbox of the socket has no room for a page. The seat has the turn of the socket.
    AwaitingRoom,
    /// Other seats have all turns of the vault. The seat has the turn of the socket.
    AwaitingVault,
    /// The answer of the vault.
    Sent(SentQuery),
}

/// A query that was sent to the vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SentQuery {
    /// Identifies the answer. An answer with another ticket is outdated.
    pub ticket: u64,
    pub purpose: QueryPurpose,
    pub turn: PageTurn,
}

/// What a query is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum QueryPurpose {
    /// The oldest pending join.
    Join,
    /// The events after `last_sent`.
    Resume,
}

/// Whether a query has a turn of its socket and its vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PageTurn {
    /// A plain join needs none.
    NotNeeded,
    /// The turns end with the answer.
    Held,
}

/// What an event is to a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EventOrder {
    /// The next event. The position has moved to it.
    Next,
    /// The seat does not receive it, or has received it before.
    Known,
    /// An event before it is missing.
    Gap { last_sent: Seq },
}

impl QueryPurpose {
    /// Returns the purpose of a query with this parameter.
    pub(super) fn from_attach(attach: &Attach) -> Self {
        match attach {
            Attach::Join | Attach::JoinSince { .. } => Self::Join,
            Attach::Resume { .. } => Self::Resume,
        }
    }
}

impl PendingJoin {
    /// Returns a join whose query was not sent.
    pub(super) fn new(attach: Attach, ack: Option<JoinAckId>) -> Self {
        Self {
            attach,
            ack,
            deadline: None,
        }
    }
}

impl Seat {
    /// Returns the seat of a socket that has not joined.
    pub(super) fn new(socket: RelaySocketId) -> Self {
        Self {
            socket,
            state: SeatState::Joining,
            joins: VecDeque::new(),
            query: SeatQuery::Idle,
        }
    }

    /// Returns the parameter of the next query, or `None` if none is needed. Missed events come before a join, because
    /// `vault:joined` must follow them.
    pub fn next_query(&self) -> Option<Attach> {
        match &self.state {
            SeatState::Behind(SeatPosition {
                last_sent,
                joined_at,
                epoch,
            }) => Some(Attach::Resume {
                after: *last_sent,
                joined_at: *joined_at,
                epoch: epoch.clone(),
            }),
            SeatState::Joining | SeatState::Live(_) => {
                self.joins.front().map(|join| join.attach.clone())
            }
            SeatState::OutOfStep => None,
        }
    }

    /// Removes the oldest join. A seat without joins has no queue.
    pub(super) fn take_join(&mut self) -> Option<PendingJoin> {
        let join = self.joins.pop_front();
        if self.joins.is_empty() {
            self.joins = VecDeque::new();
        }
        join
    }

    /// Returns whether the answer to a join skips events that are still owed to the socket. That happens if the vault actor
    /// that the seat was live in has ended, and its successor answers.
    pub(super) fn is_owed_events_before(&self, joined: &Joined) -> bool {
        match &self.state {
            SeatState::Behind(position) | SeatState::Live(position) => {
                joined.last_known_seq() > position.last_sent
            }
            SeatState::Joining | SeatState::OutOfStep => false,
        }
    }

    /// Stops live events until the seat has resumed after its last event.
    pub(super) fn fall_behind(&mut self) {
        if let SeatState::Live(position) = &self.state {
            self.state = SeatState::Behind(position.clone());
        }
    }

    /// Begins live events. The seat has received everything before them.
    pub(super) fn go_live(&mut self) {
        if let SeatState::Behind(position) = &self.state {
            self.state = SeatState::Live(position.clone());
        }
    }

    /// Compares an event with the position, and moves the position if the event is the next one.
    pub(super) fn pass_event(&mut self, seq: Seq) -> EventOrder {
        match &mut self.state {
            SeatState::Behind(position) | SeatState::Live(position) => position.pass(seq),
            SeatState::Joining | SeatState::OutOfStep => EventOrder::Known,
        }
    }
}

impl SeatPosition {
    /// Compares an event with the position, and moves the position if the event is the next one.
    pub(super) fn pass(&mut self, seq: Seq) -> EventOrder {
        let last_sent = self.last_sent;
        if seq == last_sent.next() {
            self.last_sent = seq;
            EventOrder::Next
        } else if seq > last_sent {
            EventOrder::Gap { last_sent }
        } else {
            EventOrder::Known
        }
    }
}
