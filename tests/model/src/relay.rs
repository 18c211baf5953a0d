//! The relay and the subscriptions of its sockets: all notices of the vault reach a socket through it, in one order.
//!
//! It models `src/gateway/relay/`: `sink.rs` (permits, and the outcome when there are none), `delivery.rs` and
//! `requests.rs` (delivery, queries, catching up), `socket_subscription.rs` (`last_sent`, and the next query). Each
//! socket has at most one subscription.

use crate::{
    bounds::{InjectedMistake, ModelBounds},
    journal::ModelSeq,
    session::{ModelFrame, ModelSession, ModelSessionPhase},
    state::Process,
    vault::{ModelAttach, ModelSubscribe, ModelSubscriberId, ModelVaultMessage},
};

/// The number of tickets of a process. Tickets repeat after that; never so many are in use at a time.
pub const TICKETS_PER_PROCESS: u8 = 16;

/// A message in the relay's mailbox.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ModelRelayMessage {
    /// An event for all live subscriptions.
    Event(ModelSeq),
    /// The answer to the query of a subscription.
    Attached(ModelSubscriberId, ModelAttached),
    /// The users of these subscriptions are no longer members.
    Removed(Vec<ModelSubscriberId>),
    /// The vault sends no more notices until the relay has caught up.
    FellBehind,
}

/// The answer of the vault to a query.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ModelAttached {
    pub ticket: u8,
    pub joined: Option<ModelJoined>,
    pub events: Vec<ModelSeq>,
    pub outcome: ModelAttachOutcome,
}

/// The state of a subscription after the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ModelAttachOutcome {
    /// No event is missing.
    Live,
    /// More events were missed. The subscription must resume after the last one.
    More,
    /// The user is no longer a member.
    Removed,
    /// The missed events were trimmed.
    Lost,
    /// The join was refused.
    Refused,
}

/// The confirmation of a join.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ModelJoined {
    pub seq: ModelSeq,
    pub replayed: Option<ModelSeq>,
    pub resync: bool,
}

/// One socket's subscription.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ModelSubscription {
    /// The last event that was put into the outbox. `None` until the socket has joined.
    pub last_sent: Option<ModelSeq>,
    /// The head of the vault when the socket joined.
    pub joined_at: ModelSeq,
    /// Whether the socket receives live events.
    pub live: bool,
    /// Joins that the vault has not answered, oldest first.
    pub joins: Vec<ModelAttach>,
    pub query: Option<ModelQuery>,
}

/// A query of a subscription that has no answer yet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ModelQuery {
    /// The query waits for a replay permit.
    AwaitingPermit,
    /// The query was sent to the vault. An answer with another ticket is outdated.
    Sent { ticket: u8, holds_permit: bool },
}

impl ModelJoined {
    /// Returns the seq after which the client receives events.
    pub fn last_known_seq(&self) -> ModelSeq {
        self.seq - self.replayed.unwrap_or(0)
    }
}

impl ModelRelayMessage {
    /// Returns the capacity that the message needs in the mailbox.
    fn weight(&self) -> usize {
        match self {
            Self::Attached(_, attached) => 1 + attached.events.len(),
            Self::Event(_) | Self::Removed(_) => 1,
            Self::FellBehind => 0,
        }
    }
}

impl ModelSubscription {
    /// Returns the next query that the subscription needs. Missed events come before a join.
    fn next_query(&self) -> Option<ModelAttach> {
        let joined_at = self.joined_at;
        match self.last_sent {
            Some(after) if !self.live => Some(ModelAttach::Resume { after, joined_at }),
            Some(_) | None => self.joins.first().cloned(),
        }
    }
}

impl Process {
    /// Returns whether the relay's mailbox has capacity for a message.
    pub fn has_capacity(&self, message: &ModelRelayMessage, bounds: &ModelBounds) -> bool {
        let weight = |message: &ModelRelayMessage| message.weight().min(bounds.relay_mailbox);
        self.relay_messages.iter().map(weight).sum::<usize>() + weight(message)
            <= bounds.relay_mailbox
    }

    /// Adds a join to the subscription of socket `n`, and queries the vault.
    pub fn join(&mut self, n: usize, attach: ModelAttach, bounds: &ModelBounds) {
        let subscription = self.sessions[n].subscription.get_or_insert_default();
        subscription.joins.push(attach);
        self.start_query(n, bounds);
    }

