//! Metering: the application decides how much one client may send.

use crate::engineio::CloseReason;

/// Decides how much one client may send. Each session has a meter of its own, from
/// [`SocketIo::meter`](crate::SocketIo::meter).
///
/// Every packet is counted before its content is read: the packets of Socket.IO, each binary attachment, the packets of
/// Engine.IO, the pings and pongs of a websocket, and every 16 fragments of a websocket message. What the protocols require
/// of every client is not counted: its first
/// CONNECT, its answers to heartbeats, and the upgrade.
pub trait PacketMeter {
    /// Counts a packet of `bytes` bytes and decides what happens to it.
    fn count(&mut self, bytes: usize) -> MeterDecision;
}

/// What happens to a packet that was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MeterDecision {
    /// The packet is handled.
    Accept,
    /// The packet is refused. An event is passed to
    /// [`on_refused_event`](crate::SocketHandler::on_refused_event), and a CONNECT is answered by
    /// [`refuse_connect`](crate::Namespace::refuse_connect). A DISCONNECT and an acknowledgement that the server requested
    /// are processed all the same, because a client cannot repeat them without limit.
    Refuse,
    /// The session is closed for this reason. The packet is not handled.
    Close(CloseReason),
}

/// The meter of a server without one: it accepts everything.
pub(crate) struct Unmetered;

impl PacketMeter for Unmetered {
    fn count(&mut self, _bytes: usize) -> MeterDecision {
        MeterDecision::Accept
    }
}
