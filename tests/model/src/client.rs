//! A client: the transport of an official client, and a view that checks the promises for each received packet.
//!
//! A packet from a client arrives at once, because a late arrival equals a late send. A packet to a client is on its
//! way until the client reads it, and is lost with the connection.

use crate::{
    bounds::{ModelBounds, ModelMutation},
    journal::{ModelSeq, ModelSharedState},
    relay::ModelJoined,
    session::{ModelFrame, ModelOffset},
    vault::{ModelAttach, ModelSubscriberId},
};

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ModelClient {
    pub connection: Option<ModelConnection>,
    /// The client sends `pid` and `offset` when it reconnects.
    pub pid: Option<u8>,
    pub offset: Option<ModelOffset>,
    pub view: ModelClientView,
}

/// A client's connection to a process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ModelConnection {
    pub process: u8,
    pub session: ModelSubscriberId,
    /// The client has received the answer to its CONNECT.
    pub connected: bool,
    pub transport: ClientTransport,
}

/// The client's side of the transport of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClientTransport {
    Polling {
        poll_pending: bool,
        probe: ProbeState,
    },
    WebSocket,
}

/// The progress of an upgrade to a websocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProbeState {
    None,
    /// The client has sent `2probe`.
    Sent,
    /// The client has received `3probe` and does not poll any more.
    Answered,
}

/// What a client knows about the vault, and the first broken promise.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ModelClientView {
    /// The client joins the vault after each new connection. `false` once it has left.
    pub wants_subscription: bool,
    pub pending_join: Option<ModelPendingJoin>,
    /// The client has received `vault:joined` and no end of the subscription since.
    pub joined: bool,
    /// The last event that the client knows, with all events before it.
    pub last_seq: Option<ModelSeq>,
    /// The current connection was recovered.
    pub recovered: bool,
    /// The first broken promise.
    pub violation: Option<Violation>,
}

/// A join whose answer the client has not received yet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ModelPendingJoin {
    since: Option<ModelSeq>,
    /// The number of mutations that were submitted before the join.
    submitted_before: u8,
}

/// The way in which a promise was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Violation {
    /// An event or a join skipped an earlier event.
    Gap,
    /// The client knew the event already.
    Duplicate,
    /// An event arrived at a client that has not joined or was removed.
    NotJoined,
    /// `vault:joined` arrived without a pending join.
    UnexpectedJoin,
    /// The replay does not begin after `since`.
    WrongReplay,
    /// `vault:joined` has `resync`, although no event after `since` was trimmed.
    NeedlessResync,
    /// The join took effect after a mutation that was sent after it.
    LateJoin,
    /// A packet of the vault arrived after the acknowledgement of `vault:leave`.
    AfterLeave,
}

impl Default for ModelClientView {
    fn default() -> Self {
        Self {
            wants_subscription: true,
            pending_join: None,
            joined: false,
            last_seq: None,
            recovered: false,
            violation: None,
        }
    }
}

impl ModelClient {
    /// Handles a received frame. Returns the join that the client sends in response, if any.
    pub fn receive(
        &mut self,
        id: u8,
        frame: ModelFrame,
        shared: &ModelSharedState,
        bounds: &ModelBounds,
    ) -> Option<ModelAttach> {
        let view = &mut self.view;
        match frame {
            ModelFrame::Connected { pid, recovered } => {
                self.pid = Some(pid);
                if let Some(connection) = &mut self.connection {
                    connection.connected = true;
                }
                return view.on_connected(recovered, shared, bounds);
            }
            ModelFrame::Joined(ticket, joined) => {
                self.offset = Some(ModelOffset::Join(ticket));
                view.on_joined(joined, shared, bounds);
            }
            ModelFrame::Event(seq) => {
                self.offset = Some(ModelOffset::Event(seq));
                view.on_event(id, seq, shared, bounds);
            }
            ModelFrame::Refused => view.pending_join = None,
            ModelFrame::Left => (view.pending_join, view.joined) = (None, false),
            ModelFrame::Removed | ModelFrame::Ping => {}
        }
        None
    }
}

impl ModelClientView {
    fn on_connected(
        &mut self,
        recovered: bool,
        shared: &ModelSharedState,
        bounds: &ModelBounds,
    ) -> Option<ModelAttach> {
        self.recovered = recovered;
        if recovered {
            self.restart_pending_join();
            if !self.wants_subscription {
                // The client has left, whether it received the acknowledgement or not.
                (self.joined, self.pending_join) = (false, None);
            }
            return None;
        }
        (self.joined, self.pending_join) = (false, None);
        if !self.wants_subscription {
            return None;
        }
        let since = self.last_seq.filter(|_| bounds.uses_since);
        self.pending_join = Some(ModelPendingJoin {
            since,
            submitted_before: shared.answers.len() as u8,
        });
        Some(since.map_or(ModelAttach::Join, ModelAttach::JoinSince))
    }

    /// Records that the pending join is requested again. It takes effect after the mutations that were sent meanwhile.
    pub fn restart_pending_join(&mut self) {
        if let Some(pending_join) = &mut self.pending_join {
            pending_join.submitted_before = u8::MAX;
        }
    }

    fn on_joined(&mut self, joined: ModelJoined, shared: &ModelSharedState, bounds: &ModelBounds) {
        let ModelJoined {
            seq,
            replayed,
            resync,
        } = joined;
        let after = joined.last_known_seq();
        let Some(ModelPendingJoin {
            since,
            submitted_before,
        }) = self.pending_join.take()
        else {
            return self.record_violation(match self.wants_subscription {
                true if self.joined && self.last_seq < Some(after) => Violation::Gap,
                true => Violation::UnexpectedJoin,
                false => Violation::AfterLeave,
            });
        };
        match since {
            Some(since) if resync && since >= shared.journal.trimmed && since <= seq => {
                self.record_violation(Violation::NeedlessResync);
            }
            Some(since) if !resync && (after != since || replayed.is_none()) => {
                self.record_violation(Violation::WrongReplay)
            }
            None if resync || replayed.is_some() => self.record_violation(Violation::WrongReplay),
            // If events after its position were trimmed, the join takes effect later, as its `seq` shows.
            None if bounds.processes == 1 && shared.journal.trimmed == 0 => {
                let before = shared.journal.events.iter().take(seq.into());
                if before.copied().any(|mutation| mutation >= submitted_before) {
                    self.record_violation(Violation::LateJoin);
                }
            }
            Some(_) | None => {}
        }
        (self.joined, self.last_seq) = (true, Some(after));
    }

    fn on_event(&mut self, id: u8, seq: ModelSeq, shared: &ModelSharedState, bounds: &ModelBounds) {
        let known = self.last_seq.unwrap_or(0);
        match () {
            () if !self.wants_subscription && !self.joined => {
                self.record_violation(Violation::AfterLeave)
            }
            () if !self.joined => self.record_violation(Violation::NotJoined),
            () if seq <= known => self.record_violation(Violation::Duplicate),
            () if seq > known + 1 => self.record_violation(Violation::Gap),
            () => {}
        }
        self.last_seq = Some(seq);
        if shared.journal.mutation_at(bounds, seq) == ModelMutation::Remove(id) {
            self.joined = false;
        }
    }

    fn record_violation(&mut self, violation: Violation) {
        self.violation.get_or_insert(violation);
    }
}
