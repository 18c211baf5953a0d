//! The session: an actor per connected socket, on the worker thread that accepted it.
//!
//! It is a thin shell around the [machine](super::machine): messages come in, the machine decides, the shell carries
//! out. It never waits, so a heartbeat is never late. Transports reach it by its address alone, from whatever thread;
//! everything else of it, the outbox above all, stays on this one, also when a websocket takes over from polling.

use std::{mem, rc::Rc, time::Instant};

use actix::{Actor, ActorContext, Addr, AsyncContext, Context, Handler, MessageResult};
use engineioxide_core::{OpenPacket, Packet, ProtocolVersion, Sid, TransportType};

use super::{
    Connection, Heartbeat, Pass, Served,
    carrier::Carrier,
    config::Config,
    error::{CloseReason, HandshakeError},
    frame::Frame,
    handshake::Terms,
    leash::Leashed,
    machine::{Effect, Input, Moment, Phase, Verdict},
    message::{Arrived, Malformed, Offer, Poll, Post, Signal, TrialId, Tried},
    meters::{Counted, Meters},
    request::OpenRequest,
    sessions::Place,
    socket::Socket,
    ticker::Ticker,
    transport::WebSocket,
};

pub(super) struct Session {
    phase: Phase,
    version: ProtocolVersion,
    carrier: Carrier,
    config: Rc<Config>,
    socket: Socket,
    connection: Box<dyn Connection>,
    ticker: Rc<Ticker>,
    meters: Rc<Meters>,
    /// It counts as open, by its transport.
    counted: Counted,
    /// Its end was counted.
    told: bool,
    /// The deadline that the ticker knows.
    alarm: Option<Instant>,
    /// Its place among the open sessions.
    place: Place,
    /// What the application gave it to keep.
    _pass: Pass,
}

/// A request that was admitted, on its way to be a session.
pub(super) struct Admitted {
    pub(super) terms: Terms,
    pub(super) request: OpenRequest,
    pub(super) pass: Pass,
}

impl Session {
    /// Starts a session that polls; its first poll brings the handshake.
    pub(super) fn start_polling(served: &Served, admitted: Admitted) -> Addr<Self> {
        Self::start(served, admitted, |_, session| Carrier::polling(session))
    }

    /// Starts the session of a websocket that was just accepted.
    pub(super) fn start_websocket(served: &Served, admitted: Admitted, websocket: WebSocket) {
        Self::start(served, admitted, |socket, session| Carrier::WebSocket {
            _reader: websocket.attach(socket, session),
        });
    }

    fn start(
        served: &Served,
        admitted: Admitted,
        carry: impl FnOnce(Socket, Addr<Self>) -> Carrier,
    ) -> Addr<Self> {
        Self::create(|ctx: &mut Context<Self>| {
            let (sid, config) = (Sid::new(), served.config.clone());
            let address = ctx.address();
            let meters = served.meters.clone();
            let socket = Socket::new(sid, config.clone(), meters.clone(), address.clone());
            let Terms { version, transport } = admitted.terms;
            socket.push(open_packet(sid, transport, &config).into());
            let connection = served.application.open(socket.clone(), admitted.request);
            let mut session = Self {
                phase: Phase::open(Instant::now(), &config),
                version,
                carrier: carry(socket.clone(), address.clone()),
                config,
                socket,
                connection,
                ticker: served.ticker.clone(),
                counted: meters.opened(transport),
                told: false,
                meters,
                alarm: None,
                place: served.sessions.enter(sid, address),
                _pass: admitted.pass,
            };
            session.set_alarm();
            session
        })
    }

    /// One step of the machine, carried out. The reason, if it was the step in which the session ends.
    fn step(&mut self, input: Input, ctx: &mut Context<Self>) -> Option<CloseReason> {
        let phase = mem::replace(&mut self.phase, Phase::Closed);
        let moment = Moment {
            now: Instant::now(),
            transport: self.carrier.transport(),
            config: &self.config,
        };
        let (phase, effects) = phase.step(input, moment);
        self.phase = phase;
        let mut ended = None;
        for effect in effects {
            match effect {
                Effect::Send(packet) => self.send(packet),
                Effect::Text(text) => self.connection.on_text(text),
                Effect::Binary(bytes) => self.connection.on_binary(bytes),
                Effect::Answered => self.connection.on_heartbeat(Heartbeat::Answered),
                Effect::End(reason) => {
                    tracing::debug!(session.sid = %self.socket.alias(), %reason, "session ends");
                    ended = Some(reason);
                    self.meters.closed(reason);
                    self.told = true;
                    self.place.is_ending();
                    self.socket.outbox().finish(reason);
                    self.connection.on_close(reason);
                }
                Effect::Release => ctx.stop(),
            }
        }
        self.set_alarm();
        ended
    }

    fn send(&mut self, packet: Packet) {
        let beats = matches!(packet, Packet::Ping);
        self.socket.push(Frame::from(packet));
        if beats {
            self.connection.on_heartbeat(Heartbeat::Sent);
        }
    }

    fn wake(&mut self) {
        if self.phase.is_alive() {
            self.connection.on_wake(Instant::now());
        }
        self.set_alarm();
    }

    /// Answers the poll that is parked, if there is something to answer.
    fn answer_poll(&mut self, ctx: &mut Context<Self>) {
        if let Some(polls) = self.carrier.polls()
            && polls.answer(self.socket.outbox())
        {
            self.step(Input::Flushed, ctx);
        }
    }

