//! One socket's subscription of one vault: the last sent seq, the joins without an answer, and the query that is pending.
//!
//! At most one query per subscription is pending at the vault. The vault's answer may be a page of missed events, so such
//! a query waits for a [`ReplayPermit`] first.

use std::collections::VecDeque;

use tracing::error;

use crate::{
    domain::{Seq, SubscriberId, VaultId},
    gateway::{
        emit::{acknowledge, emit},
        offset::{Offset, OffsetMode},
        protocol::{self, EventFrames, JoinedPayload},
        scoped_task::ScopedTask,
        trace::{ResumePosition, TracedJoin},
    },
    journal::JournalRecord,
    vault::{Attach, Joined},
};
use actix_socketio::{Ack, Socket, engineio::CloseReason};

use super::{delivery_socket::DeliverySocket, replay_permits::ReplayPermit};

/// Closes the transport of a socket that cannot be served without a gap. The client reconnects and joins again.
pub(super) const OUT_OF_STEP: CloseReason = CloseReason::Application("out of step");

/// One socket's subscription of one vault.
pub(super) struct SocketSubscription {
    pub(super) socket: DeliverySocket,
    /// The last event that was put into the outbox. `None` until the socket has joined.
    pub(super) last_sent: Option<Seq>,
    /// The head of the vault when the socket joined it.
    pub(super) joined_at: Seq,
    /// Whether the socket receives live events. Until then it receives missed events only.
    pub(super) live: bool,
    /// Joins that the vault has not answered, oldest first.
    pub(super) joins: VecDeque<PendingJoin>,
    pub(super) query: Option<PendingQuery>,
}

/// A join that the vault has not answered.
pub(super) struct PendingJoin {
    pub(super) attach: Attach,
    pub(super) ack: Option<Ack>,
    /// Refuses the join when the vault does not answer in time. Starts with the first query.
    pub(super) timeout: Option<ScopedTask>,
}

/// What a subscription waits for.
pub(super) enum PendingQuery {
    /// A replay permit. The query is sent when the task has acquired it.
    AwaitingPermit(#[allow(dead_code, reason = "the task runs until it is dropped")] ScopedTask),
    /// The answer of the vault.
    Sent(SentQuery),
}

/// A query that was sent to the vault.
pub(super) struct SentQuery {
    /// Identifies the answer. An answer with another ticket is outdated.
    pub(super) ticket: u64,
    pub(super) purpose: QueryPurpose,
    /// Released with the answer.
    pub(super) _permit: Option<ReplayPermit>,
}

/// What a query is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum QueryPurpose {
    /// The oldest pending join.
    Join,
    /// The events after `last_sent`.
    Resume,
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

/// The vault's answer to a join.
pub(super) struct JoinAnswer<'a> {
    pub(super) vault: &'a VaultId,
    pub(super) epoch: &'a str,
    pub(super) ticket: u64,
    pub(super) joined: &'a Joined,
}

/// An event with its encoded frames.
pub(super) struct EncodedEvent<'a> {
    pub(super) vault: &'a VaultId,
    pub(super) record: &'a JournalRecord,
    pub(super) frames: EventFrames,
}

impl PendingJoin {
    /// Returns a join without an acknowledgement.
    pub(super) fn unacknowledged(attach: Attach) -> Self {
        Self {
            attach,
            ack: None,
            timeout: None,
        }
    }
}

impl SocketSubscription {
    /// Returns the subscription of a socket that has not joined yet.
    pub(super) fn new(socket: DeliverySocket) -> Self {
        Self {
            socket,
            last_sent: None,
            joined_at: Seq::ZERO,
            live: false,
            joins: VecDeque::new(),
            query: None,
        }
    }

    /// Continues the subscription at this position.
    pub(super) fn resume_at(&mut self, id: SubscriberId, vault: &VaultId, at: ResumePosition) {
        (self.last_sent, self.joined_at) = (Some(at.last_seen), at.joined_at);
        self.socket
            .with_trace(|trace| trace.record_resume(id, vault, at));
    }

