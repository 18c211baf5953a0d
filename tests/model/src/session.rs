//! A session: its outbox, its transport, and the delivery trace of its socket.
//!
//! It models `socketio/src/engineio/` (`outbox/`, `active_transport.rs`, `machine/upgrade.rs`) and `src/gateway/`
//! (`trace/`, `recovery/`). In the model a client on a websocket reads directly from the outbox, so frames that the
//! websocket has taken and the client has not received are still there. The answer to a poll is separate, because a
//! websocket may overtake it.

use crate::{
    bounds::{InjectedMistake, ModelBounds},
    journal::{ModelJournal, ModelSeq},
    relay::{ModelJoined, ModelSubscription},
    state::Process,
    vault::{ModelAttach, ModelSubscriberId},
};

/// An Engine.IO session with its only socket.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ModelSession {
    /// The id of the session. It also identifies the socket and its subscription.
    pub id: ModelSubscriberId,
    pub client: u8,
    /// The id by which the client can recover the connection.
    pub pid: u8,
    pub phase: ModelSessionPhase,
    pub transport: ModelTransport,
    pub outbox: Vec<ModelFrame>,
    /// The client still uses this session. If not, the server has not detected the disconnect yet.
    pub has_client: bool,
    pub subscription: Option<ModelSubscription>,
    pub trace: ModelTrace,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ModelSessionPhase {
    Open,
    /// The outbox accepts no more frames. The session will be closed.
    Sealed,
    /// The client receives the queued frames and then the close packet.
    Closing,
}

/// The server's side of the transport of a session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ModelTransport {
    Polling {
        /// A poll waits for frames.
        parked: bool,
        /// The answer to a poll, on its way to the client.
        answer: Option<Vec<ModelFrame>>,
        /// A websocket that is to replace polling has sent `2probe`.
        probed: bool,
    },
    WebSocket,
}

/// A frame to a client.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ModelFrame {
    /// The answer to CONNECT.
    Connected {
        pid: u8,
        recovered: bool,
    },
    /// `vault:joined`, with the ticket of the join.
    Joined(u8, ModelJoined),
    Event(ModelSeq),
    /// `error` with `ACCESS_DENIED`. It follows the event that removes the user.
    Removed,
    /// The refusal of a join.
    Refused,
    /// The acknowledgement of `vault:leave`.
    Left,
    Ping,
}

/// The offset of the last packet that a client has received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ModelOffset {
    Event(ModelSeq),
    /// `vault:joined`, with the ticket of the join.
    Join(u8),
}

/// The packets that a socket was sent since its last answered heartbeat. They belong to one subscription.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ModelTrace {
    entries: Vec<ModelTraceEntry>,
    /// What the client had received before the entries.
    position: Option<ModelPosition>,
    /// The vault ended the subscription after the entries.
    pub ended: bool,
    /// The client left the vault. Recovery does not resume the subscription.
    pub left: bool,
    /// The number of entries that were sent before the outstanding ping.
    pinged: Option<usize>,
    /// The offset that the client sent with its CONNECT.
    initial_offset: Option<ModelOffset>,
}

/// A packet that was sent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum ModelTraceEntry {
    Event(ModelSeq),
    Joined(u8, ModelAttach, ModelJoined),
}

/// The state that is kept of an ended socket, so that its client can recover the connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ModelRecoveryState {
    pub pid: u8,
    trace: ModelTrace,
    pending_joins: Vec<ModelAttach>,
}

/// The position of a client in the events of the vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct ModelPosition {
    /// The last event that the client has received.
    last_seen: ModelSeq,
    /// The head of the vault when the client joined.
    joined_at: ModelSeq,
}

/// A subscription to resume. The default value is none.
#[derive(Debug, Default, PartialEq)]
struct ModelResumed {
    /// As in [`ModelTrace`].
    position: Option<ModelPosition>,
    /// A `vault:joined` that the client has not received. It is sent again.
    joined: Option<ModelJoined>,
    /// Joins to request again.
    joins: Vec<ModelAttach>,
}

impl ModelJoined {
    /// Returns the position of a client that has received this `vault:joined`.
    fn position(&self) -> ModelPosition {
        ModelPosition {
            last_seen: self.last_known_seq(),
            joined_at: self.seq,
        }
    }
}

impl ModelTraceEntry {
    /// Returns the offset of the packet.
    fn offset(&self) -> ModelOffset {
        match self {
            Self::Event(seq) => ModelOffset::Event(*seq),
            Self::Joined(ticket, ..) => ModelOffset::Join(*ticket),
        }
    }

