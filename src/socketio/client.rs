//! The protocol state of one connection: which namespaces it is in, and what may come next.
//!
//! A CONNECT starts the namespace's `connect` as a task; until that has ended, the namespace takes nothing more from
//! this client. When it has ended the connection is woken and, in one go, puts the handlers in place and answers: no
//! event can come before its handler, and none can overtake the answer. A packet that is malformed, or that comes when
//! it must not, closes the session.

use std::{rc::Rc, time::Instant};

use bytes::Bytes;
use engineioxide_core::Str;
use futures_util::FutureExt;
use socketioxide_core::{
    Value,
    packet::{Packet, PacketData},
    parser::{Parse, ParseConfig, ParseError, ParserState},
};
use socketioxide_parser_common::CommonParser;
use tokio::task::{JoinHandle, unconstrained};

use super::{
    Events, IncomingEvent, Namespaces,
    error::{DisconnectReason, Refusal},
    frame::{self, Frame},
    socket::{Ack, Socket},
};
use crate::engineio::{self, CloseReason, Connection, Heartbeat, OpenRequest};

/// How many attachments a binary packet may have.
const MOST_ATTACHMENTS: usize = 10;
/// How heavy they may be together, where the largest message that may come is not larger.
const ATTACHMENTS_BYTES: usize = 1_000_000;

pub(super) struct Client {
    namespaces: Rc<Namespaces>,
    request: Rc<OpenRequest>,
    engine: engineio::Socket,
    parser: ParserState,
    members: Vec<Member>,
    /// In no namespace, it is closed then.
    idle_until: Option<Instant>,
    /// A binary packet's attachments have to be here by then.
    attachments_by: Option<Instant>,
}

/// A namespace that the client is in, or is about to be.
struct Member {
    ns: Str,
    socket: Socket,
    stage: Stage,
}

enum Stage {
    Connecting(Connecting),
    Joined(Box<dyn Events>),
}

type Outcome = Result<Box<dyn Events>, Refusal>;

/// A `connect` under way. Dropping it cancels it.
struct Connecting(JoinHandle<Outcome>);

/// Wakes the connection when a `connect` has ended, in whatever way.
struct WakeAtEnd(engineio::Socket);

impl Client {
    pub(super) fn new(
        namespaces: Rc<Namespaces>,
        engine: engineio::Socket,
        request: OpenRequest,
    ) -> Self {
        let mut client = Self {
            namespaces,
            request: Rc::new(request),
            engine,
            parser: ParserState::default(),
            members: Vec::new(),
            idle_until: None,
            attachments_by: None,
        };
        client.note_idle();
        client
    }

    /// What a binary packet may consist of.
    fn limits(&self) -> ParseConfig {
        let config = self.engine.config();
        ParseConfig {
            max_incoming_binaries: MOST_ATTACHMENTS,
            max_incoming_binary_buf_size: ATTACHMENTS_BYTES.max(config.max_payload),
            packet_completion_timeout: config.attachments_timeout,
        }
    }

    /// What the codec made of a message: a packet, the first part of one, or nonsense.
    fn decoded(&mut self, outcome: Result<Packet, ParseError>) {
        match outcome {
            Ok(packet) => {
                self.attachments_by = None;
                if self.receive(packet).is_none() {
                    self.engine.close(CloseReason::ParseError);
                }
            }
            Err(ParseError::NeedsMoreBinaryData) => {
                let timeout = self.engine.config().attachments_timeout;
                self.attachments_by
                    .get_or_insert_with(|| Instant::now() + timeout);
            }
            Err(error) => {
                tracing::trace!(session.sid = %self.engine.alias(), %error, "malformed packet");
                self.engine.close(CloseReason::ParseError);
            }
        }
    }

    /// A whole packet; nothing if it must not come, or not now.
    fn receive(&mut self, packet: Packet) -> Option<()> {
        let at = self
            .members
            .iter()
            .position(|member| member.ns == packet.ns);
        match (packet.inner, at) {
            (PacketData::Connect(auth), None) => self.connect(packet.ns, frame::decode_auth(auth)?),
            (PacketData::Disconnect, Some(at)) => self.leave(at, DisconnectReason::ClientNamespace),
            // It crossed the server's own on the way.
            (PacketData::Disconnect, None) => {}
            (PacketData::Event(payload, ack) | PacketData::BinaryEvent(payload, ack), Some(at)) => {
                self.members[at].take(payload, ack)?;
            }
            (PacketData::EventAck(payload, id) | PacketData::BinaryAck(payload, id), Some(at)) => {
                let socket = &self.members[at].socket;
                socket.acknowledged(id, frame::decode_ack(payload)?);
            }
            (PacketData::Connect(_), Some(_))
            | (
                PacketData::Event(..)
                | PacketData::BinaryEvent(..)
                | PacketData::EventAck(..)
                | PacketData::BinaryAck(..),
                None,
            )
            | (PacketData::ConnectError(_), _) => return None,
        }
        Some(())
    }

