//! How the session actor handles each message of its transports, its socket and the timer.

use std::time::Instant;

use actix::{AsyncContext, Handler, MessageResult};
use engineioxide_core::TransportType;

use super::actor::SessionActor;
use crate::engineio::{
    address::SessionAddress,
    close_reason::CloseReason,
    error::HandshakeError,
    machine::{lifecycle::SessionInput, upgrade::UpgradeDecision},
    message::{
        AdoptConnection, BeginPost, MalformedPacket, OfferUpgrade, PacketReceived, PollRequest,
        SessionSignal, UpgradeId, UpgradePacket,
    },
    observer::MessageTimer,
    task_guard::GuardedTask,
    transport::websocket::{
        WebSocketOptions,
        wire::serve::{ServedSession, serve},
    },
};

impl Handler<PacketReceived> for SessionActor {
    type Result = Result<(), MalformedPacket>;

    fn handle(&mut self, message: PacketReceived, context: &mut Self::Context) -> Self::Result {
        let _timer = MessageTimer::start(self.worker.observer.clone(), message.received_at);
        let bytes = message.packet.len();
        let packet = message.packet.decode(self.socket.version());
        if let Some(packet) = &packet {
            self.report_control(packet, bytes);
        }
        let input = packet.map_or(SessionInput::Malformed, SessionInput::Packet);
        match self.step(input, context) {
            Some(CloseReason::ParseError) => Err(MalformedPacket),
            Some(_) | None => Ok(()),
        }
    }
}

impl Handler<PollRequest> for SessionActor {
    type Result = ();

    fn handle(&mut self, PollRequest(reply): PollRequest, context: &mut Self::Context) {
        // A deadline that has passed takes effect even if the timer has not signalled it yet.
        if self.step(SessionInput::Tick, context).is_some() {
            return;
        }
        let Some(polling) = self.transport.polling_mut() else {
            let _aborted = reply.send(Err(HandshakeError::BadRequest));
            return;
        };
        match polling.park(reply) {
            Ok(()) => self.answer_poll(context),
            Err(second) => {
                let _aborted = second.send(Err(HandshakeError::BadRequest));
                let ended = SessionInput::TransportEnded(CloseReason::TransportError);
                self.step(ended, context);
            }
        }
    }
}

impl Handler<BeginPost> for SessionActor {
    type Result = Result<GuardedTask, HandshakeError>;

    fn handle(&mut self, _: BeginPost, context: &mut Self::Context) -> Self::Result {
        // As for a poll: a ping or pong that is too late must not revive the session.
        if self.step(SessionInput::Tick, context).is_some() {
            return Err(HandshakeError::SessionUnknown);
        }
        let Some(polling) = self.transport.polling_mut() else {
            return Err(HandshakeError::BadRequest);
        };
        polling.begin_post().map_err(|_concurrent| {
            let ended = SessionInput::TransportEnded(CloseReason::TransportError);
            self.step(ended, context);
            HandshakeError::BadRequest
        })
    }
}

impl Handler<OfferUpgrade> for SessionActor {
    type Result = Option<UpgradeId>;

    fn handle(&mut self, offer: OfferUpgrade, _: &mut Self::Context) -> Self::Result {
        if !self.phase.is_open() {
            return None;
        }
        let timeout = self.worker.config.upgrade_timeout;
        let id = self.transport.begin_upgrade(offer, Instant::now(), timeout);
        self.reschedule();
        id
    }
}

impl Handler<UpgradePacket> for SessionActor {
    type Result = MessageResult<UpgradePacket>;

    fn handle(&mut self, message: UpgradePacket, _: &mut Self::Context) -> Self::Result {
        let now = Instant::now();
        let decision = self
            .transport
            .receive_upgrade_packet(message, now, &self.socket);
        if decision == UpgradeDecision::Complete {
            self.observed.upgrade();
        }
        self.reschedule();
        MessageResult(decision)
    }
}

impl Handler<AdoptConnection> for SessionActor {
    type Result = ();