    /// Returns the join that the packet confirms.
    fn join(&self) -> Option<(&ModelAttach, &ModelJoined)> {
        match self {
            Self::Event(_) => None,
            Self::Joined(_, attach, joined) => Some((attach, joined)),
        }
    }
}

impl ModelSession {
    /// Puts a frame into the outbox. A full outbox is cleared and sealed.
    pub fn push(&mut self, frame: ModelFrame, bounds: &ModelBounds) {
        if self.phase != ModelSessionPhase::Open || !self.has_client {
            return;
        }
        if self.id < bounds.slow_sockets && self.outbox.len() == bounds.session_outbox {
            self.outbox.clear(); // a slow reader is disconnected
            return self.seal();
        }
        self.outbox.push(frame);
    }

    /// Seals the outbox, so that the session is closed.
    pub fn seal(&mut self) {
        if self.phase == ModelSessionPhase::Open {
            self.phase = ModelSessionPhase::Sealed;
        }
    }

    /// Sends an event and records it in the trace.
    pub fn push_event(&mut self, seq: ModelSeq, bounds: &ModelBounds) {
        self.push(ModelFrame::Event(seq), bounds);
        self.trace.entries.push(ModelTraceEntry::Event(seq));
    }

    /// Confirms the oldest pending join to the client.
    pub fn confirm_join(&mut self, ticket: u8, joined: ModelJoined, bounds: &ModelBounds) {
        let Some(subscription) = self
            .subscription
            .as_mut()
            .filter(|subscription| !subscription.joins.is_empty())
        else {
            return;
        };
        let attach = subscription.joins.remove(0);
        (subscription.last_sent, subscription.joined_at) =
            (Some(joined.last_known_seq()), joined.seq);
        self.push(ModelFrame::Joined(ticket, joined.clone()), bounds);
        self.trace.ended = false;
        self.trace
            .entries
            .push(ModelTraceEntry::Joined(ticket, attach, joined));
    }

    /// Sends a ping and records how many packets its answer confirms.
    pub fn send_ping(&mut self, bounds: &ModelBounds) {
        self.push(ModelFrame::Ping, bounds);
        self.trace.pinged = Some(self.trace.entries.len());
    }

    /// Answers the parked poll with all queued frames.
    pub fn answer_poll(&mut self) {
        if let ModelTransport::Polling { parked, answer, .. } = &mut self.transport {
            (*parked, *answer) = (false, Some(std::mem::take(&mut self.outbox)));
        }
    }

    /// Answers the parked poll with an empty packet, if there is one.
    pub fn release_poll(&mut self) {
        if let ModelTransport::Polling {
            parked: parked @ true,
            answer,
            ..
        } = &mut self.transport
        {
            (*parked, *answer) = (false, Some(Vec::new()));
        }
    }

    /// Returns whether the client can read a frame from a websocket.
    pub fn has_readable_frame(&self, bounds: &ModelBounds) -> bool {
        let is_fed = match self.transport {
            ModelTransport::WebSocket => true,
            ModelTransport::Polling { probed, .. } => {
                probed && bounds.mistake == Some(InjectedMistake::SendBeforeUpgrade)
            }
        };
        is_fed && self.has_client && !self.outbox.is_empty()
    }
}

impl ModelTrace {
    /// Records that the ping was answered: drops the packets that were sent before it.
    pub fn record_pong(&mut self) {
        for _ in 0..self.pinged.take().unwrap_or(0) {
            self.drop_first();
        }
    }

    /// Drops the oldest packet and moves the position past it.
    fn drop_first(&mut self) {
        let joined_at = self.position.map_or(0, |position| position.joined_at);
        self.position = Some(match self.entries.remove(0) {
            ModelTraceEntry::Event(last_seen) => ModelPosition {
                last_seen,
                joined_at,
            },
            ModelTraceEntry::Joined(_, _, joined) => joined.position(),
        });
    }

    /// Returns what to resume for a client that reconnects with this offset, or `None` if the trace does not show what the
    /// client has received.
    fn recover(&self, offset: Option<ModelOffset>, bounds: &ModelBounds) -> Option<ModelResumed> {
        let mut unseen = self.clone();
        let matches_offset = |sent: &ModelTraceEntry| Some(sent.offset()) == offset;
        if let Some(index) = self.entries.iter().position(matches_offset) {
            let is_ambiguous = self
                .entries
                .iter()
                .filter(|sent| matches_offset(sent))
                .count()
                > 1;
            if is_ambiguous || self.initial_offset == offset {
                return None;
            }
            (0..=index).for_each(|_| unseen.drop_first());
        }
        if bounds.mistake == Some(InjectedMistake::TreatSentAsReceived) {
            (0..unseen.entries.len()).for_each(|_| unseen.drop_first());
        }
        let is_empty = unseen.position.is_none() && unseen.entries.is_empty();
        if is_empty || unseen.left || (unseen.ended && unseen.entries.is_empty()) {
            return Some(ModelResumed::default());
        }
        let mut joins = unseen.entries.iter().filter_map(ModelTraceEntry::join);
        let joined = match unseen.position {
            Some(_) => None,
            None => joins.next().map(|(_, joined)| joined.clone()),
        };
        Some(ModelResumed {
            position: unseen
                .position
                .or(joined.as_ref().map(ModelJoined::position)),
            joined,
            joins: joins.map(|(attach, _)| attach.clone()).collect(),
        })
    }
}

