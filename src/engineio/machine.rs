//! The life of a session as a pure function: phase × input → phase + effects, with the time as an argument. The
//! [upgrade] from one transport to another stands beside it.
//!
//! The heartbeat of Engine.IO 4 belongs to the server: after `ping_interval` without one it sends a ping, and a
//! client that has not answered with a pong within `ping_timeout` is gone. A close has two steps: the application is
//! told at once, and what is queued may leave for a little longer where the close is orderly. A client that polls
//! learns of a close by its next poll, which is waited for longer.

use std::time::{Duration, Instant};

use bytes::Bytes;
use engineioxide_core::{Packet, Str, TransportType};
use smallvec::{SmallVec, smallvec};

use super::{config::Config, error::CloseReason};

mod upgrade;

pub(super) use upgrade::{Due, Trial, Verdict};

/// For how long what is queued may still leave over a websocket after an orderly close.
const LINGER: Duration = Duration::from_secs(5);
/// For how long a client is told by its next poll that the server has closed the session.
const POLL_LINGER: Duration = Duration::from_secs(30);

/// Where a session stands. It begins with [`Phase::open`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing is owed by the client; the next ping leaves at `ping_at`.
    Quiet { ping_at: Instant },
    /// A ping is out.
    Pinged { pong_by: Instant },
    /// The end is decided and told; what is queued may leave until `until`.
    Closing { until: Instant },
    /// Nothing is left.
    Closed,
}

/// When and where a step is taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment<'a> {
    pub(super) now: Instant,
    /// What carries the session.
    pub(super) transport: TransportType,
    pub(super) config: &'a Config,
}

/// What can happen to a session.
#[derive(Clone, Debug)]
pub(super) enum Input {
    /// The client sent a packet.
    Packet(Packet),
    /// The client sent what is no packet.
    Malformed,
    /// Time has passed.
    Tick,
    /// The server side wants a heartbeat before the next one is due.
    Beat,
    /// The server side wants an end.
    Close(CloseReason),
    /// The transport has ended and brings nothing more.
    Gone(CloseReason),
    /// Everything that was queued has left, and the farewell behind it.
    Flushed,
}

/// What is to be done about it, in order.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Effect {
    /// Send this to the client.
    Send(Packet),
    /// Hand the application a text message.
    Text(Str),
    /// Hand the application a binary message.
    Binary(Bytes),
    /// Tell the application that the client has answered the last ping.
    Answered,
    /// Tell the application that the session is over, and let the outbox run out.
    End(CloseReason),
    /// Free everything; nothing comes after this.
    Release,
}

pub(super) type Effects = SmallVec<[Effect; 2]>;

impl Phase {
    /// A session that opens now.
    pub(super) fn open(now: Instant, config: &Config) -> Self {
        Self::Quiet {
            ping_at: now + config.ping_interval,
        }
    }