    fn handle(&mut self, adopted: AdoptConnection, context: &mut Self::Context) {
        let options = WebSocketOptions {
            max_message: self.worker.config.max_payload,
            binary: adopted.binary,
        };
        let session = ServedSession {
            socket: self.socket.clone(),
            address: SessionAddress::new(context.address()),
            flusher: self.worker.flusher.clone(),
        };
        match adopted.connection.attach() {
            Ok(connection) => self
                .transport
                .set_reader(serve(connection, options, session)),
            Err(_) => {
                let ended = SessionInput::TransportEnded(CloseReason::TransportError);
                self.step(ended, context);
            }
        }
    }
}

impl Handler<SessionSignal> for SessionActor {
    type Result = ();

    fn handle(&mut self, signal: SessionSignal, context: &mut Self::Context) {
        let input = match signal {
            SessionSignal::Tick => {
                // A message that was handled before this tick may have scheduled another deadline.
                self.clear_deadline();
                self.transport.perform_due_action(Instant::now());
                self.step(SessionInput::Tick, context);
                return self.wake_handler();
            }
            SessionSignal::Wake => {
                self.socket.clear_wake();
                return self.wake_handler();
            }
            SessionSignal::FramesQueued => return self.answer_poll(context),
            SessionSignal::RequestHeartbeat => SessionInput::RequestHeartbeat,
            SessionSignal::Close(reason) => SessionInput::Close(reason),
            SessionSignal::TransportEnded(reason) => SessionInput::TransportEnded(reason),
            SessionSignal::RequestAborted => match self.transport.kind() {
                TransportType::Polling => SessionInput::TransportEnded(CloseReason::TransportClose),
                // The upgrade has ended polling; what happens to its requests has no effect.
                TransportType::Websocket => return,
            },
            SessionSignal::Flushed => SessionInput::Flushed,
        };
        self.step(input, context);
    }
}

#[cfg(test)]
mod tests {
    use std::{rc::Rc, time::Duration};

    use actix_web::test::TestRequest;
    use bytes::Bytes;
    use engineioxide_core::{ProtocolVersion, Str};

    use super::*;
    use crate::engineio::{
        config::EngineConfig,
        frame::BinaryEncoding,
        handler::{EngineHandler, SessionHandler},
        handshake::HandshakeParams,
        observer::NoopObserver,
        open_request::OpenRequest,
        registry::SessionRegistry,
        session::actor::AdmittedRequest,
        socket::SessionSocket,
        worker::WorkerState,
    };

    struct SilentEngine;

    impl EngineHandler for SilentEngine {
        fn open(&self, _: SessionSocket, _: OpenRequest) -> Box<dyn SessionHandler> {
            Box::new(SilentSession)
        }
    }

    struct SilentSession;

    impl SessionHandler for SilentSession {
        fn on_text(&mut self, _: Str) {}
        fn on_binary(&mut self, _: Bytes) {}
        fn on_close(&mut self, _: CloseReason) {}
    }

    #[actix_web::test]
    async fn post_after_the_ping_timeout_finds_no_session_though_the_timer_is_late() {
        let config = EngineConfig {
            ping_interval: Duration::ZERO,
            ping_timeout: Duration::ZERO,
            ..EngineConfig::default()
        };
        let worker = Rc::new(WorkerState {
            config: Rc::new(config),
            observer: Rc::new(NoopObserver),
            registry: SessionRegistry::default(),
            handler: Rc::new(SilentEngine),
            timer: Rc::default(),
            flusher: Rc::default(),
        });
        let admitted = AdmittedRequest {
            params: HandshakeParams {
                version: ProtocolVersion::V3,
                transport: TransportType::Polling,
                binary: BinaryEncoding::TypedFrames,
            },
            request: OpenRequest::from_http(&TestRequest::default().to_http_request()),
            permit: Box::new(()),
        };
        // The timer's task has not run yet, so its signal is behind this message.
        let session = SessionActor::start_polling(&worker, admitted);
        let post = session.posts().send(BeginPost).await.unwrap();
        assert_eq!(post.err(), Some(HandshakeError::SessionUnknown));
    }
}