impl Process {
    /// Ends the subscription of a socket. Saves its recovery state if connections can be recovered.
    pub fn suspend(&mut self, n: usize, bounds: &ModelBounds) {
        let session = &mut self.sessions[n];
        let pending_joins = session
            .subscription
            .as_ref()
            .map_or(Vec::new(), |subscription| subscription.joins.clone());
        let trace = std::mem::take(&mut session.trace);
        if bounds.recovery {
            let pid = session.pid;
            self.recovery_states.push(ModelRecoveryState {
                pid,
                trace,
                pending_joins,
            });
        }
        self.leave(n, bounds);
    }

    /// Takes the recovery state of this pid. A connection that is still open is suspended and closed first.
    fn take_recovery_state(&mut self, pid: u8, bounds: &ModelBounds) -> Option<ModelRecoveryState> {
        if let Some(n) = self.sessions.iter().position(|session| session.pid == pid) {
            if self.sessions[n].phase != ModelSessionPhase::Closing {
                self.suspend(n, bounds);
            }
            self.sessions.remove(n);
        }
        let n = self
            .recovery_states
            .iter()
            .position(|state| state.pid == pid)?;
        Some(self.recovery_states.remove(n))
    }

    /// Opens a session for a client. If the client sends a `pid`, the former connection is recovered if possible.
    /// Returns the index of the session.
    pub fn connect(
        &mut self,
        (id, client): (ModelSubscriberId, u8),
        (pid, offset): (Option<u8>, Option<ModelOffset>),
        journal: &ModelJournal,
        bounds: &ModelBounds,
    ) -> usize {
        let state = pid
            .filter(|_| bounds.recovery)
            .and_then(|pid| self.take_recovery_state(pid, bounds));
        let resumed = state.and_then(|state| {
            let mut resumed = state.trace.recover(offset, bounds)?;
            resumed.joins.extend(state.pending_joins);
            let can_resume = resumed
                .position
                .is_none_or(|position| journal.can_resume(position.last_seen));
            can_resume.then_some((state.pid, resumed))
        });
        let recovered = resumed.is_some();
        let (pid, resumed) = resumed.unwrap_or((id, ModelResumed::default()));
        let transport = match bounds.polling {
            true => ModelTransport::Polling {
                parked: false,
                answer: None,
                probed: false,
            },
            false => ModelTransport::WebSocket,
        };
        let trace = ModelTrace {
            initial_offset: offset.filter(|_| bounds.recovery),
            ..ModelTrace::default()
        };
        self.sessions.push(ModelSession {
            id,
            client,
            pid,
            phase: ModelSessionPhase::Open,
            transport,
            outbox: Vec::new(),
            has_client: true,
            subscription: None,
            trace,
        });
        let n = self.sessions.len() - 1;
        self.sessions[n].push(ModelFrame::Connected { pid, recovered }, bounds);
        if resumed != ModelResumed::default() {
            self.resume(n, resumed, bounds);
        }
        n
    }

    /// Resumes a subscription on the new connection `n`. A `vault:joined` that the client has not received is sent
    /// again first.
    fn resume(&mut self, n: usize, resumed: ModelResumed, bounds: &ModelBounds) {
        let ModelResumed {
            position,
            joined,
            joins,
        } = resumed;
        let ticket = joined.is_some().then(|| self.next_ticket());
        let session = &mut self.sessions[n];
        let subscription = session.subscription.insert(ModelSubscription::default());
        if let (Some(joined), Some(ticket)) = (joined, ticket) {
            subscription.joins.push(ModelAttach::Join);
            session.confirm_join(ticket, joined, bounds);
        } else if let Some(ModelPosition {
            last_seen,
            joined_at,
        }) = position
        {
            (subscription.last_sent, subscription.joined_at) = (Some(last_seen), joined_at);
            session.trace.position = position;
        }
        session
            .subscription
            .get_or_insert_default()
            .joins
            .extend(joins);
        self.start_query(n, bounds);
    }
}