    /// Queries the vault for what the subscription of socket `n` needs next, unless a query is pending.
    pub fn start_query(&mut self, n: usize, bounds: &ModelBounds) {
        let Some(subscription) = self.sessions[n]
            .subscription
            .as_ref()
            .filter(|subscription| subscription.query.is_none())
        else {
            return;
        };
        match subscription.next_query() {
            None => {}
            Some(ModelAttach::Join) => self.send_query(n, ModelAttach::Join, false),
            Some(attach) if self.can_acquire_permit(n, bounds) => self.send_query(n, attach, true),
            Some(_) => self.set_query(n, Some(ModelQuery::AwaitingPermit)),
        }
    }

    /// Returns whether socket `n` may request a page: its outbox has room, and no other page is requested.
    pub fn can_acquire_permit(&self, n: usize, bounds: &ModelBounds) -> bool {
        let is_page = |session: &ModelSession| {
            let query = session
                .subscription
                .as_ref()
                .and_then(|subscription| subscription.query.as_ref());
            matches!(
                query,
                Some(ModelQuery::Sent {
                    holds_permit: true,
                    ..
                })
            )
        };
        let session = &self.sessions[n];
        let has_room = session.phase != ModelSessionPhase::Open
            || session.outbox.len() <= bounds.max_waiting_frames;
        has_room && !self.sessions.iter().any(is_page)
    }

    /// Acquires the replay permit for which the subscription of socket `n` waits, and sends its query.
    pub fn acquire_permit(&mut self, n: usize) {
        self.set_query(n, None);
        if let Some(attach) = self.sessions[n]
            .subscription
            .as_ref()
            .and_then(ModelSubscription::next_query)
        {
            self.send_query(n, attach, true);
        }
    }

    fn set_query(&mut self, n: usize, query: Option<ModelQuery>) {
        if let Some(subscription) = &mut self.sessions[n].subscription {
            subscription.query = query;
        }
    }

    fn send_query(&mut self, n: usize, attach: ModelAttach, holds_permit: bool) {
        let ticket = self.next_ticket();
        self.set_query(
            n,
            Some(ModelQuery::Sent {
                ticket,
                holds_permit,
            }),
        );
        let ModelSession {
            id: subscriber,
            client,
            ..
        } = self.sessions[n];
        let subscribe = ModelSubscribe {
            subscriber,
            client,
            ticket,
            attach,
        };
        self.vault()
            .mailbox
            .push(ModelVaultMessage::Subscribe(subscribe));
    }

    /// Returns a ticket that is not in use.
    pub fn next_ticket(&mut self) -> u8 {
        let first = self.last_ticket - self.last_ticket % TICKETS_PER_PROCESS;
        self.last_ticket = first + (self.last_ticket + 1) % TICKETS_PER_PROCESS;
        self.last_ticket
    }

    /// Handles a message of the vault.
    pub fn deliver(&mut self, message: ModelRelayMessage, bounds: &ModelBounds) {
        let index_of =
            |process: &Self, id| process.sessions.iter().position(|session| session.id == id);
        match message {
            ModelRelayMessage::Event(seq) => {
                for n in 0..self.sessions.len() {
                    if self.sessions[n]
                        .subscription
                        .as_ref()
                        .is_some_and(|subscription| subscription.live)
                    {
                        self.send_event(n, seq, bounds);
                    }
                }
            }
            ModelRelayMessage::Attached(id, attached) => {
                if let Some(n) = index_of(self, id) {
                    self.handle_answer(n, attached, bounds);
                }
            }
            ModelRelayMessage::Removed(ids) => {
                for id in ids {
                    let Some(n) = index_of(self, id) else {
                        continue;
                    };
                    if self.sessions[n]
                        .subscription
                        .as_ref()
                        .is_some_and(|subscription| subscription.live)
                    {
                        self.end_removed(n, bounds);
                    }
                }
            }
            ModelRelayMessage::FellBehind => self.must_catch_up = true,
        }
    }

