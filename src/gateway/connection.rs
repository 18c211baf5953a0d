//! One connected user: reads what his socket sends and has it done, in the order sent.
//!
//! Nothing waits for a commit: a mutation has its place in its vault's order when it was submitted, and its answer
//! is awaited beside. Only what names a source alone needs a look-up first, to learn the source's vault; what the
//! socket sends meanwhile waits behind it.

use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, VecDeque},
    rc::Rc,
    time::Instant,
};

use tracing::{Instrument, Span, debug, debug_span, field::display, info};

use crate::{
    domain::{Answer, Command, Principal, SourceId, SubscriberId, VaultId},
    engineio::{CloseReason, Heartbeat},
    journal::report,
    limits::{Haste, Hurry, LimitExceeded, Limits, Place, RateLimited},
    problem::{Code, Problem},
    socketio::{Ack, DisconnectReason, Events, IncomingEvent, Socket, new_id},
    vault::{Attach, VaultError, Vaults},
};

use super::{
    meters::Meters,
    protocol::{self, Done, Request},
    recovery::{Claim, Recovered, Recovery},
    relay::Relay,
    room::{Listener, acknowledge, emit},
    trace::Trace,
};

/// How many events of one socket wait for a look-up before more are refused.
const WAITING: usize = 1024;

mod presence;

/// Why a transport is closed: its client did not stop sending too much.
const HASTY: CloseReason = CloseReason::Application("rate limited");

/// What every connection of a worker thread uses.
#[derive(Clone)]
pub(super) struct Context {
    pub vaults: Vaults,
    pub relay: Relay,
    pub limits: Limits,
    pub recovery: Recovery,
    pub meters: Meters,
}

/// One connected user. A clone is the same one.
#[derive(Clone)]
pub(super) struct Connection(Rc<Inner>);

struct Inner {
    context: Context,
    socket: Socket,
    listener: Listener,
    by: Principal,
    /// The seats taken; the relay knows which of them still are.
    seats: RefCell<HashMap<VaultId, SubscriberId>>,
    waiting: RefCell<VecDeque<Asked>>,
    haste: RefCell<Haste>,
    /// By what it may come back, where it may.
    pid: Option<String>,
    /// Its place among the user's sockets, until it leaves.
    place: Cell<Option<Place>>,
    /// It is sent nothing more: what it leaves is kept, or nobody wants it.
    has_left: Cell<bool>,
    /// Somebody is working off what waits.
    looking_up: Cell<bool>,
}

/// A request and what its answer needs.
struct Asked {
    request: Request,
    about: About,
}

/// What an answer, or an error, is about.
struct About {
    event: String,
    vault: Option<VaultId>,
    ack: Option<Ack>,
    /// The event's, until it is answered.
    span: Span,
}

impl Connection {
    /// Somebody has connected: anew, or as the one that he was. He can come back when he came with what he claims to be.
    pub(super) fn new(
        context: Context,
        socket: Socket,
        (by, place): (Principal, Place),
        (claim, recovered): (Option<Claim>, Option<Recovered>),
    ) -> Self {
        let (id, pid, resumed, _turn) = match recovered {
            Some(Recovered {
                pid,
                id,
                resumed,
                turn,
            }) => (Some(id), pid, resumed, Some(turn)),
            None => (None, new_id(), Vec::new(), None),
        };
        let pid = context.recovery.is_on().then_some(pid);
        if let Some(pid) = &pid {
            socket.identify(id, pid.clone());
        }
        let brought = claim.and_then(|claim| claim.offset);
        let trace = pid.is_some().then(|| Trace::begin(brought));
        let connection = Self(Rc::new(Inner {
            haste: RefCell::new(context.limits.haste()),
            listener: Listener::new(socket.clone(), by.id.clone(), trace),
            context,
            socket,
            by,
            seats: RefCell::default(),
            pid,
            place: Cell::new(Some(place)),
            has_left: Cell::new(false),
            waiting: RefCell::default(),
            looking_up: Cell::new(false),
        }));
        connection.enter(resumed);
        connection
    }

    /// A mutation counts as one of the user's, whatever comes of it.
    fn within_limits(&self, request: Request) -> Result<Request, Problem> {
        match request {
            Request::Create { .. } | Request::Update { .. } | Request::Delete { .. } => {
                self.0.context.limits.mutation(&self.0.by.id)?;
            }
            Request::Join { .. } | Request::Leave { .. } => {}
        }
        Ok(request)
    }

