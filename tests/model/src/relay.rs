//! The relay and the seats of its sockets: what one socket hears of the vault comes through here, in one order.
//!
//! As in `src/gateway/`: `mailbox.rs` (places, and what is said when there are none), `relay.rs` (deliver, attend, ask, catch
//! up), `room.rs` (a seat: its `q`, what it needs next). Each socket has one seat at most, in one room.

use crate::{
    bounds::{Bounds, Mistake},
    journal::Seq,
    session::{Frame, Phase, Session},
    vault::{Attach, Message, Subscribe, SubscriberId},
    world::Process,
};

/// So many tickets a process has; then they come round, for there are never so many out.
pub const TICKETS: u8 = 16;

/// What waits in the relay's mailbox.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Mail {
    Event(Seq),
    Attached(SubscriberId, Attached),
    Removed(Vec<SubscriberId>),
    FellBehind,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Attached {
    pub ticket: u8,
    pub joined: Option<Joined>,
    pub events: Vec<Seq>,
    pub then: Then,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Then {
    Live,
    More,
    Removed,
    Lost,
    Refused,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Joined {
    pub seq: Seq,
    pub replayed: Option<Seq>,
    pub resync: bool,
}

/// One socket's subscription.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Seat {
    /// The last event that went to the socket; none before it has joined.
    pub q: Option<Seq>,
    pub joined_at: Seq,
    pub live: bool,
    pub joins: Vec<Attach>,
    pub errand: Option<Errand>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Errand {
    /// It waits for its turns.
    Waiting,
    Asked {
        ticket: u8,
        has_turns: bool,
    },
}

impl Joined {
    pub fn after(&self) -> Seq {
        self.seq - self.replayed.unwrap_or(0)
    }
}

impl Mail {
    fn weight(&self) -> usize {
        match self {
            Self::Attached(_, attached) => 1 + attached.events.len(),
            Self::Event(_) | Self::Removed(_) => 1,
            Self::FellBehind => 0,
        }
    }
}

impl Seat {
    fn need(&self) -> Option<Attach> {
        let joined_at = self.joined_at;
        match self.q {
            Some(after) if !self.live => Some(Attach::Resume { after, joined_at }),
            Some(_) | None => self.joins.first().cloned(),
        }
    }
}

impl Process {
    /// Whether the relay has places for this.
    pub fn has_places(&self, mail: &Mail, bounds: &Bounds) -> bool {
        let weight = |mail: &Mail| mail.weight().min(bounds.relay_mailbox);
        self.mail.iter().map(weight).sum::<usize>() + weight(mail) <= bounds.relay_mailbox
    }

    /// Has a socket join: takes a seat, and asks the vault.
    pub fn join(&mut self, n: usize, attach: Attach, bounds: &Bounds) {
        let seat = self.sessions[n].seat.get_or_insert_default();
        seat.joins.push(attach);
        self.attend(n, bounds);
    }

    /// Asks the vault for what a seat needs next, when nothing is under way for it.
    pub fn attend(&mut self, n: usize, bounds: &Bounds) {
        let Some(seat) = self.sessions[n]
            .seat
            .as_ref()
            .filter(|seat| seat.errand.is_none())
        else {
            return;
        };
        match seat.need() {
            None => {}
            Some(Attach::Join) => self.ask(n, Attach::Join, false),
            Some(attach) if self.has_turns(n, bounds) => self.ask(n, attach, true),
            Some(_) => self.set_errand(n, Some(Errand::Waiting)),
        }
    }

    /// Whether a page may be asked for: the socket has read, and no other page is on its way.
    pub fn has_turns(&self, n: usize, bounds: &Bounds) -> bool {
        let is_page = |session: &Session| {
            let errand = session.seat.as_ref().and_then(|seat| seat.errand.as_ref());
            matches!(
                errand,
                Some(Errand::Asked {
                    has_turns: true,
                    ..
                })
            )
        };
        let session = &self.sessions[n];
        let drained = session.phase != Phase::Open || session.outbox.len() <= bounds.enough;
        drained && !self.sessions.iter().any(is_page)
    }

    /// The turns that a seat waited for have come.
    pub fn take_turns(&mut self, n: usize) {
        self.set_errand(n, None);
        if let Some(attach) = self.sessions[n].seat.as_ref().and_then(Seat::need) {
            self.ask(n, attach, true);
        }
    }

    fn set_errand(&mut self, n: usize, errand: Option<Errand>) {
        if let Some(seat) = &mut self.sessions[n].seat {
            seat.errand = errand;
        }
    }

    fn ask(&mut self, n: usize, attach: Attach, has_turns: bool) {
        let ticket = self.ticket();
        self.set_errand(n, Some(Errand::Asked { ticket, has_turns }));
        let Session {
            id: subscriber,
            client,
            ..
        } = self.sessions[n];
        let subscribe = Subscribe {
            subscriber,
            client,
            ticket,
            attach,
        };
        self.vault().mailbox.push(Message::Subscribe(subscribe));
    }

    pub fn ticket(&mut self) -> u8 {
        let begin = self.tickets - self.tickets % TICKETS;
        self.tickets = begin + (self.tickets + 1) % TICKETS;
        self.tickets
    }

    /// The next thing that the vault has told.
    pub fn deliver(&mut self, mail: Mail, bounds: &Bounds) {
        let at = |process: &Self, id| process.sessions.iter().position(|one| one.id == id);
        match mail {
            Mail::Event(seq) => {
                for n in 0..self.sessions.len() {
                    if self.sessions[n].seat.as_ref().is_some_and(|seat| seat.live) {
                        self.event(n, seq, bounds);
                    }
                }
            }
            Mail::Attached(id, attached) => {
                if let Some(n) = at(self, id) {
                    self.attached(n, attached, bounds);
                }
            }
            Mail::Removed(ids) => {
                for id in ids {
                    let Some(n) = at(self, id) else { continue };
                    if self.sessions[n].seat.as_ref().is_some_and(|seat| seat.live) {
                        self.removed(n, bounds);
                    }
                }
            }
            Mail::FellBehind => self.behind = true,
        }
    }

    fn attached(&mut self, n: usize, attached: Attached, bounds: &Bounds) {
        let Attached {
            ticket,
            joined,
            events,
            then,
        } = attached;
        let Some(seat) = &mut self.sessions[n].seat else {
            return;
        };
        if !matches!(seat.errand, Some(Errand::Asked { ticket: asked, .. }) if asked == ticket) {
            return;
        }
        seat.errand = None;
        if let Some(joined) = joined {
            self.sessions[n].joined(ticket, joined, bounds);
        }
        for seq in events {
            self.event(n, seq, bounds);
        }
        let session = &mut self.sessions[n];
        match (then, &mut session.seat) {
            (Then::Live, Some(seat)) => seat.live = true,
            (Then::More, Some(seat)) => seat.live = false,
            (Then::Removed, _) => self.removed(n, bounds),
            (Then::Lost, seat) => {
                *seat = None;
                session.seal();
            }
            (Then::Refused, Some(seat)) => {
                seat.joins.remove(0);
                if seat.q.is_none() && seat.joins.is_empty() {
                    session.seat = None;
                    let leave = Message::Leave(session.id);
                    self.vault().mailbox.push(leave);
                }
                self.sessions[n].push(Frame::Refused, bounds);
            }
            (Then::Live | Then::More | Then::Refused, None) => {}
        }
        self.attend(n, bounds);
    }

    fn event(&mut self, n: usize, seq: Seq, bounds: &Bounds) {
        let session = &mut self.sessions[n];
        let Some(seat) = &mut session.seat else {
            return;
        };
        match seat.q {
            Some(q) if seq == q + 1 => {
                seat.q = Some(seq);
                session.event(seq, bounds);
            }
            Some(q) if seq > q => {
                (seat.q, seat.live) = (None, false);
                session.seal();
                self.out_of_step = true;
            }
            Some(_) | None => {}
        }
    }

    fn removed(&mut self, n: usize, bounds: &Bounds) {
        let session = &mut self.sessions[n];
        session.push(Frame::Removed, bounds);
        session.trace.ended = true;
        if let Some(seat) = &mut session.seat {
            (seat.q, seat.live) = (None, false);
            if seat.joins.is_empty() {
                session.seat = None;
            }
        }
    }

    /// A socket leaves the vault.
    pub fn leave(&mut self, n: usize, bounds: &Bounds) {
        let session = &mut self.sessions[n];
        if bounds.mistake != Some(Mistake::LeavesLate) && session.seat.take().is_some() {
            session.trace.left = true;
            let leave = Message::Leave(session.id);
            // Who has no vault to leave does not start one.
            if let Some(vault) = &mut self.vault {
                vault.mailbox.push(leave);
            }
        }
    }

    /// The relay was left out, or the vault's actor has died: everybody is attached again where he stands.
    pub fn catch_up(&mut self, bounds: &Bounds) {
        self.behind = false;
        if let Some(vault) = &mut self.vault {
            vault.mailbox.push(Message::CaughtUp);
        }
        for n in 0..self.sessions.len() {
            let Some(seat) = &mut self.sessions[n].seat else {
                continue;
            };
            seat.live = false;
            if matches!(seat.errand, Some(Errand::Asked { .. })) {
                seat.errand = None;
            }
            if bounds.mistake == Some(Mistake::AttachAgainWithoutQ) && seat.q.take().is_some() {
                seat.joins.insert(0, Attach::Join);
            }
            self.attend(n, bounds);
        }
    }
}
