//! A session: its outbox, what carries it, and the trace of what its socket was sent.
//!
//! As in `src/engineio/` (`outbox.rs`, `carrier.rs`, `machine/upgrade.rs`) and `src/gateway/` (`trace.rs`, `recovery.rs`). What a
//! websocket was handed and has not arrived is still in the outbox here: the client reads there. A poll's answer is
//! apart, for a websocket may overtake it.

use crate::{
    bounds::{Bounds, Mistake},
    journal::{Journal, Seq},
    relay::{Joined, Seat},
    vault::{Attach, SubscriberId},
    world::Process,
};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Session {
    pub id: SubscriberId,
    pub client: u8,
    /// By what its client may come back.
    pub pid: u8,
    pub phase: Phase,
    pub carrier: Carrier,
    pub outbox: Vec<Frame>,
    /// The client is still at the other end; when it is not, the server has yet to learn so.
    pub reached: bool,
    pub seat: Option<Seat>,
    pub trace: Trace,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    Open,
    /// Takes nothing more; its end is on its way to the session.
    Sealed,
    /// What is queued may leave, and the farewell behind it.
    Closing,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Carrier {
    Polling {
        parked: bool,
        /// A poll's answer, on its way.
        answer: Option<Vec<Frame>>,
        /// A websocket beside it has probed.
        probed: bool,
    },
    WebSocket,
}

/// What a client is sent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Frame {
    /// The answer to its CONNECT.
    Connected {
        pid: u8,
        recovered: bool,
    },
    Joined(u8, Joined),
    Event(Seq),
    /// `error` with `ACCESS_DENIED`, behind the event that says why.
    Removed,
    /// A join was refused.
    Refused,
    /// The acknowledgement of `vault:leave`.
    Left,
    Ping,
}

/// What a client takes for the place where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Offset {
    Event(Seq),
    Join(u8),
}

/// What a socket was sent since its last answered heartbeat; of one vault, in which it had one seat.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Trace {
    entries: Vec<Sent>,
    /// What the client has seen if it saw nothing of the entries, and where the vault stood when it joined.
    seen: Option<(Seq, Seq)>,
    pub ended: bool,
    pub left: bool,
    pinged: Option<usize>,
    brought: Option<Offset>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Sent {
    Event(Seq),
    Joined(u8, Attach, Joined),
}

/// What a socket leaves.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Kept {
    pub pid: u8,
    trace: Trace,
    pending: Vec<Attach>,
}

/// A subscription as it is to be taken up again.
#[derive(Debug, Default)]
struct Resumed {
    seen: Option<(Seq, Seq)>,
    joined: Option<Joined>,
    joins: Vec<Attach>,
}

impl Sent {
    fn offset(&self) -> Offset {
        match self {
            Self::Event(seq) => Offset::Event(*seq),
            Self::Joined(ticket, ..) => Offset::Join(*ticket),
        }
    }

    fn joined(&self) -> Option<(&Attach, &Joined)> {
        match self {
            Self::Event(_) => None,
            Self::Joined(_, attach, joined) => Some((attach, joined)),
        }
    }
}

impl Session {
    pub fn push(&mut self, frame: Frame, bounds: &Bounds) {
        if self.phase != Phase::Open || !self.reached {
            return;
        }
        if self.id < bounds.slow_sockets && self.outbox.len() == bounds.session_outbox {
            self.outbox.clear(); // cut: it is slow
            return self.seal();
        }
        self.outbox.push(frame);
    }

    pub fn seal(&mut self) {
        if self.phase == Phase::Open {
            self.phase = Phase::Sealed;
        }
    }

    pub fn event(&mut self, seq: Seq, bounds: &Bounds) {
        self.push(Frame::Event(seq), bounds);
        self.trace.entries.push(Sent::Event(seq));
    }

    /// The oldest join has been answered under this ticket.
    pub fn joined(&mut self, ticket: u8, joined: Joined, bounds: &Bounds) {
        let Some(seat) = self.seat.as_mut().filter(|seat| !seat.joins.is_empty()) else {
            return;
        };
        let attach = seat.joins.remove(0);
        (seat.q, seat.joined_at) = (Some(joined.after()), joined.seq);
        self.push(Frame::Joined(ticket, joined.clone()), bounds);
        self.trace.ended = false;
        self.trace
            .entries
            .push(Sent::Joined(ticket, attach, joined));
    }

    pub fn beat(&mut self, bounds: &Bounds) {
        self.push(Frame::Ping, bounds);
        self.trace.pinged = Some(self.trace.entries.len());
    }

    /// The poll that is parked takes along all that waits.
    pub fn answer_poll(&mut self) {
        if let Carrier::Polling { parked, answer, .. } = &mut self.carrier {
            (*parked, *answer) = (false, Some(std::mem::take(&mut self.outbox)));
        }
    }

    /// The poll that is parked is let go with nothing in it.
    pub fn release_poll(&mut self) {
        if let Carrier::Polling {
            parked: parked @ true,
            answer,
            ..
        } = &mut self.carrier
        {
            (*parked, *answer) = (false, Some(Vec::new()));
        }
    }

    /// Whether the client can read over its websocket.
    pub fn next_frame(&self, bounds: &Bounds) -> bool {
        let feeds = match self.carrier {
            Carrier::WebSocket => true,
            Carrier::Polling { probed, .. } => {
                probed && bounds.mistake == Some(Mistake::FeedsTheTrial)
            }
        };
        feeds && self.reached && !self.outbox.is_empty()
    }
}

