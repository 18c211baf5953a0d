//! The world: everything that is, everything that can happen next, and what comes of it.

use stateright::{Model, Property};

use crate::{
    bounds::Bounds,
    client::{At, Client, Probe, Transport},
    journal::{Answer, Journal, Outcome, Shared, Transaction},
    promises,
    relay::{self, Errand, Mail},
    session::{Carrier, Frame, Kept, Phase, Session},
    vault::{Look, SubscriberId, VaultActor},
};

/// Everything that is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    pub shared: Shared,
    pub processes: Vec<Process>,
    pub clients: Vec<Client>,
}

/// A process: one vault, one relay, and the sockets on it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Process {
    pub vault: Option<VaultActor>,
    /// Transactions that hold the vault's tenure: in the committer's queue, or written and not told.
    pub tenures: Vec<Transaction>,
    /// The relay's mailbox.
    pub mail: Vec<Mail>,
    /// Answers that bypass it, by mistake.
    pub replies: Vec<Mail>,
    /// The relay was left out, and is to attach everybody again.
    pub behind: bool,
    pub tickets: u8,
    pub sessions: Vec<Session>,
    /// What sockets left that may come back.
    pub kept: Vec<Kept>,
    /// A relay saw a gap, which must never happen.
    pub out_of_step: bool,
}

/// What can happen. The first number is that of the process or of the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Somebody has the next mutation done.
    Submit(u8),

    // the vault's actor
    Open(u8),
    Handle(u8),
    CommitNext(u8),
    Committed(u8),
    ReadMissed(u8),
    ReadHead(u8),
    Seen(u8),
    ReadPage(u8, usize),
    PageRead(u8, usize),

    // the committer
    Write(u8, Outcome),

    // the relay
    Deliver(u8),
    DeliverReply(u8),
    CatchUp(u8),
    TakeTurns(u8, SubscriberId),

    // a session
    AnswerPoll(u8, SubscriberId),
    ReleasePoll(u8, SubscriberId),
    Close(u8, SubscriberId),
    /// The server learns that nobody is at the other end.
    Gone(u8, SubscriberId),
    Beat(u8, SubscriberId),

    // a client
    Connect(u8, u8),
    Poll(u8),
    HearPoll(u8),
    Hear(u8),
    HearClose(u8),
    Probe(u8),
    HearProbe(u8),
    Upgrade(u8),
    Leave(u8),

    // fate
    Cut(u8),
    Kill(u8),
    Panic(u8),
    Sweep,
}

impl World {
    fn new(bounds: &Bounds) -> Self {
        // Tickets name joins to clients that come back, to another process perhaps: none is to come twice.
        let process = |n: u8| Process {
            tickets: n * relay::TICKETS,
            ..Process::default()
        };
        Self {
            shared: Shared {
                journal: Journal::default(),
                answers: Vec::new(),
                fates: bounds.fates.clone(),
                sockets: 0,
            },
            processes: (0..bounds.processes).map(process).collect(),
            clients: vec![Client::default(); bounds.clients.into()],
        }
    }

    /// What happens by itself, sooner or later. When there is nothing of it, the world is quiet.
    pub fn going_on(&self, bounds: &Bounds) -> Vec<Action> {
        let mut actions = Vec::new();
        for (p, process) in (0..).zip(&self.processes) {
            process.going_on(p, bounds, &mut actions);
        }
        for (c, client) in (0..).zip(&self.clients) {
            let Some(at) = &client.at else {
                actions.extend((0..bounds.processes).map(|p| Action::Connect(c, p)));
                continue;
            };
            let Some(session) = self.session(at) else {
                continue;
            };
            let answer = match &session.carrier {
                Carrier::Polling { answer, .. } => answer.is_some(),
                Carrier::WebSocket => false,
            };
            if session.next_frame(bounds) {
                actions.push(Action::Hear(c));
            }
            if answer {
                actions.push(Action::HearPoll(c));
            }
            let waits = match at.transport {
                Transport::Polling {
                    polls: false,
                    probe,
                } => {
                    actions.push(match probe {
                        Probe::None | Probe::Sent => Action::Poll(c),
                        Probe::Answered => Action::Upgrade(c),
                    });
                    false
                }
                Transport::Polling { .. } | Transport::WebSocket => !answer,
            };
            if waits && session.phase == Phase::Closing && session.outbox.is_empty() {
                actions.push(Action::HearClose(c));
            }
            if let Transport::Polling {
                probe: Probe::Sent, ..
            } = at.transport
            {
                actions.push(Action::HearProbe(c));
            }
        }
        actions
    }

