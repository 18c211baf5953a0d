//! The Socket.IO state of one Engine.IO session: the namespaces that its client is in, and the packets it may send next.
//!
//! A CONNECT calls [`Namespace::connect`](crate::Namespace::connect). If the call has to wait, a task continues with it. Until it
//! ends, the events that the client sends to that namespace are kept (`early_events.rs`). When it ends, the session in one step stores
//! the handler, sends the answer and handles these events. No event can therefore arrive before its handler, and no frame can overtake
//! the answer. Whether an event right behind its CONNECT is accepted does not depend on how long the decision takes.
//! A packet that is malformed or not allowed in the current state closes the session.

mod connect_task;
mod early_events;
mod entry;
mod packet_counter;
mod received_event;

use std::{fmt::Display, rc::Rc, time::Instant};

use bytes::Bytes;
use engineioxide_core::{ProtocolVersion, Str};
use smallvec::SmallVec;
use socketioxide_core::{
    Value,
    packet::{Packet, PacketData},
    parser::{Parse, ParseConfig, ParseError, ParserState},
};
use socketioxide_parser_common::CommonParser;

use self::{
    connect_task::ConnectCall,
    early_events::EarlyEvents,
    entry::{EntryState, NamespaceEntry},
    packet_counter::{PacketAdmission, PacketCounter},
};
use crate::{
    decode::{BinaryHeader, decode_auth},
    engineio::{CloseReason, Heartbeat, OpenRequest, SessionHandler, SessionSocket},
    error::{ConnectRefusal, DisconnectReason},
    frame::EventFrame,
    handler::NamespaceMap,
    meter::PacketMeter,
    socket::Socket,
};

/// The largest number of attachments in one binary packet.
const MAX_ATTACHMENTS: usize = 10;
/// The largest total size of the attachments of one packet, unless `max_payload` is larger.
const MAX_ATTACHMENT_BYTES: usize = 1_000_000;

/// The namespace of a client that names no other.
const DEFAULT_NAMESPACE: &str = "/";

/// The connection of one client, with its namespaces.
pub(crate) struct ClientConnection {
    namespaces: Rc<NamespaceMap>,
    request: Rc<OpenRequest>,
    session: SessionSocket,
    counter: PacketCounter,
    parser: ParserState,
    /// Most clients are in one namespace.
    entries: SmallVec<[NamespaceEntry; 1]>,
    /// The time at which a connection without an accepted CONNECT is closed. Refused CONNECTs do not move it.
    connect_deadline: Option<Instant>,
    /// The time at which a connection is closed if the attachments of a packet are still missing.
    attachments_deadline: Option<Instant>,
}

impl ClientConnection {
    /// Returns the connection of a new session. Its connect timeout starts now. A client of Engine.IO 3 is connected to the default
    /// namespace.
    pub(crate) fn new(
        namespaces: Rc<NamespaceMap>,
        session: SessionSocket,
        request: OpenRequest,
        meter: Box<dyn PacketMeter>,
    ) -> Self {
        let connect_timeout = session.config().connect_timeout;
        let mut connection = Self {
            namespaces,
            request: Rc::new(request),
            session,
            counter: PacketCounter::new(meter),
            parser: ParserState::default(),
            entries: SmallVec::new(),
            connect_deadline: Some(Instant::now() + connect_timeout),
            attachments_deadline: None,
        };
        match connection.session.version() {
            ProtocolVersion::V4 => {}
            // The clients of version 3 send no CONNECT for the default namespace.
            ProtocolVersion::V3 => connection.connect(Str::from(DEFAULT_NAMESPACE), no_auth()),
        }
        connection
    }

    /// Returns the limits of the codec for binary packets.
    fn parse_config(&self) -> ParseConfig {
        let config = self.session.config();
        ParseConfig {
            max_incoming_binaries: MAX_ATTACHMENTS,
            max_incoming_binary_buf_size: MAX_ATTACHMENT_BYTES.max(config.max_payload),
            packet_completion_timeout: config.attachments_timeout,
        }
    }

    /// Handles the result of the codec for one message: a packet, the first part of a binary packet, or an error.
    fn handle_parsed(&mut self, parsed: Result<Packet, ParseError>) {
        match parsed {
            Ok(packet) => {
                self.attachments_deadline = None;
                let admission = self.counter.take_admission();
                if self.handle_packet(packet, admission).is_none() {
                    self.reject(
                        "malformed payload, reserved event name, or not allowed in this state",
                    );
                }
            }
            Err(ParseError::NeedsMoreBinaryData) => {
                let timeout = self.session.config().attachments_timeout;
                self.attachments_deadline
                    .get_or_insert_with(|| Instant::now() + timeout);
            }
            Err(error) => self.reject(error),
        }
    }

    /// Closes the session because of the packet that was received.
    fn reject(&self, problem: impl Display) {
        tracing::trace!(session.sid = %self.session.alias(), %problem, "malformed packet");
        self.session.close(CloseReason::ParseError);
    }

