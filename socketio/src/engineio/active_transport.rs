//! The transport of a session and what the session holds of it: polling, polling with an upgrade in progress, or a
//! websocket. An upgrade turns polling into a websocket; no other change is possible.

use std::time::{Duration, Instant};

use engineioxide_core::TransportType;

use super::{
    address::SignalSender,
    frame::BinaryEncoding,
    machine::upgrade::{DueUpgradeAction, UpgradeAttempt, UpgradeDecision},
    message::{OfferUpgrade, OfferedWriter, UpgradeId, UpgradePacket},
    polling_state::PollingState,
    socket::SessionSocket,
    task_guard::TaskGuard,
    transport::websocket::writer::spawn_writer,
};

/// The transport of a session.
pub(super) enum ActiveTransport {
    /// Boxed, because most sessions have a websocket.
    Polling(Box<PollingTransport>),
    WebSocket {
        _reader: TaskGuard,
    },
}

/// The polling requests of a session, and its upgrade.
pub(super) struct PollingTransport {
    polling: PollingState,
    candidate: Option<UpgradeCandidate>,
    /// The number of upgrade attempts so far.
    attempts: u32,
}

/// A websocket with an upgrade attempt. Dropping it closes the websocket.
pub(super) struct UpgradeCandidate {
    id: UpgradeId,
    attempt: UpgradeAttempt,
    writer: OfferedWriter,
    reader: TaskGuard,
}

impl ActiveTransport {
    /// Creates the transport of a session that polls. `signals` receives a signal when frames are queued;
    /// `binary` is how payloads contain binary messages.
    pub(super) fn polling(signals: SignalSender, binary: BinaryEncoding) -> Self {
        Self::Polling(Box::new(PollingTransport {
            polling: PollingState::new(signals, binary),
            candidate: None,
            attempts: 0,
        }))
    }

    /// Returns the type of the transport.
    pub(super) fn kind(&self) -> TransportType {
        match self {
            Self::Polling(_) => TransportType::Polling,
            Self::WebSocket { .. } => TransportType::Websocket,
        }
    }

    /// Returns the polling requests if the transport is polling.
    pub(super) fn polling_mut(&mut self) -> Option<&mut PollingState> {
        match self {
            Self::Polling(transport) => Some(&mut transport.polling),
            Self::WebSocket { .. } => None,
        }
    }

    fn as_polling(&mut self) -> Option<&mut PollingTransport> {
        match self {
            Self::Polling(transport) => Some(transport),
            Self::WebSocket { .. } => None,
        }
    }

    /// Returns when [`perform_due_action`](ActiveTransport::perform_due_action) must be called next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Polling(transport) => transport
                .candidate
                .as_ref()
                .map(|candidate| candidate.attempt.deadline()),
            Self::WebSocket { .. } => None,
        }
    }

    /// Starts an upgrade attempt, unless another one is in progress or the transport is a websocket already.
    pub(super) fn begin_upgrade(
        &mut self,
        offer: OfferUpgrade,
        now: Instant,
        timeout: Duration,
    ) -> Option<UpgradeId> {
        let PollingTransport {
            candidate: candidate @ None,
            attempts,
            ..
        } = self.as_polling()?
        else {
            return None;
        };
        *attempts = attempts.wrapping_add(1);
        let id = UpgradeId(*attempts);
        *candidate = Some(UpgradeCandidate {
            id,
            attempt: UpgradeAttempt::new(now, timeout),
            writer: offer.writer,
            reader: offer.reader,
        });
        Some(id)
    }

    /// Handles a packet of an upgrade attempt. When the upgrade completes, the websocket writer of `socket` starts.
    pub(super) fn receive_upgrade_packet(
        &mut self,
        message: UpgradePacket,
        now: Instant,
        socket: &SessionSocket,
    ) -> UpgradeDecision {
        let Some(transport) = self.as_polling() else {
            return UpgradeDecision::Reject;
        };
        let PollingTransport {
            polling, candidate, ..
        } = transport;
        let Some(mut current) = candidate.take_if(|candidate| candidate.id == message.id) else {
            return UpgradeDecision::Reject;
        };
        let packet = message
            .packet
            .and_then(|packet| packet.decode(socket.version()));
        let decision = current.attempt.receive(packet.as_ref(), now);
        match decision {
            UpgradeDecision::AnswerProbe => {
                polling.release_poll();
                *candidate = Some(current);
            }
            UpgradeDecision::Complete => {
                // The client completes the upgrade after the response to its last poll, so a poll that is parked now is
                // too late.
                polling.refuse_poll();
                match current.writer {
                    OfferedWriter::Sink(sink) => spawn_writer(socket.clone(), sink),
                    OfferedWriter::Connection => {}
                }
                *self = Self::WebSocket {
                    _reader: current.reader,
                };
            }
            UpgradeDecision::Reject => {}
        }
        decision
    }

    /// Replaces the task that reads the websocket: its connection has moved to the session's thread.
    pub(super) fn set_reader(&mut self, reader: TaskGuard) {
        *self = Self::WebSocket { _reader: reader };
    }

    /// Performs the action of the upgrade attempt that is due now.
    pub(super) fn perform_due_action(&mut self, now: Instant) {
        let Some(transport) = self.as_polling() else {
            return;
        };
        let PollingTransport {
            polling, candidate, ..
        } = transport;
        let Some(current) = candidate else { return };
        match current.attempt.due_action(now) {
            DueUpgradeAction::ReleasePoll => polling.release_poll(),
            DueUpgradeAction::Abandon => *candidate = None,
            DueUpgradeAction::Wait => {}
        }
    }
}