    /// What may happen, or not.
    fn possible(&self, bounds: &Bounds) -> Vec<Action> {
        let (fates, mut actions) = (&self.shared.fates, Vec::new());
        if self.shared.answers.len() < bounds.mutations.len() {
            actions.extend((0..bounds.processes).map(Action::Submit));
        }
        if fates.sweeps > 0 && self.shared.journal.swept < self.shared.journal.head() {
            actions.push(Action::Sweep);
        }
        for (p, process) in (0..).zip(&self.processes) {
            if process.tenures.iter().any(|one| one.written.is_none()) {
                if fates.failures > 0 {
                    actions.push(Action::Write(p, Outcome::RolledBack));
                }
                if fates.unknowns > 0 {
                    let unknown = |happened| Action::Write(p, Outcome::Unknown { happened });
                    actions.extend([true, false].map(unknown));
                }
            }
            if fates.panics > 0 && process.vault.is_some() {
                actions.push(Action::Panic(p));
            }
            if fates.kills > 0 {
                actions.push(Action::Kill(p));
            }
            for session in process.sessions.iter().filter(|one| one.reached) {
                if fates.beats > 0 && session.phase == Phase::Open {
                    actions.push(Action::Beat(p, session.id));
                }
            }
        }
        for (c, client) in (0..).zip(&self.clients) {
            let Some(at) = &client.at else { continue };
            if fates.cuts > 0 {
                actions.push(Action::Cut(c));
            }
            if fates.leaves > 0 && at.connected && (client.ear.joined || client.ear.asked.is_some())
            {
                actions.push(Action::Leave(c));
            }
            if let Transport::Polling {
                probe: Probe::None, ..
            } = at.transport
            {
                actions.push(Action::Probe(c));
            }
        }
        actions
    }

    fn session(&self, at: &At) -> Option<&Session> {
        let process = &self.processes[usize::from(at.process)];
        process.sessions.iter().find(|one| one.id == at.session)
    }

    fn happen(&mut self, action: Action, bounds: &Bounds) {
        use Action::*;
        match action {
            Submit(p) => {
                let mutation = self.shared.answers.len() as u8;
                self.shared.answers.push(Answer::Awaited(p));
                let vault = self.processes[usize::from(p)].vault();
                vault.mailbox.push(crate::vault::Message::Submit(mutation));
            }
            Sweep => {
                self.shared.fates.sweeps -= 1;
                self.shared.journal.swept += 1;
            }
            Kill(p) => self.kill(p),
            Connect(c, p) => self.connect(c, p, bounds),
            Cut(c) => self.cut(c),
            Poll(c) | HearPoll(c) | Hear(c) | HearClose(c) | Probe(c) | HearProbe(c)
            | Upgrade(c) | Leave(c) => {
                self.client(c, &action, bounds);
            }
            Open(p)
            | Handle(p)
            | CommitNext(p)
            | Committed(p)
            | ReadMissed(p)
            | ReadHead(p)
            | Seen(p)
            | ReadPage(p, _)
            | PageRead(p, _)
            | Write(p, _)
            | Deliver(p)
            | DeliverReply(p)
            | CatchUp(p)
            | TakeTurns(p, _)
            | AnswerPoll(p, _)
            | ReleasePoll(p, _)
            | Close(p, _)
            | Gone(p, _)
            | Beat(p, _)
            | Panic(p) => {
                let process = &mut self.processes[usize::from(p)];
                let is_anew = action == CatchUp(p);
                process.happen(action, &mut self.shared, bounds);
                if is_anew {
                    let there =
                        |client: &&mut Client| client.at.as_ref().is_some_and(|at| at.process == p);
                    self.clients
                        .iter_mut()
                        .filter(there)
                        .for_each(|client| client.ear.asks_anew());
                }
            }
        }
        self.forget();
    }

    fn kill(&mut self, p: u8) {
        self.shared.fates.kills -= 1;
        let process = &mut self.processes[usize::from(p)];
        let (tickets, out_of_step) = (process.tickets, process.out_of_step);
        *process = Process {
            tickets,
            out_of_step,
            ..Process::default()
        };
        for answer in self
            .shared
            .answers
            .iter_mut()
            .filter(|one| **one == Answer::Awaited(p))
        {
            *answer = Answer::Lost;
        }
        for client in &mut self.clients {
            client.at.take_if(|at| at.process == p);
        }
    }

