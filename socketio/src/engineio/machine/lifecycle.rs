//! The lifecycle of a session: phase × input → phase + effects.
//!
//! In Engine.IO 4 the server sends the pings: one after each `ping_interval`, and a client that does not answer with a
//! pong within `ping_timeout` is disconnected. In Engine.IO 3 the client sends them, and the server answers; a client that sends none
//! for the sum of both times is disconnected. A close has two steps: the application is notified at once, and after an
//! orderly close queued frames may still be sent for a short time. A polling client receives them by its next poll, for
//! which the session waits longer.

use std::time::{Duration, Instant};

use bytes::Bytes;
use engineioxide_core::{Packet, ProtocolVersion, Str, TransportType};
use smallvec::{SmallVec, smallvec};

use crate::engineio::{close_reason::CloseReason, config::EngineConfig};

/// Time for sending queued frames over a websocket after an orderly close.
const WEBSOCKET_LINGER: Duration = Duration::from_secs(5);
/// Time in which a polling client can fetch the queued frames after the server has closed the session.
const POLLING_LINGER: Duration = Duration::from_secs(30);

/// The state of a session. A session starts with [`SessionPhase::open`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engineio) enum SessionPhase {
    /// No ping is unanswered; the next ping is due at `ping_at`.
    Idle { ping_at: Instant },
    /// A ping was sent and must be answered by `pong_by`.
    AwaitingPong { pong_by: Instant },
    /// Version 3: the client must send its next ping by `ping_by`.
    AwaitingPing { ping_by: Instant },
    /// The application is notified of the close; queued frames may be sent until `until`.
    Closing { until: Instant },
    /// The session is released.
    Closed,
}

/// The circumstances of a step.
#[derive(Clone, Copy, Debug)]
pub(in crate::engineio) struct StepContext<'a> {
    pub(in crate::engineio) now: Instant,
    /// The active transport of the session.
    pub(in crate::engineio) transport: TransportType,
    pub(in crate::engineio) config: &'a EngineConfig,
}

/// An input of the state machine.
#[derive(Clone, Debug)]
pub(in crate::engineio) enum SessionInput {
    /// The client sent a packet.
    Packet(Packet),
    /// The client sent bytes that are no packet.
    Malformed,
    /// Time has passed.
    Tick,
    /// The application requests a heartbeat before the next one is due.
    RequestHeartbeat,
    /// The server side closes the session.
    Close(CloseReason),
    /// The transport has ended and delivers no more packets.
    TransportEnded(CloseReason),
    /// All queued frames and the close frame were sent.
    Flushed,
}

/// An effect that the session must perform. Effects are performed in order.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::engineio) enum SessionEffect {
    /// Send this packet to the client.
    Send(Packet),
    /// Pass a text message to the application.
    DeliverText(Str),
    /// Pass a binary message to the application.
    DeliverBinary(Bytes),
    /// Answer the ping of a client of version 3.
    AnswerPing,
    /// Notify the application that the client has answered the last ping.
    NotifyPong,
    /// Notify the application that the session is closed, and finish the outbox.
    Close(CloseReason),
    /// Free all resources; no effect follows.
    Release,
}

pub(in crate::engineio) type SessionEffects = SmallVec<[SessionEffect; 2]>;

impl SessionPhase {
    /// Returns the phase of a session that opens now.
    pub(in crate::engineio) fn open(
        version: ProtocolVersion,
        now: Instant,
        config: &EngineConfig,
    ) -> Self {
        match version {
            ProtocolVersion::V4 => Self::Idle {
                ping_at: now + config.ping_interval,
            },
            ProtocolVersion::V3 => Self::await_ping(now, config),
        }
    }

    /// Returns the phase of a session of version 3 whose client has just opened it or sent a ping.
    fn await_ping(now: Instant, config: &EngineConfig) -> Self {
        Self::AwaitingPing {
            ping_by: now + config.ping_interval + config.ping_timeout,
        }
    }

    /// Returns when the machine needs the next [`SessionInput::Tick`].
    pub(in crate::engineio) fn deadline(&self) -> Option<Instant> {
        match *self {
            Self::Idle { ping_at: at }
            | Self::AwaitingPong { pong_by: at }
            | Self::AwaitingPing { ping_by: at }
            | Self::Closing { until: at } => Some(at),
            Self::Closed => None,
        }
    }

    /// Returns whether the session still receives and sends messages.
    pub(in crate::engineio) fn is_open(&self) -> bool {
        match self {
            Self::Idle { .. } | Self::AwaitingPong { .. } | Self::AwaitingPing { .. } => true,
            Self::Closing { .. } | Self::Closed => false,
        }
    }

    /// Returns whether the session expects this packet.
    pub(in crate::engineio) fn awaits(&self, packet: &Packet) -> bool {
        match self {
            Self::AwaitingPong { .. } => matches!(packet, Packet::Pong),
            // Each ping of a client is counted, because it may send any number of them.
            Self::Idle { .. } | Self::AwaitingPing { .. } | Self::Closing { .. } | Self::Closed => {
                false
            }
        }
    }

    /// Applies an input and returns the effects to perform.
    pub(in crate::engineio) fn step(
        &mut self,
        input: SessionInput,
        context: StepContext<'_>,
    ) -> SessionEffects {
        let (next, effects) = self.transition(input, context);
        *self = next;
        effects
    }

