//! A client of the relay: its socket, and what it has received.

use std::{collections::VecDeque, mem};

use serde_json::Value;

use crate::{
    domain::{SubscriberId, UserId},
    gateway::{
        offset::Offset,
        relay::{Relay, SocketAttachment, delivery_socket::DeliverySocket},
        trace::DeliveryTrace,
    },
    vault::Attach,
};
use actix_socketio::{
    Socket,
    engineio::{self, OutboxBounds},
};

use super::user_id;

/// How many frames an outbox holds.
const OUTBOX_FRAMES: usize = 48;

/// How many packets a trace records.
const TRACED_PACKETS: u64 = 1024;

/// A client with its socket and its progress in the vault.
pub(super) struct RelayClient {
    user: UserId,
    pub(super) engine: engineio::SessionSocket,
    pub(super) socket: DeliverySocket,
    pub(super) attachment: SocketAttachment,
    pub(super) subscriber: Option<SubscriberId>,
    pub(super) progress: ClientProgress,
}

/// What a client has received of the vault. Panics when it receives a packet out of order.
#[derive(Default)]
pub(super) struct ClientProgress {
    /// The last event that the client knows. `None` while it has not joined.
    pub(super) known: Option<u64>,
    /// The head of the vault when the client joined. An earlier removal does not concern this subscription.
    pub(super) joined_at: u64,
    /// Answers that the client expects, oldest first.
    pub(super) expected: VecDeque<ExpectedAnswer>,
    /// Whether the client has received its removal, which an `error` follows.
    pub(super) is_removed: bool,
    pub(super) offset: Option<Offset>,
}

/// The answer to a join that the client expects.
#[derive(Debug)]
pub(super) enum ExpectedAnswer {
    Joined,
    JoinedSince(u64),
    /// A `vault:joined` that the client did not receive before the connection was lost.
    JoinedAgain,
}

impl ExpectedAnswer {
    pub(super) fn from_attach(attach: &Attach) -> Self {
        match attach {
            Attach::JoinSince { seq, .. } => Self::JoinedSince(seq.0),
            Attach::Join | Attach::Resume { .. } => Self::Joined,
        }
    }
}

impl ClientProgress {
    fn receive(&mut self, user: &UserId, text: &str) {
        let packet = text.strip_prefix("42").expect("an event of Socket.IO");
        let packet: Vec<Value> = serde_json::from_str(packet).unwrap();
        let (name, payload) = (packet[0].as_str().unwrap(), &packet[1]);
        if let Some(offset) = packet.get(2) {
            self.offset = Offset::from_client(offset.as_str().unwrap());
        }
        let number = |field: &str| payload.get(field).and_then(Value::as_u64);
        match name {
            "vault:joined" => {
                let (seq, replayed) = (number("seq").unwrap(), number("replayed"));
                let after = seq - replayed.unwrap_or(0);
                let expected = self.expected.pop_front();
                match expected.expect("received vault:joined without a join") {
                    ExpectedAnswer::Joined => {
                        assert_eq!(replayed, None);
                        // Missed events come before the answer.
                        let known = self.known.unwrap_or(seq);
                        assert_eq!(known, seq, "joined at another seq than the last event");
                    }
                    ExpectedAnswer::JoinedSince(since) if payload.get("resync").is_none() => {
                        assert_eq!(after, since);
                    }
                    ExpectedAnswer::JoinedSince(_) | ExpectedAnswer::JoinedAgain => {}
                }
                (self.known, self.joined_at) = (Some(after), seq);
            }
            "error" if mem::take(&mut self.is_removed) => {}
            "error" => {
                let expected = self.expected.pop_front();
                assert!(expected.is_some(), "received an error without a join");
            }
            event => {
                let seq = number("seq").unwrap();
                let known = self
                    .known
                    .expect("received an event without a subscription");
                assert_eq!(seq, known + 1, "{event}");
                let is_own = payload["member"]["userId"] == *user.as_str();
                self.is_removed = event == "member:removed" && is_own && seq > self.joined_at;
                self.known = Some(seq).filter(|_| !self.is_removed);
            }
        }
    }
}

impl RelayClient {
    pub(super) fn connect(relay: &Relay, index: usize) -> Self {
        let user = user_id(index);
        let engine = engineio::SessionSocket::detached(engineio::EngineConfig {
            outbox: OutboxBounds::new(OUTBOX_FRAMES, 1 << 20),
            ..engineio::EngineConfig::default()
        });
        let socket = Socket::connected("/", engine.clone());
        let socket = DeliverySocket::new(
            socket,
            user.clone(),
            Some(DeliveryTrace::new(TRACED_PACKETS, None)),
        );
        Self {
            user,
            engine,
            attachment: relay.attach(&socket),
            socket,
            subscriber: None,
            progress: ClientProgress::default(),
        }
    }

    /// Receives all frames of the outbox.
    pub(super) fn read(&mut self) {
        for frame in self.engine.take_all() {
            let engineio::Frame::Text(text) = frame else {
                panic!("events are text frames");
            };
            self.progress.receive(&self.user, &text);
        }
    }
}