    fn connect(&mut self, c: u8, p: u8, bounds: &Bounds) {
        let client = &mut self.clients[usize::from(c)];
        let session = self.shared.sockets;
        self.shared.sockets += 1;
        let process = &mut self.processes[usize::from(p)];
        let claim = (client.pid, client.offset);
        process.connect((session, c), claim, &self.shared.journal, bounds);
        let transport = match bounds.polling {
            true => Transport::Polling {
                polls: false,
                probe: Probe::None,
            },
            false => Transport::WebSocket,
        };
        client.at = Some(At {
            process: p,
            session,
            connected: false,
            transport,
        });
    }

    fn cut(&mut self, c: u8) {
        self.shared.fates.cuts -= 1;
        let Some(at) = self.clients[usize::from(c)].at.take() else {
            return;
        };
        let process = &mut self.processes[usize::from(at.process)];
        if let Some(session) = process.sessions.iter_mut().find(|one| one.id == at.session) {
            session.reached = false;
            session.outbox.clear();
            session.carrier = Carrier::WebSocket; // which of them hangs is all the same
        }
    }

    /// What a connected client does, or hears.
    fn client(&mut self, c: u8, action: &Action, bounds: &Bounds) {
        let client = &mut self.clients[usize::from(c)];
        let Some(at) = &mut client.at else { return };
        let process = &mut self.processes[usize::from(at.process)];
        let Some(n) = process.sessions.iter().position(|one| one.id == at.session) else {
            return;
        };
        let session = &mut process.sessions[n];
        let frames = match (action, &mut session.carrier, &mut at.transport) {
            (
                Action::Poll(_),
                Carrier::Polling { parked, .. },
                Transport::Polling { polls, .. },
            ) => {
                (*parked, *polls) = (true, true);
                Vec::new()
            }
            (
                Action::HearPoll(_),
                Carrier::Polling { answer, .. },
                Transport::Polling { polls, .. },
            ) => {
                *polls = false;
                answer.take().unwrap_or_default()
            }
            (
                Action::Probe(_),
                Carrier::Polling { probed, .. },
                Transport::Polling { probe, .. },
            ) => {
                (*probed, *probe) = (true, Probe::Sent);
                session.release_poll();
                Vec::new()
            }
            (Action::HearProbe(_), _, Transport::Polling { probe, .. }) => {
                *probe = Probe::Answered;
                Vec::new()
            }
            (Action::Upgrade(_), carrier, transport) => {
                (*carrier, *transport) = (Carrier::WebSocket, Transport::WebSocket);
                Vec::new()
            }
            (Action::Hear(_), _, _) => vec![session.outbox.remove(0)],
            (Action::Leave(_), _, _) => {
                self.shared.fates.leaves -= 1;
                client.ear.wants = false;
                process.leave(n, bounds);
                process.sessions[n].push(Frame::Left, bounds);
                Vec::new()
            }
            (Action::HearClose(_), _, _) => {
                process.sessions.remove(n);
                client.at = None;
                Vec::new()
            }
            (action, _, _) => unreachable!("{action:?} at the wrong time"),
        };
        for frame in frames {
            if frame == Frame::Ping {
                process.sessions[n].trace.answered();
            }
            if let Some(attach) = client.hear(c, frame, &self.shared, bounds)
                && process.sessions[n].phase == Phase::Open
            {
                process.join(n, attach, bounds);
            }
        }
    }

    /// Nobody comes back by a pid that no client knows or will know.
    fn forget(&mut self) {
        for process in &mut self.processes {
            let Process { kept, sessions, .. } = process;
            kept.retain(|kept| {
                let is_told = |one: &Session| one.reached && one.pid == kept.pid;
                let knows = |client: &Client| client.pid == Some(kept.pid);
                self.clients.iter().any(knows) || sessions.iter().any(is_told)
            });
        }
    }
}