    /// Handles a complete packet. Returns `None` if it is malformed or not allowed in the current state.
    fn handle_packet(&mut self, mut packet: Packet, admission: PacketAdmission) -> Option<()> {
        if let PacketData::Connect(_) = packet.inner {
            packet.ns = self.requested_namespace(packet.ns);
        }
        let index = self
            .entries
            .iter()
            .position(|entry| entry.namespace == packet.ns);
        match (packet.inner, index) {
            (PacketData::Connect(auth), None) => match admission {
                PacketAdmission::Accepted => self.connect(packet.ns, self.auth(auth)?),
                PacketAdmission::Refused => self.refuse_connect(&packet.ns),
            },
            (PacketData::Disconnect, Some(index)) => {
                self.remove(index, DisconnectReason::ClientNamespace);
            }
            // Client and server have sent a DISCONNECT at the same time.
            (PacketData::Disconnect, None) => {}
            (
                PacketData::Event(payload, ack_id) | PacketData::BinaryEvent(payload, ack_id),
                Some(index),
            ) => self.entries[index].handle_event(payload, ack_id, admission)?,
            (
                PacketData::EventAck(payload, ack_id) | PacketData::BinaryAck(payload, ack_id),
                Some(index),
            ) => self.entries[index].handle_ack(payload, ack_id)?,
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

    /// Returns the name of the namespace that a CONNECT requests. Clients of version 3 append a query, which is ignored.
    fn requested_namespace(&self, name: Str) -> Str {
        match (self.session.version(), name.find('?')) {
            (ProtocolVersion::V3, Some(query)) => name.slice(..query),
            (ProtocolVersion::V3, None) | (ProtocolVersion::V4, _) => name,
        }
    }

    /// Returns the auth payload of a CONNECT, or `None` if it is malformed. Version 3 has none.
    fn auth(&self, payload: Option<Value>) -> Option<serde_json::Value> {
        match self.session.version() {
            ProtocolVersion::V4 => decode_auth(payload),
            ProtocolVersion::V3 => Some(no_auth()),
        }
    }

    /// Handles a CONNECT, or starts the task that does.
    fn connect(&mut self, name: Str, auth: serde_json::Value) {
        let Some(namespace) = self.namespaces.get(name.as_str()) else {
            return self.refuse(&name, self.namespaces.refuse_unknown());
        };
        let socket = Socket::connecting(&name, self.session.clone());
        let connect = namespace.connect(socket.clone(), auth, self.request.clone());
        let state = match ConnectCall::start(connect, &self.session) {
            ConnectCall::Waiting(task) => EntryState::Connecting {
                task,
                early: EarlyEvents::default(),
            },
            ConnectCall::Ended(Ok(handler)) => {
                socket.accept();
                self.connect_deadline = None;
                EntryState::Connected(handler)
            }
            ConnectCall::Ended(Err(refusal)) => {
                socket.mark_disconnected();
                return self.refuse(&name, refusal);
            }
        };
        self.entries.push(NamespaceEntry {
            // A copy, because the original is a slice of the packet.
            namespace: Str::copy_from_slice(&name),
            socket,
            state,
        });
    }

    /// Answers a CONNECT that the meter has refused.
    fn refuse_connect(&self, name: &str) {
        let refusal = match self.namespaces.get(name) {
            Some(namespace) => namespace.refuse_connect(),
            None => self.namespaces.refuse_unknown(),
        };
        self.refuse(name, refusal);
    }

    /// Removes an entry and reports the reason to its handler.
    fn remove(&mut self, index: usize, reason: DisconnectReason) {
        self.entries.swap_remove(index).end(reason);
        self.update_connect_deadline();
    }

    /// Answers every CONNECT whose task has ended.
    fn finish_connects(&mut self) {
        for index in (0..self.entries.len()).rev() {
            let entry = &mut self.entries[index];
            let EntryState::Connecting { task, .. } = &mut entry.state else {
                continue;
            };
            match task.result() {
                None => {}
                Some(Ok(handler)) => {
                    self.connect_deadline = None;
                    entry.accept(handler);
                }
                Some(Err(refusal)) => {
                    let entry = self.entries.swap_remove(index);
                    entry.socket.mark_disconnected();
                    self.refuse(&entry.namespace, refusal);
                }
            }
        }
    }

    fn refuse(&self, namespace: &str, refusal: ConnectRefusal) {
        match refusal {
            ConnectRefusal::ConnectError { message, data } => {
                let frame = match self.session.version() {
                    ProtocolVersion::V4 => {
                        EventFrame::connect_error(namespace, &message, data.as_ref())
                    }
                    ProtocolVersion::V3 => EventFrame::error(namespace, &message, data.as_ref()),
                };
                frame.push_to(&self.session);
            }
            ConnectRefusal::Close(reason) => self.session.close(reason),
        }
    }

    /// Removes the entries that the server has disconnected.
    fn remove_disconnected(&mut self) {
        for index in (0..self.entries.len()).rev() {
            if self.entries[index].socket.is_disconnected() {
                self.remove(index, DisconnectReason::ServerNamespace);
            }
        }
    }

    /// Starts the connect timeout if the client has left its last namespace. A timeout that runs already is not renewed.
    fn update_connect_deadline(&mut self) {
        if !self.is_connected() && self.connect_deadline.is_none() {
            self.connect_deadline = Some(Instant::now() + self.session.config().connect_timeout);
        }
    }

    /// Returns whether the client may send a binary packet with this header in the current state. A packet that it may not send is
    /// not kept until its attachments arrive.
    fn admits_attachments(&self, header: &str) -> bool {
        BinaryHeader::split(header).is_some_and(|header| {
            let mut entries = self.entries.iter();
            let has_connect = entries.any(|entry| entry.namespace == header.namespace);
            has_connect && header.is_valid()
        })
    }

    /// Returns whether a CONNECT of the client was accepted, and the client has not left since.
    fn is_connected(&self) -> bool {
        let mut entries = self.entries.iter();
        entries.any(|entry| matches!(entry.state, EntryState::Connected(_)))
    }
}

impl SessionHandler for ClientConnection {
    fn on_text(&mut self, text: Str) {
        if let Err(reason) = self.counter.count_text(&text) {
            return self.session.close(reason);
        }
        let parsed = CommonParser.decode_str(&self.parse_config(), &self.parser, text.clone());
        match parsed {
            Err(ParseError::NeedsMoreBinaryData) if !self.admits_attachments(&text) => {
                self.reject("malformed or unexpected header of a binary packet");
            }
            parsed => self.handle_parsed(parsed),
        }
    }

    fn on_binary(&mut self, bytes: Bytes) {
        if let Err(reason) = self.counter.count_message(bytes.len()) {
            return self.session.close(reason);
        }
        let parsed = CommonParser.decode_bin(&self.parse_config(), &self.parser, bytes);
        self.handle_parsed(parsed);
    }

    fn on_control(&mut self, bytes: usize) {
        if let Err(reason) = self.counter.count_control(bytes) {
            self.session.close(reason);
        }
    }

    fn on_close(&mut self, reason: CloseReason) {
        for entry in self.entries.drain(..) {
            entry.end(DisconnectReason::Closed(reason));
        }
    }

    fn on_heartbeat(&mut self, beat: Heartbeat) {
        for entry in &mut self.entries {
            if let EntryState::Connected(handler) = &mut entry.state {
                handler.on_heartbeat(beat);
            }
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let handlers = self.entries.iter().filter_map(NamespaceEntry::deadline);
        self.connect_deadline
            .into_iter()
            .chain(self.attachments_deadline)
            .chain(handlers)
            .min()
    }

    fn on_wake(&mut self, now: Instant) {
        self.finish_connects();
        self.remove_disconnected();
        for entry in &mut self.entries {
            entry.wake(now);
        }
        if self.connect_deadline.is_some_and(|at| at <= now) {
            self.session.close(CloseReason::ConnectTimeout);
        }
        if self.attachments_deadline.is_some_and(|at| at <= now) {
            self.reject("the attachments of a binary packet are missing");
        }
    }
}

/// Returns the auth payload of a client that sends none.
fn no_auth() -> serde_json::Value {
    serde_json::Value::Object(serde_json::Map::new())
}

#[cfg(test)]
mod tests {
    use std::future;

    use actix_web::test::TestRequest;
    use futures_util::{FutureExt, future::LocalBoxFuture};

    use super::*;
    use crate::{
        engineio::EngineConfig,
        handler::{Namespace, SocketHandler},
        meter::Unmetered,
    };

    struct PendingNamespace;

    impl Namespace for PendingNamespace {
        fn connect(
            &self,
            _socket: Socket,
            _auth: serde_json::Value,
            _request: Rc<OpenRequest>,
        ) -> LocalBoxFuture<'static, Result<Box<dyn SocketHandler>, ConnectRefusal>> {
            future::pending().boxed_local()
        }
    }

    #[actix_web::test]
    async fn connected_namespace_does_not_keep_the_packet_of_its_connect() {
        let mut namespaces = NamespaceMap::default();
        namespaces.insert("/".into(), Box::new(PendingNamespace));
        let request = OpenRequest::from_http(&TestRequest::default().to_http_request());
        let session = SessionSocket::detached(EngineConfig::default());
        let mut connection =
            ClientConnection::new(Rc::new(namespaces), session, request, Box::new(Unmetered));
        let packet = Str::from(format!(r#"0/,{{"large":"{}"}}"#, "x".repeat(900_000)));
        connection.on_text(packet.clone());
        let name = connection.entries[0].namespace.as_ptr();
        assert!(!packet.as_bytes().as_ptr_range().contains(&name));
    }
}