    /// Ends the subscription except for its pending joins. Returns whether there are any.
    pub(super) fn end_except_joins(&mut self, id: SubscriberId) -> bool {
        self.socket.with_trace(|trace| trace.record_end(id));
        (self.last_sent, self.live) = (None, false);
        !self.joins.is_empty()
    }

    /// Returns the parameter of the next query, or `None` if none is needed. Missed events come before a join, because
    /// the answer to a join must follow them.
    pub(super) fn next_query(&self) -> Option<Attach> {
        let joined_at = self.joined_at;
        match self.last_sent {
            Some(after) if !self.live => Some(Attach::Resume { after, joined_at }),
            Some(_) | None => self.joins.front().map(|join| join.attach.clone()),
        }
    }

    /// Removes the pending query of this ticket. Returns whether there was one.
    pub(super) fn take_answered(&mut self, ticket: u64) -> bool {
        let is_answered = |query: &mut PendingQuery| matches!(query, PendingQuery::Sent(sent) if sent.ticket == ticket);
        self.query.take_if(is_answered).is_some()
    }

    /// Discards a query that was sent to the vault. Its answer will not come, or is ignored.
    pub(super) fn discard_sent_query(&mut self) {
        self.query
            .take_if(|query| matches!(query, PendingQuery::Sent(_)));
    }

    /// Discards the query of a join that timed out. The vault may have accepted the join nevertheless, so a subscription
    /// that existed before resumes with a new query.
    pub(super) fn discard_join_query(&mut self) {
        let is_join = |query: &mut PendingQuery| matches!(query, PendingQuery::Sent(sent) if sent.purpose == QueryPurpose::Join);
        if self.query.take_if(is_join).is_some() {
            self.live = false;
        }
    }

    /// Confirms the oldest pending join to the client.
    pub(super) fn confirm_join(&mut self, id: SubscriberId, answer: JoinAnswer<'_>) {
        let JoinAnswer {
            vault,
            epoch,
            ticket,
            joined,
        } = answer;
        let Some(PendingJoin { attach, ack, .. }) = self.joins.pop_front() else {
            return;
        };
        (self.last_sent, self.joined_at) = (Some(joined.last_known_seq()), joined.seq);
        let socket = &self.socket;
        let payload = JoinedPayload::new(vault, &socket.user, joined, epoch);
        match socket.offset_mode() {
            OffsetMode::Appended => {
                let offset = Offset::for_join(vault, ticket);
                let args = (&payload, offset.as_str());
                let joined = joined.clone();
                let join = TracedJoin {
                    ticket,
                    attach,
                    joined,
                };
                let emit = |socket: &Socket| emit(socket, protocol::JOINED, &args);
                socket.send(emit, |trace| trace.record_join(id, vault, join));
            }
            OffsetMode::Omitted => emit(&socket.socket, protocol::JOINED, &payload),
        }
        if let Some(ack) = ack {
            acknowledge(ack, &payload.acknowledgement());
        }
    }

    /// Puts an event into the outbox if it is the next one. Returns whether it was.
    ///
    /// Events at or below `last_sent` are dropped. A gap closes the transport.
    pub(super) fn send_event(&mut self, id: SubscriberId, event: &EncodedEvent<'_>) -> bool {
        let seq = event.record.seq;
        match self.last_sent {
            Some(last_sent) if seq == last_sent.next() => {
                let offsets = self.socket.offset_mode();
                let frame = event.frames.get(event.vault, event.record, offsets);
                let push = |socket: &Socket| socket.push(frame);
                self.socket.send(push, |trace| trace.record_event(id));
                self.last_sent = Some(seq);
                true
            }
            Some(last_sent) if seq > last_sent => {
                error!(vault.id = %event.vault, event.seq = seq.0, after = last_sent.0, "gap before an event; closing the socket");
                self.socket.socket.close(OUT_OF_STEP);
                (self.last_sent, self.live) = (None, false); // further events are dropped
                false
            }
            // Sent already, or not joined yet.
            Some(_) | None => false,
        }
    }
}