    /// Handles the answer to a query of a subscription.
    fn handle_answer(&mut self, n: usize, attached: ModelAttached, bounds: &ModelBounds) {
        let ModelAttached {
            ticket,
            joined,
            events,
            outcome,
        } = attached;
        let Some(subscription) = &mut self.sessions[n].subscription else {
            return;
        };
        if !matches!(subscription.query, Some(ModelQuery::Sent { ticket: sent, .. }) if sent == ticket)
        {
            return;
        }
        subscription.query = None;
        if let Some(joined) = joined {
            self.sessions[n].confirm_join(ticket, joined, bounds);
        }
        for seq in events {
            self.send_event(n, seq, bounds);
        }
        let session = &mut self.sessions[n];
        match (outcome, &mut session.subscription) {
            (ModelAttachOutcome::Live, Some(subscription)) => subscription.live = true,
            (ModelAttachOutcome::More, Some(subscription)) => subscription.live = false,
            (ModelAttachOutcome::Removed, _) => self.end_removed(n, bounds),
            (ModelAttachOutcome::Lost, subscription) => {
                *subscription = None;
                session.seal();
            }
            (ModelAttachOutcome::Refused, Some(subscription)) => {
                subscription.joins.remove(0);
                if subscription.last_sent.is_none() && subscription.joins.is_empty() {
                    session.subscription = None;
                    let leave = ModelVaultMessage::Leave(session.id);
                    self.vault().mailbox.push(leave);
                }
                self.sessions[n].push(ModelFrame::Refused, bounds);
            }
            (
                ModelAttachOutcome::Live | ModelAttachOutcome::More | ModelAttachOutcome::Refused,
                None,
            ) => {}
        }
        self.start_query(n, bounds);
    }

    /// Puts an event into the outbox if it is the next one. Earlier events are dropped, and a gap closes the socket.
    fn send_event(&mut self, n: usize, seq: ModelSeq, bounds: &ModelBounds) {
        let session = &mut self.sessions[n];
        let Some(subscription) = &mut session.subscription else {
            return;
        };
        match subscription.last_sent {
            Some(last_sent) if seq == last_sent + 1 => {
                subscription.last_sent = Some(seq);
                session.push_event(seq, bounds);
            }
            Some(last_sent) if seq > last_sent => {
                (subscription.last_sent, subscription.live) = (None, false);
                session.seal();
                self.gap_detected = true;
            }
            Some(_) | None => {}
        }
    }

    /// Sends the error of a removed member and ends the subscription except for its pending joins.
    fn end_removed(&mut self, n: usize, bounds: &ModelBounds) {
        let session = &mut self.sessions[n];
        session.push(ModelFrame::Removed, bounds);
        session.trace.ended = true;
        if let Some(subscription) = &mut session.subscription {
            (subscription.last_sent, subscription.live) = (None, false);
            if subscription.joins.is_empty() {
                session.subscription = None;
            }
        }
    }

    /// Ends the subscription of socket `n`, because the client leaves the vault or the socket ends.
    pub fn leave(&mut self, n: usize, bounds: &ModelBounds) {
        let session = &mut self.sessions[n];
        if bounds.mistake != Some(InjectedMistake::LeaveKeepsSubscription)
            && session.subscription.take().is_some()
        {
            session.trace.left = true;
            let leave = ModelVaultMessage::Leave(session.id);
            // A leave does not start a vault actor.
            if let Some(vault) = &mut self.vault {
                vault.mailbox.push(leave);
            }
        }
    }

    /// Resumes all subscriptions after `last_sent`. The relay fell behind, or the vault actor panicked.
    pub fn catch_up(&mut self, bounds: &ModelBounds) {
        self.must_catch_up = false;
        if let Some(vault) = &mut self.vault {
            vault.mailbox.push(ModelVaultMessage::CaughtUp);
        }
        for n in 0..self.sessions.len() {
            let Some(subscription) = &mut self.sessions[n].subscription else {
                continue;
            };
            subscription.live = false;
            if matches!(subscription.query, Some(ModelQuery::Sent { .. })) {
                subscription.query = None;
            }
            if bounds.mistake == Some(InjectedMistake::AttachWithoutLastSent)
                && subscription.last_sent.take().is_some()
            {
                subscription.joins.insert(0, ModelAttach::Join);
            }
            self.start_query(n, bounds);
        }
    }
}