    /// Does it at once if nothing waits, else behind what waits.
    fn take(&self, asked: Asked) {
        let mut waiting = self.0.waiting.borrow_mut();
        if waiting.len() >= WAITING {
            let problem = Problem::from(VaultError::Busy);
            drop(waiting);
            return self.fail(problem, asked.about);
        }
        waiting.push_back(asked);
        drop(waiting);
        if !self.0.looking_up.get() {
            self.work_off();
        }
    }

    /// Does what waits, up to the first request that needs a look-up.
    fn work_off(&self) {
        while let Some(Asked { request, about }) = self.next() {
            match request {
                Request::Join { vault, attach } => self.join(vault, attach, about),
                Request::Leave { vault } => self.leave(&vault, about),
                Request::Create { vault, source, key } => {
                    let id = SourceId::generate();
                    let command = Command::CreateSource { id, source };
                    let vault = self.0.context.vaults.open(&vault);
                    let answer = vault.submit(protocol::mutation(&self.0.by, command, key));
                    self.answer(answer, about, None);
                }
                Request::Update { source, patch } => {
                    let command = Command::UpdateSource {
                        id: source.clone(),
                        patch,
                        if_match: None,
                    };
                    return self.look_up(source, command, about);
                }
                Request::Delete { source } => {
                    let command = Command::DeleteSource {
                        id: source.clone(),
                        if_match: None,
                    };
                    return self.look_up(source, command, about);
                }
            }
        }
    }

    fn next(&self) -> Option<Asked> {
        self.0.waiting.borrow_mut().pop_front()
    }

    fn join(&self, id: VaultId, attach: Attach, about: About) {
        let context = &self.0.context;
        let seat = self.0.seats.borrow().get(&id).copied();
        if let Err(error) = self.may_take(seat.is_none()) {
            return self.fail(error.into(), about);
        }
        let seat = context.relay.join(
            context.vaults.open(&id),
            seat,
            &self.0.listener,
            (attach, about.ack),
        );
        let mut seats = self.0.seats.borrow_mut();
        seats.insert(id, seat);
        if seats.len().is_power_of_two() {
            // Joins that were refused and subscriptions that have ended leave nothing behind.
            seats.retain(|id, seat| context.relay.has(id, *seat));
        }
    }

    /// Whether the socket may have another seat, where it wants one.
    fn may_take(&self, another: bool) -> Result<(), LimitExceeded> {
        let (limits, mut seats) = (&self.0.context.limits, self.0.seats.borrow_mut());
        if !another || limits.may_join(seats.len()) {
            return Ok(());
        }
        // Some of them may have been given up by their vaults.
        seats.retain(|id, seat| self.0.context.relay.has(id, *seat));
        limits.join(seats.len())
    }

    fn leave(&self, id: &VaultId, about: About) {
        if let Some(seat) = self.0.seats.borrow_mut().remove(id) {
            for ack in self.0.context.relay.leave(id, seat) {
                let problem = Problem::new(Code::Conflict, "Left before the join was done");
                let error = protocol::Error::new(problem, protocol::JOIN, Some(id.clone()));
                acknowledge(ack, &error.acknowledgement());
            }
        }
        if let Some(ack) = about.ack {
            acknowledge(ack, &Done::OK);
        }
    }

    /// Learns the vault of a source, submits what is to be done there, and goes on with what waits.
    fn look_up(&self, source: SourceId, command: Command, mut about: About) {
        about.vault = None; // whatever the client says it is
        self.0.looking_up.set(true);
        let this = self.clone();
        actix::spawn(async move {
            let vaults = &this.0.context.vaults;
            let vault = vaults.journal().vault_of(&source);
            match vault.instrument(about.span.clone()).await {
                Ok(Some(id)) => {
                    let mutation = protocol::mutation(&this.0.by, command, None);
                    let answer = vaults.open(&id).submit(mutation);
                    this.answer(answer, about, Some(id));
                }
                Ok(None) => this.fail(Problem::not_found("Source"), about),
                Err(error) => {
                    report!(error, user.id = %this.0.by.id, source.id = %source, "a source's vault could not be looked up");
                    this.fail(error.into(), about);
                }
            }
            this.0.looking_up.set(false);
            this.work_off();
        });
    }