impl Process {
    fn going_on(&self, p: u8, bounds: &Bounds, actions: &mut Vec<Action>) {
        let mut add =
            |is_possible: bool, action: Action| actions.extend(is_possible.then_some(action));
        add(self.may_open(bounds), Action::Open(p));
        add(self.can_commit(), Action::CommitNext(p));
        add(self.is_told(), Action::Committed(p));
        let unwritten = |one: &Transaction| one.written.is_none();
        add(
            self.tenures.iter().any(unwritten),
            Action::Write(p, Outcome::Committed),
        );
        if let Some(vault) = self.vault.as_ref().filter(|vault| vault.standing.is_some()) {
            add(!vault.mailbox.is_empty(), Action::Handle(p));
            add(vault.missed.is_some(), Action::ReadMissed(p));
            match vault.joining.look {
                Look::Reading(_, None) => add(true, Action::ReadHead(p)),
                Look::Reading(_, Some(_)) => add(vault.missed.is_none(), Action::Seen(p)),
                Look::Nothing | Look::Ahead(..) => {}
            }
            for (n, page) in vault.pages.iter().enumerate() {
                add(page.read.is_none(), Action::ReadPage(p, n));
                add(page.read.is_some(), Action::PageRead(p, n));
            }
        }
        add(!self.mail.is_empty(), Action::Deliver(p));
        add(!self.replies.is_empty(), Action::DeliverReply(p));
        add(self.behind && self.mail.is_empty(), Action::CatchUp(p));
        for (n, session) in self.sessions.iter().enumerate() {
            let errand = session.seat.as_ref().and_then(|seat| seat.errand.as_ref());
            let waits = errand == Some(&Errand::Waiting);
            add(
                waits && self.has_turns(n, bounds),
                Action::TakeTurns(p, session.id),
            );
            if let Carrier::Polling {
                parked: true,
                probed,
                ..
            } = session.carrier
            {
                add(
                    !session.outbox.is_empty(),
                    Action::AnswerPoll(p, session.id),
                );
                add(probed, Action::ReleasePoll(p, session.id));
            }
            add(
                session.reached && session.phase == Phase::Sealed,
                Action::Close(p, session.id),
            );
            add(!session.reached, Action::Gone(p, session.id));
        }
    }

    fn happen(&mut self, action: Action, shared: &mut Shared, bounds: &Bounds) {
        let at = |process: &Self, id| {
            let n = process.sessions.iter().position(|one| one.id == id);
            n.expect("things happen to sessions that are there")
        };
        match action {
            Action::Open(_) => self.open(shared),
            Action::Handle(_) => self.handle(shared, bounds),
            Action::CommitNext(_) => self.commit_next(shared, bounds),
            Action::Write(_, outcome) => self.write(outcome, shared, bounds),
            Action::Committed(_) => self.committed(shared, bounds),
            Action::ReadMissed(_) => self.read_missed(shared, bounds),
            Action::ReadHead(_) => {
                if let Look::Reading(_, head) = &mut self.vault().joining.look {
                    *head = Some(shared.journal.head());
                }
            }
            Action::Seen(_) => self.seen(shared, bounds),
            Action::ReadPage(_, n) => {
                let page = &mut self.vault().pages[n];
                page.read = Some(shared.journal.after(page.place(), bounds.page));
            }
            Action::PageRead(_, n) => self.page_read(n, shared, bounds),
            Action::Panic(_) => self.panic(shared, bounds),
            Action::Deliver(_) => {
                let mail = self.mail.remove(0);
                self.deliver(mail, bounds);
            }
            Action::DeliverReply(_) => {
                let mail = self.replies.remove(0);
                self.deliver(mail, bounds);
            }
            Action::CatchUp(_) => self.catch_up(bounds),
            Action::TakeTurns(_, id) => self.take_turns(at(self, id)),
            Action::AnswerPoll(_, id) => {
                let n = at(self, id);
                self.sessions[n].answer_poll();
            }
            Action::ReleasePoll(_, id) => {
                let n = at(self, id);
                self.sessions[n].release_poll();
            }
            Action::Close(_, id) => {
                let n = at(self, id);
                self.leave_all(n, bounds);
                self.sessions[n].phase = Phase::Closing;
            }
            Action::Gone(_, id) => {
                let n = at(self, id);
                if self.sessions[n].phase != Phase::Closing {
                    self.leave_all(n, bounds);
                }
                self.sessions.remove(n);
            }
            Action::Beat(_, id) => {
                shared.fates.beats -= 1;
                let n = at(self, id);
                self.sessions[n].beat(bounds);
            }
            action => unreachable!("{action:?} is not a process's"),
        }
    }
}

impl Model for Bounds {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(self)]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        actions.extend(world.going_on(self));
        actions.extend(world.possible(self));
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        next.happen(action, self);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        promises::of(self)
    }
}