    fn connect(&mut self, ns: Str, auth: serde_json::Value) {
        let Some(namespace) = self.namespaces.get(ns.as_str()) else {
            return Frame::connect_error(&ns, "Invalid namespace", None).push_to(&self.engine);
        };
        let socket = Socket::connecting(&ns, self.engine.clone());
        let connecting = namespace.connect(socket.clone(), auth, self.request.clone());
        let wake = WakeAtEnd(self.engine.clone());
        let task = actix_web::rt::spawn(async move {
            let _wake = wake;
            connecting.await
        });
        self.members.push(Member {
            ns,
            socket,
            stage: Stage::Connecting(Connecting(task)),
        });
        self.idle_until = None;
    }

    /// Takes a member away and tells its handlers why.
    fn leave(&mut self, at: usize, reason: DisconnectReason) {
        self.members.swap_remove(at).end(reason);
        self.note_idle();
    }

    /// Lets in whose `connect` has granted, and turns away the others.
    fn settle(&mut self) {
        for at in (0..self.members.len()).rev() {
            let member = &mut self.members[at];
            let Stage::Connecting(connecting) = &mut member.stage else {
                continue;
            };
            match connecting.outcome() {
                None => {}
                Some(Ok(events)) => {
                    member.stage = Stage::Joined(events);
                    member.socket.join();
                }
                Some(Err(refusal)) => {
                    let member = self.members.swap_remove(at);
                    member.socket.leave();
                    match refusal {
                        Refusal::ConnectError { message, data } => {
                            Frame::connect_error(&member.ns, &message, data.as_ref())
                                .push_to(&self.engine);
                        }
                        Refusal::Close(reason) => self.engine.close(reason),
                    }
                    self.note_idle();
                }
            }
        }
    }

    /// Takes away whom the server has disconnected.
    fn sweep(&mut self) {
        for at in (0..self.members.len()).rev() {
            if self.members[at].socket.has_left() {
                self.leave(at, DisconnectReason::ServerNamespace);
            }
        }
    }

    /// A connection that is in no namespace has so long to enter one.
    fn note_idle(&mut self) {
        if self.members.is_empty() {
            self.idle_until = Some(Instant::now() + self.engine.config().connect_timeout);
        }
    }
}

impl Connection for Client {
    fn on_text(&mut self, text: Str) {
        let outcome = CommonParser.decode_str(&self.limits(), &self.parser, text);
        self.decoded(outcome);
    }

    fn on_binary(&mut self, bytes: Bytes) {
        let outcome = CommonParser.decode_bin(&self.limits(), &self.parser, bytes);
        self.decoded(outcome);
    }

    fn on_close(&mut self, reason: CloseReason) {
        for member in self.members.drain(..) {
            member.end(DisconnectReason::Closed(reason));
        }
    }

    fn on_heartbeat(&mut self, beat: Heartbeat) {
        for member in &mut self.members {
            if let Stage::Joined(events) = &mut member.stage {
                events.on_heartbeat(beat);
            }
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.idle_until.into_iter().chain(self.attachments_by).min()
    }

    fn on_wake(&mut self, now: Instant) {
        self.settle();
        self.sweep();
        if self.idle_until.is_some_and(|at| at <= now) {
            self.engine.close(CloseReason::ConnectTimeout);
        }
        if self.attachments_by.is_some_and(|at| at <= now) {
            self.engine.close(CloseReason::ParseError);
        }
    }
}

impl Member {
    /// An event of the client; nothing if it is malformed or comes before the namespace has answered.
    fn take(&mut self, payload: Value, ack: Option<i64>) -> Option<()> {
        let frame::Decoded {
            name,
            args,
            attachments,
        } = frame::decode_event(payload)?;
        let Stage::Joined(events) = &mut self.stage else {
            return None;
        };
        // Disconnected by the server a moment ago: nobody listens any more.
        if !self.socket.has_left() {
            let ack = ack.map(|id| Ack::new(self.socket.clone(), id));
            events.on_event(IncomingEvent {
                name,
                args,
                attachments,
                ack,
            });
        }
        Some(())
    }

    /// The end of it: whoever was given handlers is told, also when they never came into place.
    fn end(self, reason: DisconnectReason) {
        self.socket.leave();
        match self.stage {
            Stage::Joined(mut events) => events.on_disconnect(reason),
            Stage::Connecting(mut connecting) => {
                if let Some(Ok(mut events)) = connecting.outcome() {
                    events.on_disconnect(reason);
                }
            }
        }
    }
}

impl Connecting {
    /// What came of it, once it has ended.
    fn outcome(&mut self) -> Option<Outcome> {
        if !self.0.is_finished() {
            return None;
        }
        // It has ended, so this does not wait; but with a spent budget it would seem as if it had not.
        match unconstrained(&mut self.0).now_or_never()? {
            Ok(outcome) => Some(outcome),
            Err(panicked) => {
                // Where and why it did has been logged.
                tracing::warn!(error = %panicked, "a namespace panicked at a CONNECT");
                Some(Err(Refusal::Close(CloseReason::Fault)))
            }
        }
    }
}

impl Drop for Connecting {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Drop for WakeAtEnd {
    fn drop(&mut self) {
        self.0.wake();
    }
}