impl Trace {
    /// The ping was answered: what left before it has arrived.
    pub fn answered(&mut self) {
        for _ in 0..self.pinged.take().unwrap_or(0) {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) {
        let joined_at = self.seen.map_or(0, |(_, at)| at);
        self.seen = Some(match self.entries.remove(0) {
            Sent::Event(seq) => (seq, joined_at),
            Sent::Joined(_, _, joined) => (joined.after(), joined.seq),
        });
    }

    /// What is to be taken up again for a client that names its last offset: `None` where it cannot be told what it saw.
    fn recover(&self, offset: Option<Offset>, bounds: &Bounds) -> Option<Option<Resumed>> {
        let mut left = self.clone();
        let named = |sent: &Sent| Some(sent.offset()) == offset;
        if let Some(place) = self.entries.iter().position(named) {
            let others = self.entries.iter().filter(|sent| named(sent)).count() > 1;
            if others || self.brought == offset {
                return None;
            }
            (0..=place).for_each(|_| left.drop_first());
        }
        if bounds.mistake == Some(Mistake::TakesSentForSeen) {
            (0..left.entries.len()).for_each(|_| left.drop_first());
        }
        let is_empty = left.seen.is_none() && left.entries.is_empty();
        if is_empty || left.left || (left.ended && left.entries.is_empty()) {
            return Some(None);
        }
        let mut joins = left.entries.iter().filter_map(Sent::joined);
        let joined = match left.seen {
            Some(_) => None,
            None => joins.next().map(|(_, joined)| joined.clone()),
        };
        Some(Some(Resumed {
            seen: left
                .seen
                .or(joined.as_ref().map(|joined| (joined.after(), joined.seq))),
            joined,
            joins: joins.map(|(attach, _)| attach.clone()).collect(),
        }))
    }
}

impl Process {
    /// A socket leaves every vault; what it leaves is kept where it may come back.
    pub fn leave_all(&mut self, n: usize, bounds: &Bounds) {
        let session = &mut self.sessions[n];
        let pending = session
            .seat
            .as_ref()
            .map_or(Vec::new(), |seat| seat.joins.clone());
        let trace = std::mem::take(&mut session.trace);
        if bounds.recovery {
            let pid = session.pid;
            self.kept.push(Kept {
                pid,
                trace,
                pending,
            });
        }
        self.leave(n, bounds);
    }

    /// What a client left that comes back by this pid; of one that is still connected when it has been let go.
    fn take(&mut self, pid: u8, bounds: &Bounds) -> Option<Kept> {
        if let Some(n) = self.sessions.iter().position(|one| one.pid == pid) {
            if self.sessions[n].phase != Phase::Closing {
                self.leave_all(n, bounds);
            }
            self.sessions.remove(n);
        }
        let n = self.kept.iter().position(|kept| kept.pid == pid)?;
        Some(self.kept.remove(n))
    }

    /// A client connects, and claims to be the one of this pid. Gives back which session is his.
    pub fn connect(
        &mut self,
        (id, client): (SubscriberId, u8),
        (pid, offset): (Option<u8>, Option<Offset>),
        journal: &Journal,
        bounds: &Bounds,
    ) -> usize {
        let kept = pid
            .filter(|_| bounds.recovery)
            .and_then(|pid| self.take(pid, bounds));
        let resumed = kept.and_then(|kept| {
            let mut resumed = kept.trace.recover(offset, bounds)?;
            if !kept.pending.is_empty() {
                resumed.get_or_insert_default().joins.extend(kept.pending);
            }
            let seen = resumed.as_ref().and_then(|resumed| resumed.seen);
            let whole = seen.is_none_or(|(q, _)| journal.can_resume(q));
            whole.then_some((kept.pid, resumed))
        });
        let recovered = resumed.is_some();
        let (pid, resumed) = resumed.unwrap_or((id, None));
        let carrier = match bounds.polling {
            true => Carrier::Polling {
                parked: false,
                answer: None,
                probed: false,
            },
            false => Carrier::WebSocket,
        };
        let trace = Trace {
            brought: offset.filter(|_| bounds.recovery),
            ..Trace::default()
        };
        self.sessions.push(Session {
            id,
            client,
            pid,
            phase: Phase::Open,
            carrier,
            outbox: Vec::new(),
            reached: true,
            seat: None,
            trace,
        });
        let n = self.sessions.len() - 1;
        self.sessions[n].push(Frame::Connected { pid, recovered }, bounds);
        if let Some(resumed) = resumed {
            self.resume(n, resumed, bounds);
        }
        n
    }

    fn resume(&mut self, n: usize, resumed: Resumed, bounds: &Bounds) {
        let Resumed {
            seen,
            joined,
            joins,
        } = resumed;
        let ticket = joined.is_some().then(|| self.ticket());
        let session = &mut self.sessions[n];
        let seat = session.seat.insert(Seat::default());
        if let (Some(joined), Some(ticket)) = (joined, ticket) {
            seat.joins.push(Attach::Join);
            session.joined(ticket, joined, bounds);
        } else if let Some((q, joined_at)) = seen {
            (seat.q, seat.joined_at) = (Some(q), joined_at);
            session.trace.seen = seen;
        }
        session.seat.get_or_insert_default().joins.extend(joins);
        self.attend(n, bounds);
    }
}
