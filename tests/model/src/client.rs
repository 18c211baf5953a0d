//! A client: an official one as far as its transport goes, and an ear that knows what it was promised.
//!
//! What a client sends arrives at once: to be late on the way is the same as to be sent later. What it is sent is under way
//! until it reads, and is lost when its connection is cut.

use crate::{
    bounds::{Bounds, Change},
    journal::{Seq, Shared},
    relay::Joined,
    session::{Frame, Offset},
    vault::{Attach, SubscriberId},
};

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Client {
    pub at: Option<At>,
    /// What it tells when it comes back.
    pub pid: Option<u8>,
    pub offset: Option<Offset>,
    pub ear: Ear,
}

/// Where a client is connected.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct At {
    pub process: u8,
    pub session: SubscriberId,
    /// Its CONNECT was answered.
    pub connected: bool,
    pub transport: Transport,
}

/// The client's side of what carries a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    Polling { polls: bool, probe: Probe },
    WebSocket,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Probe {
    None,
    /// `2probe` was sent.
    Sent,
    /// `3probe` was read: it polls no more.
    Answered,
}

/// What a client knows of the vault.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ear {
    /// It wants to hear the vault.
    pub wants: bool,
    pub asked: Option<Asked>,
    /// It is in.
    pub joined: bool,
    /// It knows everything up to this event.
    pub last: Option<Seq>,
    /// This connection was recovered.
    pub recovered: bool,
    /// The first promise that was broken.
    pub wrong: Option<Wrong>,
}

/// A join that was not answered yet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Asked {
    since: Option<Seq>,
    /// How many mutations had been submitted before.
    submitted: u8,
}

/// How a promise was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wrong {
    /// An event came behind one that it should have followed.
    Gap,
    /// An event came that was known.
    Again,
    /// An event came to who is not in.
    Outside,
    /// It was told that it joined, and had not asked.
    Unasked,
    /// What follows `vault:joined` is not what follows `since`.
    OtherPlace,
    /// `resync`, though everything is there.
    ResyncForNothing,
    /// It joined behind a mutation that was sent after the join.
    JoinedLate,
    /// Something came behind the acknowledgement of `vault:leave`.
    AfterLeaving,
}

impl Default for Ear {
    fn default() -> Self {
        Self {
            wants: true,
            asked: None,
            joined: false,
            last: None,
            recovered: false,
            wrong: None,
        }
    }
}

impl Client {
    /// It has read a frame. What it sends because of that.
    pub fn hear(
        &mut self,
        who: u8,
        frame: Frame,
        shared: &Shared,
        bounds: &Bounds,
    ) -> Option<Attach> {
        let ear = &mut self.ear;
        match frame {
            Frame::Connected { pid, recovered } => {
                self.pid = Some(pid);
                if let Some(at) = &mut self.at {
                    at.connected = true;
                }
                return ear.connected(recovered, shared, bounds);
            }
            Frame::Joined(ticket, joined) => {
                self.offset = Some(Offset::Join(ticket));
                ear.joined(joined, shared, bounds);
            }
            Frame::Event(seq) => {
                self.offset = Some(Offset::Event(seq));
                ear.event(who, seq, shared, bounds);
            }
            Frame::Refused => ear.asked = None,
            Frame::Left => (ear.asked, ear.joined) = (None, false),
            Frame::Removed | Frame::Ping => {}
        }
        None
    }
}

impl Ear {
    fn connected(&mut self, recovered: bool, shared: &Shared, bounds: &Bounds) -> Option<Attach> {
        self.recovered = recovered;
        if recovered {
            self.asks_anew();
            if !self.wants {
                // It is out, whether it was told so or not.
                (self.joined, self.asked) = (false, None);
            }
            return None;
        }
        (self.joined, self.asked) = (false, None);
        if !self.wants {
            return None;
        }
        let since = self.last.filter(|_| bounds.since);
        self.asked = Some(Asked {
            since,
            submitted: shared.answers.len() as u8,
        });
        Some(since.map_or(Attach::Join, Attach::JoinSince))
    }

    /// The join that is under way is asked for anew: it takes its place then, behind what was sent meanwhile.
    pub fn asks_anew(&mut self) {
        if let Some(asked) = &mut self.asked {
            asked.submitted = u8::MAX;
        }
    }

    fn joined(&mut self, joined: Joined, shared: &Shared, bounds: &Bounds) {
        let Joined {
            seq,
            replayed,
            resync,
        } = joined;
        let after = joined.after();
        let Some(Asked { since, submitted }) = self.asked.take() else {
            return self.complain(match self.wants {
                true if self.joined && self.last < Some(after) => Wrong::Gap,
                true => Wrong::Unasked,
                false => Wrong::AfterLeaving,
            });
        };
        match since {
            Some(since) if resync && since >= shared.journal.swept && since <= seq => {
                self.complain(Wrong::ResyncForNothing);
            }
            Some(since) if !resync && (after != since || replayed.is_none()) => {
                self.complain(Wrong::OtherPlace)
            }
            None if resync || replayed.is_some() => self.complain(Wrong::OtherPlace),
            // Where the journal begins only after its place, it joins later, and that is told.
            None if bounds.processes == 1 && shared.journal.swept == 0 => {
                let before = shared.journal.events.iter().take(seq.into());
                if before.copied().any(|mutation| mutation >= submitted) {
                    self.complain(Wrong::JoinedLate);
                }
            }
            Some(_) | None => {}
        }
        (self.joined, self.last) = (true, Some(after));
    }

    fn event(&mut self, who: u8, seq: Seq, shared: &Shared, bounds: &Bounds) {
        let known = self.last.unwrap_or(0);
        match () {
            () if !self.wants && !self.joined => self.complain(Wrong::AfterLeaving),
            () if !self.joined => self.complain(Wrong::Outside),
            () if seq <= known => self.complain(Wrong::Again),
            () if seq > known + 1 => self.complain(Wrong::Gap),
            () => {}
        }
        self.last = Some(seq);
        if shared.journal.change(bounds, seq) == Change::Remove(who) {
            self.joined = false;
        }
    }

    fn complain(&mut self, wrong: Wrong) {
        self.wrong.get_or_insert(wrong);
    }
}