    /// Tells the ticker when the machine or the connection next wants to be called, if that has changed.
    fn set_alarm(&mut self) {
        let asked = self.connection.deadline().filter(|_| self.phase.is_alive());
        let deadlines = self.phase.deadline().into_iter();
        let next = deadlines.chain(asked).chain(self.carrier.deadline()).min();
        if next != self.alarm {
            self.ticker.change(&self.socket, self.alarm, next);
            self.alarm = next;
        }
    }
}

impl Actor for Session {
    type Context = Context<Self>;
}

impl Handler<Arrived> for Session {
    type Result = Result<(), Malformed>;

    fn handle(&mut self, arrived: Arrived, ctx: &mut Self::Context) -> Self::Result {
        let _handling = self.meters.mailbox.taken(arrived.at);
        let packet = arrived.incoming.decode(self.version);
        let input = packet.map_or(Input::Malformed, Input::Packet);
        match self.step(input, ctx) {
            Some(CloseReason::ParseError) => Err(Malformed),
            Some(_) | None => Ok(()),
        }
    }
}

impl Handler<Poll> for Session {
    type Result = ();

    fn handle(&mut self, Poll(reply): Poll, ctx: &mut Self::Context) {
        // Time that has passed counts, also where the timer has not rung yet.
        if self.step(Input::Tick, ctx).is_some() {
            return;
        }
        let Some(polls) = self.carrier.polls() else {
            let _gone = reply.send(Err(HandshakeError::BadRequest));
            return;
        };
        match polls.park(reply) {
            Ok(()) => self.answer_poll(ctx),
            Err(second) => {
                let _gone = second.send(Err(HandshakeError::BadRequest));
                self.step(Input::Gone(CloseReason::TransportError), ctx);
            }
        }
    }
}

impl Handler<Post> for Session {
    type Result = Result<Leashed, HandshakeError>;

    fn handle(&mut self, _: Post, ctx: &mut Self::Context) -> Self::Result {
        let Some(polls) = self.carrier.polls() else {
            return Err(HandshakeError::BadRequest);
        };
        polls.post().map_err(|_overlap| {
            self.step(Input::Gone(CloseReason::TransportError), ctx);
            HandshakeError::BadRequest
        })
    }
}

impl Handler<Offer> for Session {
    type Result = Option<TrialId>;

    fn handle(&mut self, offer: Offer, _: &mut Self::Context) -> Self::Result {
        if !self.phase.is_alive() {
            return None;
        }
        let timeout = self.config.upgrade_timeout;
        let trial = self.carrier.try_out(offer, Instant::now(), timeout);
        self.set_alarm();
        trial
    }
}

impl Handler<Tried> for Session {
    type Result = MessageResult<Tried>;

    fn handle(&mut self, tried: Tried, _: &mut Self::Context) -> Self::Result {
        let now = Instant::now();
        let verdict = self.carrier.judge(tried, self.version, now, &self.socket);
        if verdict == Verdict::Upgraded {
            self.counted = self.meters.upgraded();
        }
        self.set_alarm();
        MessageResult(verdict)
    }
}

impl Handler<Signal> for Session {
    type Result = ();

    fn handle(&mut self, signal: Signal, ctx: &mut Self::Context) {
        match signal {
            Signal::Tick => {
                // A message that was handled while the tick was on its way may have set another alarm.
                self.ticker.change(&self.socket, self.alarm.take(), None);
                self.carrier.on_time(Instant::now());
                self.step(Input::Tick, ctx);
                self.wake();
            }
            Signal::Wake => {
                self.socket.awake();
                self.wake();
            }
            Signal::Beat => {
                self.step(Input::Beat, ctx);
            }
            Signal::Ready => self.answer_poll(ctx),
            Signal::Close(reason) => {
                self.step(Input::Close(reason), ctx);
            }
            Signal::Gone(reason) => {
                self.step(Input::Gone(reason), ctx);
            }
            Signal::Cut => match self.carrier.transport() {
                TransportType::Polling => {
                    self.step(Input::Gone(CloseReason::TransportClose), ctx);
                }
                // It was let go at the upgrade; what becomes of it afterwards is of no interest.
                TransportType::Websocket => {}
            },
            Signal::Flushed => {
                self.step(Input::Flushed, ctx);
            }
        }
    }
}

impl Drop for Session {
    /// Whatever ended the session, a panic of its application included, nothing of it stays behind.
    fn drop(&mut self) {
        let reason = self.socket.outbox().cut();
        if !self.told {
            self.meters.closed(reason);
        }
        if let Some(polls) = self.carrier.polls() {
            polls.dismiss(reason);
        }
        self.ticker.change(&self.socket, self.alarm, None);
    }
}

/// The first packet of a session: its id and the rules.
fn open_packet(sid: Sid, transport: TransportType, config: &Config) -> Packet {
    let upgrades = match transport {
        TransportType::Polling => [TransportType::Websocket].into_iter().collect(),
        TransportType::Websocket => Default::default(),
    };
    Packet::Open(OpenPacket {
        sid,
        upgrades,
        ping_interval: config.ping_interval,
        ping_timeout: config.ping_timeout,
        max_payload: config.max_payload as u64,
    })
}
