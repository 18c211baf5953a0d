//! The session actor: its state, how it starts, and how it performs the effects of the lifecycle machine.
//!
//! The actor never waits, so a heartbeat is never delayed by it. Transports reach it by its address from any thread.
//! Everything else, in particular the outbox, stays on the session's thread, also when a websocket replaces polling.

use std::{rc::Rc, time::Instant};

use actix::{Actor, ActorContext, AsyncContext, Context};
use engineioxide_core::{OpenPacket, Packet, Sid, TransportType};

use crate::engineio::{
    active_transport::ActiveTransport,
    address::SessionAddress,
    close_reason::CloseReason,
    config::EngineConfig,
    frame::Frame,
    handler::{Heartbeat, SessionHandler, SessionPermit},
    handshake::HandshakeParams,
    machine::lifecycle::{SessionEffect, SessionInput, SessionPhase, StepContext},
    observer::ObservedSession,
    open_request::OpenRequest,
    polling_state::PollAnswer,
    registry::SessionEntry,
    session_name::SessionName,
    socket::SessionSocket,
    timer::DeadlineChange,
    transport::websocket::accept::AcceptedWebSocket,
    worker::WorkerState,
};

/// The actor of one session.
pub(in crate::engineio) struct SessionActor {
    pub(super) phase: SessionPhase,
    pub(super) transport: ActiveTransport,
    pub(super) worker: Rc<WorkerState>,
    pub(super) socket: SessionSocket,
    handler: Box<dyn SessionHandler>,
    pub(super) observed: ObservedSession,
    close_report: CloseReport,
    /// The deadline that the timer has.
    scheduled: Option<Instant>,
    entry: SessionEntry,
    _permit: SessionPermit,
}

/// Whether the observer was notified of the close.
enum CloseReport {
    Pending,
    Sent,
}

/// A request that was admitted and opens a session.
pub(in crate::engineio) struct AdmittedRequest {
    pub(in crate::engineio) params: HandshakeParams,
    pub(in crate::engineio) request: OpenRequest,
    pub(in crate::engineio) permit: SessionPermit,
}

impl SessionActor {
    /// Starts a session that polls. The response to its first poll is the handshake.
    pub(in crate::engineio) fn start_polling(
        worker: &Rc<WorkerState>,
        admitted: AdmittedRequest,
    ) -> SessionAddress {
        let binary = admitted.params.binary;
        Self::start(worker, admitted, |_, address| {
            ActiveTransport::polling(address.signal_sender(), binary)
        })
    }

    /// Starts the session of a websocket that was just accepted.
    pub(in crate::engineio) fn start_websocket(
        worker: &Rc<WorkerState>,
        admitted: AdmittedRequest,
        websocket: AcceptedWebSocket,
    ) {
        Self::start(worker, admitted, |socket, address| {
            ActiveTransport::WebSocket {
                _reader: websocket.attach(socket, address, worker.flusher.clone()),
            }
        });
    }

    fn start(
        worker: &Rc<WorkerState>,
        admitted: AdmittedRequest,
        attach: impl FnOnce(SessionSocket, SessionAddress) -> ActiveTransport,
    ) -> SessionAddress {
        let context = Context::<Self>::new();
        let address = SessionAddress::new(context.address());
        let sid = Sid::new();
        let HandshakeParams {
            version, transport, ..
        } = admitted.params;
        let socket = SessionSocket::new(
            SessionName { sid, version },
            worker.config.clone(),
            worker.observer.clone(),
            address.signal_sender(),
        );
        socket.push(open_packet(sid, transport, &worker.config).into());
        let handler = worker.handler.open(socket.clone(), admitted.request);
        let mut session = Self {
            phase: SessionPhase::open(version, Instant::now(), &worker.config),
            transport: attach(socket.clone(), address.clone()),
            worker: worker.clone(),
            socket,
            handler,
            observed: ObservedSession::open(worker.observer.clone(), transport),
            close_report: CloseReport::Pending,
            scheduled: None,
            entry: worker
                .registry
                .register(SessionName { sid, version }, address.clone()),
            _permit: admitted.permit,
        };
        session.reschedule();
        context.run(session);
        address
    }

