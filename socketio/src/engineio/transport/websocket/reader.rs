//! Reads a websocket and forwards each message to its session. The reader waits until the session has handled a message
//! before it reads the next one.
//!
//! A websocket that requests an upgrade from polling often arrives on another worker thread than its session's. Its
//! reader stays on that thread and uses the session's address; the writer starts on the thread of the outbox.

use std::{io::ErrorKind, pin::pin, str::Utf8Error};

use actix::Recipient;
use actix_web::error::PayloadError;
use actix_ws::{Message, ProtocolError};
use bytes::Bytes;
use engineioxide_core::{Packet, Str};

use super::{
    fragments::{CompleteMessage, FragmentAssembler},
    sink::close_frame,
    stream::{WebSocketClosed, WebSocketStream},
    wire::taken::TakenConnection,
};
use crate::engineio::{
    address::SessionAddress,
    close_reason::CloseReason,
    encoded_packet::EncodedPacket,
    machine::upgrade::UpgradeDecision,
    message::{
        AdoptConnection, MalformedPacket, OfferUpgrade, PacketReceived, SessionSignal, UpgradeId,
        UpgradePacket,
    },
    task_guard::{GuardedTask, task_guard},
};

/// The close reason of a websocket whose upgrade was refused or not completed.
const NOT_UPGRADED: CloseReason = CloseReason::Application("not upgraded");

/// Reads the messages of one websocket.
pub(super) struct WebSocketReader {
    /// Sends websocket pongs and answers close frames, too; the session does not see either.
    stream: WebSocketStream,
    fragments: FragmentAssembler,
    address: SessionAddress,
    packets: Recipient<PacketReceived>,
}

/// The result of an upgrade attempt.
enum UpgradeOutcome {
    Completed,
    Rejected,
}

impl WebSocketReader {
    pub(super) fn new(
        stream: WebSocketStream,
        max_message: usize,
        address: SessionAddress,
    ) -> Self {
        let packets = address.packets();
        Self {
            stream,
            fragments: FragmentAssembler::new(max_message),
            address,
            packets,
        }
    }

    /// Forwards messages until the websocket ends or the session drops the guard.
    pub(super) async fn serve(&mut self, task: &mut GuardedTask) {
        let ended = {
            let messages = pin!(self.forward_messages());
            task.run(messages).await
        };
        if let Some(reason) = ended {
            let ended = SessionSignal::TransportEnded(reason);
            let _session_ended = self.address.signals().send(ended).await;
        }
    }

    /// Offers the websocket to the session, and serves it after the upgrade.
    pub(super) async fn upgrade(mut self) {
        let (guard, mut task) = task_guard();
        let offer = OfferUpgrade {
            writer: self.stream.offered_writer(),
            reader: guard,
        };
        if let Ok(Some(id)) = self.address.upgrade_offers().send(offer).await {
            let outcome = {
                let attempt = pin!(self.attempt_upgrade(id));
                task.run(attempt).await
            };
            if let Some(UpgradeOutcome::Completed) = outcome {
                return self.serve_upgraded(task).await;
            }
        }
        self.stream.try_close(Some(close_frame(NOT_UPGRADED)));
    }

    /// Serves the websocket after the upgrade: here, or on the session's thread.
    async fn serve_upgraded(mut self, mut task: GuardedTask) {
        let (stream, binary) = match self.stream {
            WebSocketStream::Served(_) => return self.serve(&mut task).await,
            WebSocketStream::Wire { stream, binary } => (stream, binary),
        };
        let detached = stream.into_connection().map(TakenConnection::detach);
        if let Some(Ok(connection)) = detached {
            let adopt = AdoptConnection { connection, binary };
            let _session_ended = self.address.adoptions().send(adopt).await;
        } else {
            let ended = SessionSignal::TransportEnded(CloseReason::TransportError);
            let _session_ended = self.address.signals().send(ended).await;
        }
    }

    /// Forwards packets to the session until the upgrade is completed or rejected.
    async fn attempt_upgrade(&mut self, id: UpgradeId) -> UpgradeOutcome {
        let upgrade_packets = self.address.upgrade_packets();
        loop {
            let packet = self.read_message().await.ok();
            match upgrade_packets.send(UpgradePacket { id, packet }).await {
                Ok(UpgradeDecision::AnswerProbe) => {
                    let pong = String::from(Packet::PongUpgrade);
                    if self.stream.send_text(pong).await.is_err() {
                        return UpgradeOutcome::Rejected;
                    }
                }
                Ok(UpgradeDecision::Complete) => return UpgradeOutcome::Completed,
                Ok(UpgradeDecision::Reject) | Err(_) => return UpgradeOutcome::Rejected,
            }
        }
    }

