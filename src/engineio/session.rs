//! The session: an actor per connected socket, on the worker thread that accepted it.
//!
//! It is a thin shell around the [machine](super::machine): messages come in, the machine decides, the shell carries
//! out. It never waits, so a heartbeat is never late. The transport reaches it by its address alone, from whatever
//! thread; everything else of it, the outbox above all, stays on this one.

use std::{mem, rc::Rc, time::Instant};

use actix::{Actor, ActorContext, AsyncContext, Context, Handler, Message};
use bytes::Bytes;
use engineioxide_core::{OpenPacket, Packet, ProtocolVersion, Sid, Str};
use smallvec::smallvec;
use tokio::task::AbortHandle;

use super::{
    Connection, Served,
    config::Config,
    error::CloseReason,
    frame::Frame,
    machine::{Effect, Input, Phase},
    request::OpenRequest,
    sessions::Place,
    socket::Socket,
    ticker::Ticker,
    transport::WebSocket,
};

pub(super) struct Session {
    phase: Phase,
    config: Rc<Config>,
    socket: Socket,
    connection: Box<dyn Connection>,
    ticker: Rc<Ticker>,
    /// The deadline that the ticker knows.
    alarm: Option<Instant>,
    /// The task that reads from the transport.
    reader: AbortHandle,
    /// Its place among the open sessions.
    _place: Place,
}

/// A message of the client. The transport awaits the answer before it reads on: that is the back-pressure.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) enum Incoming {
    Text(Str),
    Binary(Bytes),
}

/// What else a session is told.
#[derive(Clone, Copy, Message)]
#[rtype(result = "()")]
pub(super) enum Signal {
    /// Its deadline has come.
    Tick,
    /// Its connection asked to be called.
    Wake,
    /// It is to end.
    Close(CloseReason),
    /// Its transport has ended.
    Gone(CloseReason),
    /// Everything queued has left.
    Flushed,
}

impl Session {
    /// Starts the session of a websocket that was just accepted.
    pub(super) fn start(served: &Served, request: OpenRequest, websocket: WebSocket) {
        Self::create(|ctx: &mut Context<Self>| {
            let (sid, config) = (Sid::new(), served.config.clone());
            let address = ctx.address();
            let socket = Socket::new(sid, config.clone(), address.clone());
            socket.push(open_packet(sid, &config).into());
            let connection = served.application.open(socket.clone(), request);
            let reader = websocket.attach(socket.clone(), address.clone());
            let mut session = Self {
                phase: Phase::open(Instant::now(), &config),
                config,
                socket,
                connection,
                ticker: served.ticker.clone(),
                alarm: None,
                reader,
                _place: served.sessions.enter(sid, address),
            };
            session.set_alarm();
            session
        });
    }

    fn step(&mut self, input: Input, ctx: &mut Context<Self>) {
        let phase = mem::replace(&mut self.phase, Phase::Closed);
        let (phase, effects) = phase.step(input, Instant::now(), &self.config);
        self.phase = phase;
        for effect in effects {
            match effect {
                Effect::Send(packet) => self.socket.push(Frame::from(packet)),
                Effect::Text(text) => self.connection.on_text(text),
                Effect::Binary(bytes) => self.connection.on_binary(bytes),
                Effect::End(reason) => {
                    tracing::debug!(session.sid = %self.socket.sid(), %reason, "session ends");
                    self.socket.outbox().finish(reason);
                    self.connection.on_close(reason);
                }
                Effect::Release => ctx.stop(),
            }
        }
        self.set_alarm();
    }

    fn wake(&mut self) {
        if self.phase.is_alive() {
            self.connection.on_wake(Instant::now());
        }
        self.set_alarm();
    }

    /// Tells the ticker when the machine or the connection next wants to be called, if that has changed.
    fn set_alarm(&mut self) {
        let asked = self.connection.deadline().filter(|_| self.phase.is_alive());
        let next = self.phase.deadline().into_iter().chain(asked).min();
        if next != self.alarm {
            self.ticker.change(&self.socket, self.alarm, next);
            self.alarm = next;
        }
    }
}

impl Actor for Session {
    type Context = Context<Self>;
}

impl Handler<Incoming> for Session {
    type Result = ();

    fn handle(&mut self, message: Incoming, ctx: &mut Self::Context) {
        let input = match message {
            Incoming::Text(text) => match Packet::parse(ProtocolVersion::V4, text) {
                Ok(packet) => Input::Packet(packet),
                Err(_) => Input::Malformed,
            },
            Incoming::Binary(bytes) => Input::Packet(Packet::Binary(bytes)),
        };
        self.step(input, ctx);
    }
}

impl Handler<Signal> for Session {
    type Result = ();

    fn handle(&mut self, signal: Signal, ctx: &mut Self::Context) {
        match signal {
            Signal::Tick => {
                // A message that was handled while the tick was on its way may have set another alarm.
                self.ticker.change(&self.socket, self.alarm.take(), None);
                self.step(Input::Tick, ctx);
                self.wake();
            }
            Signal::Wake => {
                self.socket.awake();
                self.wake();
            }
            Signal::Close(reason) => self.step(Input::Close(reason), ctx),
            Signal::Gone(reason) => self.step(Input::Gone(reason), ctx),
            Signal::Flushed => self.step(Input::Flushed, ctx),
        }
    }
}

impl Drop for Session {
    /// Whatever ended the session, a panic of its application included, nothing of it stays behind.
    fn drop(&mut self) {
        self.reader.abort();
        self.socket.outbox().cut();
        self.ticker.change(&self.socket, self.alarm, None);
    }
}

/// The first packet of a session: its id and the rules.
fn open_packet(sid: Sid, config: &Config) -> Packet {
    Packet::Open(OpenPacket {
        sid,
        upgrades: smallvec![],
        ping_interval: config.ping_interval,
        ping_timeout: config.ping_timeout,
        max_payload: config.max_payload as u64,
    })
}
