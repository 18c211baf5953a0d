//! What carries a session, and what the session holds of it: polls, polls with a websocket on trial beside them, or
//! a websocket. Only the first become the last, by an upgrade.

use std::time::{Duration, Instant};

use actix::Addr;
use engineioxide_core::{ProtocolVersion, TransportType};

use super::{
    leash::Leash,
    machine::{Due, Trial, Verdict},
    message::{Offer, TrialId, Tried},
    polls::Polls,
    session::Session,
    socket::Socket,
    transport::{Sink, websocket},
};

pub(super) enum Carrier {
    Polling {
        polls: Polls,
        candidate: Option<Box<Candidate>>,
        /// How many websockets have had a trial.
        trials: u32,
    },
    WebSocket {
        _reader: Leash,
    },
}

/// A websocket that may take over from polling. Dropping it closes the websocket.
pub(super) struct Candidate {
    id: TrialId,
    trial: Trial,
    sink: Sink,
    reader: Leash,
}

impl Carrier {
    /// Polls, of which something that waits is told to `session`.
    pub(super) fn polling(session: Addr<Session>) -> Self {
        Self::Polling {
            polls: Polls::of(session),
            candidate: None,
            trials: 0,
        }
    }

    pub(super) fn transport(&self) -> TransportType {
        match self {
            Self::Polling { .. } => TransportType::Polling,
            Self::WebSocket { .. } => TransportType::Websocket,
        }
    }

    /// The polls, if it is polls.
    pub(super) fn polls(&mut self) -> Option<&mut Polls> {
        match self {
            Self::Polling { polls, .. } => Some(polls),
            Self::WebSocket { .. } => None,
        }
    }

    /// When it wants to be asked what is [due](Carrier::on_time).
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Polling { candidate, .. } => candidate.as_ref().map(|one| one.trial.deadline()),
            Self::WebSocket { .. } => None,
        }
    }

    /// Gives a websocket its trial, if there is something to upgrade and no other is tried.
    pub(super) fn try_out(
        &mut self,
        offer: Offer,
        now: Instant,
        timeout: Duration,
    ) -> Option<TrialId> {
        match self {
            Self::Polling {
                candidate: candidate @ None,
                trials,
                ..
            } => {
                *trials = trials.wrapping_add(1);
                let id = TrialId(*trials);
                *candidate = Some(Box::new(Candidate {
                    id,
                    trial: Trial::begin(now, timeout),
                    sink: offer.sink,
                    reader: offer.leash,
                }));
                Some(id)
            }
            Self::Polling { .. } | Self::WebSocket { .. } => None,
        }
    }

    /// What comes of a packet of a websocket on trial. At the upgrade the pump of `socket` turns to it.
    pub(super) fn judge(
        &mut self,
        tried: Tried,
        version: ProtocolVersion,
        now: Instant,
        socket: &Socket,
    ) -> Verdict {
        let Self::Polling {
            polls, candidate, ..
        } = self
        else {
            return Verdict::Refused;
        };
        let Some(mut tested) = candidate.take_if(|one| one.id == tried.trial) else {
            return Verdict::Refused;
        };
        let packet = tried.packet.and_then(|packet| packet.decode(version));
        let verdict = tested.trial.hear(packet.as_ref(), now);
        match verdict {
            Verdict::Probed => {
                polls.release();
                *candidate = Some(tested);
            }
            Verdict::Upgraded => {
                // The client has let its last poll come back before it says so. One that waits now came too late.
                polls.turn_away();
                websocket::drain(socket.clone(), tested.sink);
                *self = Self::WebSocket {
                    _reader: tested.reader,
                };
            }
            Verdict::Refused => {}
        }
        verdict
    }

    /// Does what is due at this time.
    pub(super) fn on_time(&mut self, now: Instant) {
        let Self::Polling {
            polls, candidate, ..
        } = self
        else {
            return;
        };
        match candidate.as_mut().map(|one| one.trial.due(now)) {
            Some(Due::Release) => polls.release(),
            Some(Due::GiveUp) => *candidate = None,
            Some(Due::Nothing) | None => {}
        }
    }
}
