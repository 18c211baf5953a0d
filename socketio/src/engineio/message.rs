//! Messages to a session, from its transports on any thread and from its own socket.

use std::time::Instant;

use actix::Message;
use tokio::sync::oneshot;

use super::{
    close_reason::CloseReason,
    encoded_packet::EncodedPacket,
    error::HandshakeError,
    frame::BinaryEncoding,
    machine::upgrade::UpgradeDecision,
    task_guard::{GuardedTask, TaskGuard},
    transport::{
        payload::PollPayload,
        websocket::{sink::WebSocketSink, wire::taken::DetachedConnection},
    },
};

/// A packet of the client has arrived. The transport waits for the answer before it reads on, which is the backpressure.
#[derive(Message)]
#[rtype(result = "Result<(), MalformedPacket>")]
pub(super) struct PacketReceived {
    pub(super) packet: EncodedPacket,
    pub(super) received_at: Instant,
}

impl PacketReceived {
    /// Creates the message for a packet that arrived now.
    pub(super) fn now(packet: EncodedPacket) -> Self {
        Self {
            packet,
            received_at: Instant::now(),
        }
    }
}

/// A packet was malformed or not allowed, and has closed the session.
#[derive(Clone, Copy, Debug)]
pub(super) struct MalformedPacket;

/// A poll. It is answered as soon as frames are queued.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct PollRequest(pub(super) PollReply);

/// The payload that answers a poll, or its refusal.
pub(super) type PollResult = Result<PollPayload, HandshakeError>;

/// Receives the response to a poll.
pub(super) type PollReply = oneshot::Sender<PollResult>;

/// A request begins to post packets. The session cancels the returned task when it ends.
#[derive(Message)]
#[rtype(result = "Result<GuardedTask, HandshakeError>")]
pub(super) struct BeginPost;

/// A websocket requests an upgrade from polling. The answer is the id of the attempt, if the session accepts it.
#[derive(Message)]
#[rtype(result = "Option<UpgradeId>")]
pub(super) struct OfferUpgrade {
    pub(super) writer: OfferedWriter,
    /// Guards the websocket's reader.
    pub(super) reader: TaskGuard,
}

/// Where the session's frames are written after the upgrade.
pub(super) enum OfferedWriter {
    /// To the sink of a connection that the HTTP server serves, on its thread.
    Sink(WebSocketSink),
    /// To the connection itself: it [moves](AdoptConnection) to the session's thread then.
    Connection,
}

/// The upgrade is completed, and the connection of its websocket moves to the session's thread.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct AdoptConnection {
    pub(super) connection: DetachedConnection,
    pub(super) binary: BinaryEncoding,
}

/// Identifies an upgrade attempt within its session, so that packets of an earlier attempt are rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct UpgradeId(pub(super) u32);

/// A packet of a websocket that requests an upgrade.
#[derive(Message)]
#[rtype(result = "UpgradeDecision")]
pub(super) struct UpgradePacket {
    pub(super) id: UpgradeId,
    /// `None` if the websocket has ended.
    pub(super) packet: Option<EncodedPacket>,
}

/// A notification for a session.
#[derive(Clone, Copy, Message)]
#[rtype(result = "()")]
pub(super) enum SessionSignal {
    /// The session's deadline has passed.
    Tick,
    /// The application requests a call of `on_wake`.
    Wake,
    /// The application requests a heartbeat.
    RequestHeartbeat,
    /// Frames are queued for the parked poll.
    FramesQueued,
    /// The session must close.
    Close(CloseReason),
    /// The transport has ended.
    TransportEnded(CloseReason),
    /// The client aborted a polling request before the response.
    RequestAborted,
    /// All queued frames were sent.
    Flushed,
}