    fn transition(self, input: SessionInput, context: StepContext<'_>) -> (Self, SessionEffects) {
        let now = context.now;
        match (self, input) {
            (
                phase @ (Self::Idle { .. } | Self::AwaitingPong { .. } | Self::AwaitingPing { .. }),
                SessionInput::Packet(packet),
            ) => phase.receive(packet, context),
            (
                Self::Idle { .. } | Self::AwaitingPong { .. } | Self::AwaitingPing { .. },
                SessionInput::Malformed,
            ) => Self::close(CloseReason::ParseError, context),
            (Self::Idle { ping_at }, SessionInput::Tick) if ping_at <= now => {
                // The client's time starts when the ping was due. If the server is late, the client still gets at
                // least half of the timeout.
                let timeout = context.config.ping_timeout;
                let pong_by = (ping_at + timeout).max(now + timeout / 2);
                Self::send_ping(pong_by)
            }
            (Self::Idle { .. }, SessionInput::RequestHeartbeat) => {
                Self::send_ping(now + context.config.ping_timeout)
            }
            (
                Self::AwaitingPong { pong_by: by } | Self::AwaitingPing { ping_by: by },
                SessionInput::Tick,
            ) if by <= now => Self::close(CloseReason::PingTimeout, context),
            (
                Self::Idle { .. } | Self::AwaitingPong { .. } | Self::AwaitingPing { .. },
                SessionInput::Close(reason),
            ) => Self::close(reason, context),
            (
                Self::Idle { .. } | Self::AwaitingPong { .. } | Self::AwaitingPing { .. },
                SessionInput::TransportEnded(reason),
            ) => Self::release(reason),
            (Self::Closing { until }, SessionInput::Tick) if until <= now => {
                (Self::Closed, smallvec![SessionEffect::Release])
            }
            (Self::Closing { .. }, SessionInput::TransportEnded(_) | SessionInput::Flushed) => {
                (Self::Closed, smallvec![SessionEffect::Release])
            }
            // Early ticks, and inputs after the close.
            (
                phase @ (Self::Idle { .. } | Self::AwaitingPong { .. } | Self::AwaitingPing { .. }),
                SessionInput::Tick | SessionInput::Flushed,
            )
            | (
                phase @ (Self::AwaitingPong { .. } | Self::AwaitingPing { .. }),
                SessionInput::RequestHeartbeat,
            )
            | (
                phase @ Self::Closing { .. },
                SessionInput::Packet(_)
                | SessionInput::Malformed
                | SessionInput::Tick
                | SessionInput::RequestHeartbeat
                | SessionInput::Close(_),
            )
            | (
                phase @ Self::Closed,
                SessionInput::Packet(_)
                | SessionInput::Malformed
                | SessionInput::Tick
                | SessionInput::RequestHeartbeat
                | SessionInput::Close(_)
                | SessionInput::TransportEnded(_)
                | SessionInput::Flushed,
            ) => (phase, SessionEffects::new()),
        }
    }

    /// Handles a packet of a session that is open.
    fn receive(self, packet: Packet, context: StepContext<'_>) -> (Self, SessionEffects) {
        match packet {
            Packet::Message(text) => (self, smallvec![SessionEffect::DeliverText(text)]),
            Packet::Binary(bytes) | Packet::BinaryV3(bytes) => {
                (self, smallvec![SessionEffect::DeliverBinary(bytes)])
            }
            Packet::Pong | Packet::PongUpgrade => match self {
                Self::AwaitingPong { .. } => (
                    Self::Idle {
                        ping_at: context.now + context.config.ping_interval,
                    },
                    smallvec![SessionEffect::NotifyPong],
                ),
                // The server sends no pings to a client of version 3.
                Self::AwaitingPing { .. } => Self::close(CloseReason::ParseError, context),
                // An unsolicited pong does not extend the session: the next ping is due as before.
                Self::Idle { .. } | Self::Closing { .. } | Self::Closed => {
                    (self, SessionEffects::new())
                }
            },
            Packet::Close => Self::release(CloseReason::TransportClose),
            // Upgrade packets without an upgrade in progress have no effect.
            Packet::Upgrade | Packet::Noop => (self, SessionEffects::new()),
            Packet::Ping | Packet::PingUpgrade => match self {
                Self::AwaitingPing { .. } => (
                    Self::await_ping(context.now, context.config),
                    smallvec![SessionEffect::AnswerPing],
                ),
                // In version 4, only the server sends pings.
                Self::Idle { .. }
                | Self::AwaitingPong { .. }
                | Self::Closing { .. }
                | Self::Closed => Self::close(CloseReason::ParseError, context),
            },
            // Only a server sends this packet.
            Packet::Open(_) => Self::close(CloseReason::ParseError, context),
        }
    }

    fn send_ping(pong_by: Instant) -> (Self, SessionEffects) {
        let ping = SessionEffect::Send(Packet::Ping);
        (Self::AwaitingPong { pong_by }, smallvec![ping])
    }

    /// Closes the session; queued frames may still be sent where the reason and the transport allow it.
    fn close(reason: CloseReason, context: StepContext<'_>) -> (Self, SessionEffects) {
        let linger = match context.transport {
            TransportType::Polling => reason.is_server_initiated().then_some(POLLING_LINGER),
            TransportType::Websocket => reason
                .is_orderly()
                .then_some(context.config.ping_timeout.min(WEBSOCKET_LINGER)),
        };
        match linger {
            Some(linger) => {
                let until = context.now + linger;
                (
                    Self::Closing { until },
                    smallvec![SessionEffect::Close(reason)],
                )
            }
            None => Self::release(reason),
        }
    }

    /// Closes the session and releases it at once.
    fn release(reason: CloseReason) -> (Self, SessionEffects) {
        (
            Self::Closed,
            smallvec![SessionEffect::Close(reason), SessionEffect::Release],
        )
    }
}