    /// Forwards messages until the websocket ends, and returns the reason.
    async fn forward_messages(&mut self) -> CloseReason {
        loop {
            let packet = match self.read_message().await {
                Ok(packet) => packet,
                Err(reason) => return reason,
            };
            // The session itself closes after a malformed packet.
            if self
                .packets
                .send(PacketReceived::now(packet))
                .await
                .is_err()
            {
                return CloseReason::TransportClose;
            }
        }
    }

    /// Answers a websocket ping.
    async fn answer_ping(&mut self, ping: Bytes) -> Result<(), CloseReason> {
        self.count(ping.len()).await?;
        let answered = self.stream.send_pong(ping).await;
        answered.map_err(|WebSocketClosed| CloseReason::TransportClose)
    }

    /// Reports a frame without a packet to the session, which counts it.
    async fn count(&self, bytes: usize) -> Result<(), CloseReason> {
        let counted = PacketReceived::now(EncodedPacket::Counted(bytes));
        match self.packets.send(counted).await {
            Ok(Ok(()) | Err(MalformedPacket)) => Ok(()),
            Err(_) => Err(CloseReason::TransportClose),
        }
    }

    /// Returns the next complete message, or the reason why there is none.
    async fn read_message(&mut self) -> Result<EncodedPacket, CloseReason> {
        loop {
            let message = match self.stream.recv().await {
                Some(Ok(message)) => message,
                Some(Err(error)) => return Err(close_reason(&error)),
                None => return Err(CloseReason::TransportClose),
            };
            match message {
                // A copy, because the original is a slice of the read buffer.
                Message::Text(text) => return Ok(EncodedPacket::Text(Str::copy_from_slice(&text))),
                Message::Binary(bytes) => return Ok(EncodedPacket::Binary(bytes)),
                Message::Continuation(item) => match self.fragments.add(item) {
                    Ok(None) if self.fragments.completes_a_packet() => {
                        Box::pin(self.count(0)).await?;
                    }
                    Ok(None) => {}
                    Ok(Some(CompleteMessage::Binary(bytes))) => {
                        return Ok(EncodedPacket::Binary(bytes));
                    }
                    Ok(Some(CompleteMessage::Text(bytes))) => {
                        return match String::from_utf8(bytes.into()) {
                            Ok(text) => Ok(EncodedPacket::Text(Str::from(text))),
                            Err(_) => Err(CloseReason::InvalidText),
                        };
                    }
                    Err(_too_large) => return Err(CloseReason::TooLarge),
                },
                Message::Ping(bytes) => Box::pin(self.answer_ping(bytes)).await?,
                Message::Pong(bytes) => Box::pin(self.count(bytes.len())).await?,
                Message::Nop => {}
                Message::Close(close_frame) => {
                    self.stream.try_close(close_frame);
                    return Err(CloseReason::TransportClose);
                }
            }
        }
    }
}

/// Returns the close reason of a websocket error: the violated rule, or a network failure.
fn close_reason(error: &ProtocolError) -> CloseReason {
    match error {
        ProtocolError::Overflow => CloseReason::TooLarge,
        ProtocolError::Io(error) => match error.get_ref() {
            Some(inner) if inner.is::<Utf8Error>() => CloseReason::InvalidText,
            Some(inner) if inner.is::<PayloadError>() => match inner.downcast_ref() {
                Some(PayloadError::Overflow) => CloseReason::TooLarge,
                Some(PayloadError::Io(error)) if error.kind() == ErrorKind::InvalidData => {
                    CloseReason::TransportError
                }
                Some(_) | None => CloseReason::TransportClose,
            },
            Some(_) | None => CloseReason::TransportError,
        },
        ProtocolError::UnmaskedFrame
        | ProtocolError::MaskedFrame
        | ProtocolError::InvalidOpcode(_)
        | ProtocolError::InvalidLength(_)
        | ProtocolError::BadOpCode
        | ProtocolError::ContinuationNotStarted
        | ProtocolError::ContinuationStarted
        | ProtocolError::ContinuationFragment(_) => CloseReason::TransportError,
    }
}