    /// When it wants to hear [`Input::Tick`] at the latest.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match *self {
            Self::Quiet { ping_at: at }
            | Self::Pinged { pong_by: at }
            | Self::Closing { until: at } => Some(at),
            Self::Closed => None,
        }
    }

    /// Whether the session still takes and sends messages.
    pub(super) fn is_alive(&self) -> bool {
        match self {
            Self::Quiet { .. } | Self::Pinged { .. } => true,
            Self::Closing { .. } | Self::Closed => false,
        }
    }

    /// One step.
    pub(super) fn step(self, input: Input, moment: Moment<'_>) -> (Self, Effects) {
        let now = moment.now;
        match (self, input) {
            (phase @ (Self::Quiet { .. } | Self::Pinged { .. }), Input::Packet(packet)) => {
                phase.receive(packet, moment)
            }
            (Self::Quiet { .. } | Self::Pinged { .. }, Input::Malformed) => {
                Self::end(CloseReason::ParseError, moment)
            }
            (Self::Quiet { ping_at }, Input::Tick) if ping_at <= now => {
                // The client's time runs from when the ping was due. What the server is late itself, it does not
                // charge to the client beyond half of that time.
                let timeout = moment.config.ping_timeout;
                let pong_by = (ping_at + timeout).max(now + timeout / 2);
                (
                    Self::Pinged { pong_by },
                    smallvec![Effect::Send(Packet::Ping)],
                )
            }
            (Self::Quiet { .. }, Input::Beat) => {
                let pong_by = now + moment.config.ping_timeout;
                let ping = Effect::Send(Packet::Ping);
                (Self::Pinged { pong_by }, smallvec![ping])
            }
            (Self::Pinged { pong_by }, Input::Tick) if pong_by <= now => {
                Self::end(CloseReason::PingTimeout, moment)
            }
            (Self::Quiet { .. } | Self::Pinged { .. }, Input::Close(reason)) => {
                Self::end(reason, moment)
            }
            (Self::Quiet { .. } | Self::Pinged { .. }, Input::Gone(reason)) => (
                Self::Closed,
                smallvec![Effect::End(reason), Effect::Release],
            ),
            (Self::Closing { until }, Input::Tick) if until <= now => {
                (Self::Closed, smallvec![Effect::Release])
            }
            (Self::Closing { .. }, Input::Gone(_) | Input::Flushed) => {
                (Self::Closed, smallvec![Effect::Release])
            }
            // Early ticks, and whatever comes after the end.
            (phase @ (Self::Quiet { .. } | Self::Pinged { .. }), Input::Tick | Input::Flushed)
            | (phase @ Self::Pinged { .. }, Input::Beat)
            | (
                phase @ Self::Closing { .. },
                Input::Packet(_) | Input::Malformed | Input::Tick | Input::Beat | Input::Close(_),
            )
            | (
                phase @ Self::Closed,
                Input::Packet(_)
                | Input::Malformed
                | Input::Tick
                | Input::Beat
                | Input::Close(_)
                | Input::Gone(_)
                | Input::Flushed,
            ) => (phase, Effects::new()),
        }
    }

    /// A packet of a client whose session is alive.
    fn receive(self, packet: Packet, moment: Moment<'_>) -> (Self, Effects) {
        match packet {
            Packet::Message(text) => (self, smallvec![Effect::Text(text)]),
            Packet::Binary(bytes) => (self, smallvec![Effect::Binary(bytes)]),
            Packet::Pong | Packet::PongUpgrade => match self {
                Self::Pinged { .. } => (
                    Self::Quiet {
                        ping_at: moment.now + moment.config.ping_interval,
                    },
                    smallvec![Effect::Answered],
                ),
                // A pong that nobody asked for keeps nobody alive: the next ping is due as before.
                Self::Quiet { .. } | Self::Closing { .. } | Self::Closed => (self, Effects::new()),
            },
            Packet::Close => (
                Self::Closed,
                smallvec![Effect::End(CloseReason::TransportClose), Effect::Release],
            ),
            // Words of the upgrade that arrive where there is nothing to upgrade: without meaning, without harm.
            Packet::Upgrade | Packet::Noop => (self, Effects::new()),
            // The server's words in the client's mouth.
            Packet::Open(_) | Packet::Ping | Packet::PingUpgrade | Packet::BinaryV3(_) => {
                Self::end(CloseReason::ParseError, moment)
            }
        }
    }

    fn end(reason: CloseReason, moment: Moment<'_>) -> (Self, Effects) {
        let linger = match moment.transport {
            TransportType::Polling => reason.is_the_servers().then_some(POLL_LINGER),
            TransportType::Websocket => reason
                .is_orderly()
                .then_some(moment.config.ping_timeout.min(LINGER)),
        };
        match linger {
            Some(linger) => {
                let until = moment.now + linger;
                (Self::Closing { until }, smallvec![Effect::End(reason)])
            }
            None => (
                Self::Closed,
                smallvec![Effect::End(reason), Effect::Release],
            ),
        }
    }
}

#[cfg(test)]
mod tests;
