//! What a session is told, by transports on whatever thread and by the session's own socket.

use std::time::Instant;

use actix::Message;
use bytes::Bytes;
use engineioxide_core::{Packet, ProtocolVersion, Str};
use tokio::sync::oneshot;

use super::{
    error::{CloseReason, HandshakeError},
    leash::{Leash, Leashed},
    machine::Verdict,
    transport::Sink,
};

/// A packet of the client has arrived. The transport awaits the answer before it goes on: that is the back-pressure.
#[derive(Message)]
#[rtype(result = "Result<(), Malformed>")]
pub(super) struct Arrived {
    pub(super) incoming: Incoming,
    pub(super) at: Instant,
}

impl Arrived {
    /// Now.
    pub(super) fn now(incoming: Incoming) -> Self {
        let at = Instant::now();
        Self { incoming, at }
    }
}

/// A packet of the client.
pub(super) enum Incoming {
    /// As text, with its type.
    Text(Str),
    /// A binary message.
    Binary(Bytes),
}

impl Incoming {
    /// The packet in it, if it is one of this version of the protocol.
    pub(super) fn decode(self, version: ProtocolVersion) -> Option<Packet> {
        match self {
            Self::Text(text) => Packet::parse(version, text).ok(),
            Self::Binary(bytes) => Some(Packet::Binary(bytes)),
        }
    }
}

/// A packet was none, or came when it must not, and has ended the session.
#[derive(Clone, Copy, Debug)]
pub(super) struct Malformed;

/// A poll: whatever waits is its answer, sooner or later.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Poll(pub(super) Reply);

/// Takes the payload that answers a poll, or the refusal of it.
pub(super) type Reply = oneshot::Sender<Result<Bytes, HandshakeError>>;

/// A request begins to post packets. It may go on for as long as it is held.
#[derive(Message)]
#[rtype(result = "Result<Leashed, HandshakeError>")]
pub(super) struct Post;

/// A websocket offers to carry the session. The answer is the number of its trial, if it gets one.
#[derive(Message)]
#[rtype(result = "Option<TrialId>")]
pub(super) struct Offer {
    /// Where the session's frames go from the upgrade on.
    pub(super) sink: Sink,
    /// Holds the websocket's reader.
    pub(super) leash: Leash,
}

/// Tells a websocket on trial from one whose trial is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TrialId(pub(super) u32);

/// A packet of a websocket on trial, or its end.
#[derive(Message)]
#[rtype(result = "Verdict")]
pub(super) struct Tried {
    pub(super) trial: TrialId,
    /// Nothing when the websocket has ended.
    pub(super) packet: Option<Incoming>,
}

/// What else a session is told.
#[derive(Clone, Copy, Message)]
#[rtype(result = "()")]
pub(super) enum Signal {
    /// Its deadline has come.
    Tick,
    /// Its connection asked to be called.
    Wake,
    /// Its connection wants a heartbeat.
    Beat,
    /// Something waits for the poll that is parked.
    Ready,
    /// It is to end.
    Close(CloseReason),
    /// Its transport has ended.
    Gone(CloseReason),
    /// A polling request was given up before its answer.
    Cut,
    /// Everything queued has left.
    Flushed,
}