    /// Applies an input and performs its effects. Returns the reason if this input closed the session.
    pub(super) fn step(
        &mut self,
        input: SessionInput,
        context: &mut Context<Self>,
    ) -> Option<CloseReason> {
        let effects = self.phase.step(
            input,
            StepContext {
                now: Instant::now(),
                transport: self.transport.kind(),
                config: &self.worker.config,
            },
        );
        let mut closed = None;
        for effect in effects {
            match effect {
                SessionEffect::Send(packet) => self.send(packet),
                SessionEffect::DeliverText(text) => self.handler.on_text(text),
                SessionEffect::DeliverBinary(bytes) => self.handler.on_binary(bytes),
                SessionEffect::AnswerPing => {
                    self.socket.outbox().free_unused();
                    self.send(Packet::Pong);
                }
                SessionEffect::NotifyPong => {
                    // An idle session has no queue. That of a busy one is allocated once between two heartbeats.
                    self.socket.outbox().free_unused();
                    self.handler.on_heartbeat(Heartbeat::Answered);
                }
                SessionEffect::Close(reason) => {
                    self.close(reason);
                    closed = Some(reason);
                }
                SessionEffect::Release => context.stop(),
            }
        }
        self.reschedule();
        closed
    }

    fn send(&mut self, packet: Packet) {
        let is_ping = matches!(packet, Packet::Ping);
        self.socket.push(Frame::from(packet));
        if is_ping {
            self.handler.on_heartbeat(Heartbeat::Sent);
        }
    }

    fn close(&mut self, reason: CloseReason) {
        tracing::debug!(session.sid = %self.socket.alias(), %reason, "session closed");
        self.worker.observer.session_closed(reason);
        self.close_report = CloseReport::Sent;
        self.entry.set_closing();
        self.socket.outbox().finish(reason);
        self.handler.on_close(reason);
    }

    /// Reports a packet to the handler that is not a message and that the session does not await.
    pub(super) fn report_control(&mut self, packet: &Packet, bytes: usize) {
        let is_control = match packet {
            Packet::Message(_) | Packet::Binary(_) | Packet::BinaryV3(_) => false,
            Packet::Open(_)
            | Packet::Close
            | Packet::Ping
            | Packet::Pong
            | Packet::PingUpgrade
            | Packet::PongUpgrade
            | Packet::Upgrade
            | Packet::Noop => true,
        };
        if self.phase.is_open() && is_control && !self.phase.awaits(packet) {
            self.handler.on_control(bytes);
        }
    }

    /// Calls the handler's `on_wake` if the session is open.
    pub(super) fn wake_handler(&mut self) {
        if self.phase.is_open() {
            self.handler.on_wake(Instant::now());
        }
        self.reschedule();
    }

    /// Answers the parked poll if frames or the close are queued.
    pub(super) fn answer_poll(&mut self, context: &mut Context<Self>) {
        if let Some(polling) = self.transport.polling_mut()
            && let PollAnswer::End = polling.answer_poll(self.socket.outbox())
        {
            self.step(SessionInput::Flushed, context);
        }
    }

    /// Schedules the earliest deadline of machine, handler and transport, if it has changed.
    pub(super) fn reschedule(&mut self) {
        let handler = self.handler.deadline().filter(|_| self.phase.is_open());
        let next = self
            .phase
            .deadline()
            .into_iter()
            .chain(handler)
            .chain(self.transport.deadline())
            .min();
        if next != self.scheduled {
            self.set_deadline(next);
        }
    }

    /// Removes the deadline from the timer.
    pub(super) fn clear_deadline(&mut self) {
        self.set_deadline(None);
    }

    fn set_deadline(&mut self, to: Option<Instant>) {
        let from = std::mem::replace(&mut self.scheduled, to);
        self.worker
            .timer
            .reschedule(&self.socket, DeadlineChange { from, to });
    }
}

impl Actor for SessionActor {
    type Context = Context<Self>;
}

impl Drop for SessionActor {
    /// Releases all resources, also after a panic of the application.
    fn drop(&mut self) {
        let reason = self.socket.outbox().discard();
        match self.close_report {
            CloseReport::Pending => self.worker.observer.session_closed(reason),
            CloseReport::Sent => {}
        }
        if let Some(polling) = self.transport.polling_mut() {
            polling.end_poll(reason);
        }
        self.clear_deadline();
    }
}

/// Returns the first packet of a session: its id and parameters.
fn open_packet(sid: Sid, transport: TransportType, config: &EngineConfig) -> Packet {
    let upgrades = match transport {
        TransportType::Polling => [TransportType::Websocket].into_iter().collect(),
        TransportType::Websocket => Default::default(),
    };
    Packet::Open(OpenPacket {
        sid,
        upgrades,
        ping_interval: config.ping_interval,
        ping_timeout: config.ping_timeout,
        max_payload: config.max_payload as u64,
    })
}