    /// Awaits what came of a mutation and tells whoever asked. Who named a source alone and is no member of its
    /// vault `found` learns nothing of either.
    fn answer(
        &self,
        outcome: impl Future<Output = Result<Answer, VaultError>> + 'static,
        mut about: About,
        found: Option<VaultId>,
    ) {
        let this = self.clone();
        actix::spawn(async move {
            match outcome.await {
                Ok(answer) => {
                    debug!(parent: &about.span, event.seq = answer.seq.0, "answered");
                    // Without an acknowledgement, the event itself is the answer.
                    if let Some(ack) = about.ack {
                        acknowledge(ack, &Done::from(answer));
                    }
                }
                Err(error) => {
                    let mut problem = Problem::from(error);
                    if let Some(vault) = found {
                        problem = problem.of_a_source();
                        if problem.code != Code::NotFound {
                            about.vault = Some(vault);
                        }
                    }
                    this.fail(problem, about);
                }
            }
        });
    }

    /// The span of one event, for those who log at `debug`: at other times it costs nothing, see
    /// `docs/decisions/0004`. What is no event of the contract may be anything, and is not told.
    fn span(&self, event: &str, vault: Option<&VaultId>) -> Span {
        let Inner { by, socket, .. } = &*self.0;
        debug_span!(
            "event",
            event.name = protocol::known(event),
            vault.id = vault.map(display),
            user.id = %by.id,
            socket.id = socket.id(),
            session.sid = %socket.session(),
        )
    }

    fn fail(&self, problem: Problem, about: About) {
        let About {
            event,
            vault,
            ack,
            span,
        } = about;
        debug!(parent: &span, code = ?problem.code, "refused");
        if problem.code == Code::Internal {
            // The cause was logged where it happened; this line tells whom it hit.
            let (user, vault) = (&self.0.by.id, vault.as_ref().map(display));
            info!(parent: &span, user.id = %user, vault.id = vault, event.name = event, "answered INTERNAL: the vault could not do what it was asked");
        }
        let error = protocol::Error::new(problem, &event, vault);
        emit(&self.0.socket, protocol::ERROR, &error);
        if let Some(ack) = ack {
            acknowledge(ack, &error.acknowledgement());
        }
    }
}

impl Events for Connection {
    fn on_event(&mut self, event: IncomingEvent) {
        if self.0.has_left.get() {
            return; // its transport is about to be closed
        }
        let vault = protocol::vault_named(&event.args);
        let about = About {
            span: self.span(&event.name, vault.as_ref()),
            vault,
            event: event.name,
            ack: event.ack,
        };
        let limits = &self.0.context.limits;
        let hurry = limits.event(&mut self.0.haste.borrow_mut(), Instant::now());
        if hurry != Hurry::None {
            let refusal = self.0.context.limits.refuse(RateLimited::Events);
            self.fail(refusal.into(), about);
            if hurry == Hurry::Lasting {
                self.0.socket.close(HASTY);
            }
            return;
        }
        let parsed = Request::parse(&about.event, &event.args);
        match parsed.and_then(|request| self.within_limits(request)) {
            Ok(request) => self.take(Asked { request, about }),
            Err(problem) => self.fail(problem, about),
        }
    }

    fn on_disconnect(&mut self, reason: DisconnectReason) {
        let socket = &self.0.socket;
        debug!(user.id = %self.0.by.id, socket.id = socket.id(), session.sid = %socket.session(), %reason, "a socket left");
        self.0.context.meters.disconnect(reason);
        self.end(match reason {
            DisconnectReason::ClientNamespace | DisconnectReason::ServerNamespace => false,
            DisconnectReason::Closed(_) => true,
        });
    }

    fn on_heartbeat(&mut self, beat: Heartbeat) {
        let dropped = self.0.listener.trace(|trace| {
            match beat {
                Heartbeat::Sent => trace.pinged(),
                Heartbeat::Answered => trace.answered(),
            }
            trace.take_dropped()
        });
        let forgotten = &self.0.context.meters.forgotten;
        forgotten.inc_by(dropped.unwrap_or(0));
    }
}
