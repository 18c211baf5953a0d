//! The application's handle to one client in one namespace: it emits events, requests acknowledgements, and disconnects.
//!
//! Until the CONNECT has been answered, a socket keeps what is pushed to it, so that the answer is always first.

use std::{
    cell::{OnceCell, RefCell},
    mem,
    rc::Rc,
    time::Duration,
};

use bytes::Bytes;
use serde::Serialize;

use super::{
    error::{AckError, EncodeError},
    frame::EventFrame,
    id::random_id,
    pending_ack::{AckResponse, AckTable, PendingAck},
};
use crate::engineio::{
    CloseReason, OutboxBounds, OutboxUsage, ProtocolVersion, SessionAlias, SessionSocket,
};

/// The connection of one client to one namespace. A clone is another handle to the same connection; all handles stay on
/// one worker thread.
#[derive(Clone)]
pub struct Socket(Rc<SocketState>);

struct SocketState {
    identity: OnceCell<SocketIdentity>,
    namespace: String,
    session: SessionSocket,
    phase: RefCell<SocketPhase>,
    /// Exists once an acknowledgement was requested.
    acks: OnceCell<Rc<RefCell<AckTable>>>,
}

/// The ids that the answer to a CONNECT gives to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketIdentity {
    /// The public id of the socket.
    pub id: String,
    /// The private id with which the official client requests connection state recovery when it reconnects. Without
    /// it, the client requests no recovery.
    pub pid: Option<String>,
}

enum SocketPhase {
    /// The CONNECT has not been answered. Pushed frames wait until the answer is sent.
    Connecting(HeldFrames),
    /// Pushed frames go to the outbox of the session.
    Connected,
    /// Pushed frames are dropped.
    Disconnected,
}

/// Frames that wait for the answer to a CONNECT, within the bounds of an outbox.
#[derive(Default)]
struct HeldFrames {
    frames: Vec<EventFrame>,
    usage: OutboxUsage,
}

impl Socket {
    /// Creates a socket whose CONNECT has not been answered.
    pub(crate) fn connecting(namespace: &str, session: SessionSocket) -> Self {
        let phase = RefCell::new(SocketPhase::Connecting(HeldFrames::default()));
        Self(Rc::new(SocketState {
            identity: OnceCell::new(),
            namespace: namespace.to_owned(),
            session,
            phase,
            acks: OnceCell::new(),
        }))
    }

    /// Creates a socket that is connected without a client, for tests of an application.
    #[cfg(any(test, feature = "test-util"))]
    pub fn connected(namespace: &str, session: SessionSocket) -> Self {
        let socket = Self::connecting(namespace, session);
        socket.0.phase.replace(SocketPhase::Connected);
        socket
    }

    /// Returns the socket's id, which is not secret. Unless [`set_identity`](Socket::set_identity) was called,
    /// the first call generates it. A client of Engine.IO 3 does not receive it; as its `socket.id` it shows the id of the
    /// session, which is secret.
    pub fn id(&self) -> &str {
        &self.identity().id
    }

    /// Returns the version of the Engine.IO protocol that the client speaks. Version 3 is that of Socket.IO 2, whose clients send no
    /// auth payload and request no connection state recovery.
    pub fn version(&self) -> ProtocolVersion {
        self.0.session.version()
    }

    /// Returns the name of the Engine.IO session for logs. It does not reveal the session's id, which is a secret.
    pub fn session_alias(&self) -> SessionAlias {
        self.0.session.alias()
    }

    /// Sets the ids that the answer to the CONNECT will contain, for connection state recovery.
    ///
    /// Must be called before [`id`](Socket::id) and before [`Namespace::connect`](crate::Namespace::connect) returns;
    /// after that the call only logs an error.
    pub fn set_identity(&self, identity: SocketIdentity) {
        if self.0.identity.set(identity).is_err() {
            tracing::error!("socket identity is already set");
        }
    }

    fn identity(&self) -> &SocketIdentity {
        self.0.identity.get_or_init(|| SocketIdentity {
            id: random_id(),
            pid: None,
        })
    }

    /// Requests a heartbeat before its regular time; see [`SessionSocket::request_heartbeat`].
    pub fn request_heartbeat(&self) {
        self.0.session.request_heartbeat();
    }

    /// Requests a call of [`SocketHandler::on_wake`](crate::SocketHandler::on_wake), soon and not from within this call.
    pub fn wake(&self) {
        self.0.session.wake();
    }

    /// Returns the name of the namespace.
    pub fn namespace(&self) -> &str {
        &self.0.namespace
    }

    /// Sends an event. A tuple becomes several arguments, any other value becomes one.
    pub fn emit<T: Serialize + ?Sized>(&self, name: &str, data: &T) -> Result<(), EncodeError> {
        self.push(&EventFrame::event(&self.0.namespace, name, data)?);
        Ok(())
    }

    /// Sends an event that requests an acknowledgement.
    ///
    /// The event is queued when this function returns, in order with other events. The returned future resolves within
    /// `timeout`; dropping it discards the acknowledgement.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use actix_socketio::Socket;
    /// async fn is_responsive(socket: &Socket) -> bool {
    ///     match socket.emit_with_ack("check", &"please", Duration::from_secs(5)) {
    ///         Ok(ack) => ack.await.is_ok(),
    ///         Err(_not_sent) => false,
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// [`AckError::Disconnected`], [`AckError::TooMany`] and [`AckError::Encode`]; the event was not sent then.
    pub fn emit_with_ack<T: Serialize + ?Sized>(
        &self,
        name: &str,
        data: &T,
        timeout: Duration,
    ) -> Result<PendingAck, AckError> {
        let ack = self.register_ack(timeout)?;
        let frame = EventFrame::event_with_ack(&self.0.namespace, name, data, ack.id())?;
        self.push(&frame);
        Ok(ack)
    }

    /// Sends an event that requests an acknowledgement, from JSON texts and binary attachments as in
    /// [`EventFrame::with_attachments`].
    ///
    /// # Errors
    /// [`AckError::Disconnected`] and [`AckError::TooMany`]; the event was not sent then.
    pub fn emit_json_with_ack(
        &self,
        name: &str,
        args: &[&str],
        attachments: Vec<Bytes>,
        timeout: Duration,
    ) -> Result<PendingAck, AckError> {
        let ack = self.register_ack(timeout)?;
        let namespace = &self.0.namespace;
        self.push(&EventFrame::json_event_with_ack(
            namespace,
            name,
            args,
            attachments,
            ack.id(),
        ));
        Ok(ack)
    }

    fn register_ack(&self, timeout: Duration) -> Result<PendingAck, AckError> {
        if !self.is_connected() {
            return Err(AckError::Disconnected);
        }
        let max_pending = self.0.session.config().outbox.max_frames();
        let acks = self.0.acks.get_or_init(Rc::default);
        PendingAck::register(acks, timeout, max_pending).ok_or(AckError::TooMany)
    }

    /// Sends an encoded frame of this namespace. If the outbox is full, the session is closed as
    /// [slow](CloseReason::Slow).
    pub fn push(&self, frame: &EventFrame) {
        match &mut *self.0.phase.borrow_mut() {
            SocketPhase::Connected => frame.push_to(&self.0.session),
            SocketPhase::Connecting(held) => {
                if !held.try_push(frame, &self.0.session.config().outbox) {
                    self.0.session.close(CloseReason::Slow);
                }
            }
            SocketPhase::Disconnected => {}
        }
    }

    /// Disconnects the client from the namespace. The official client does not reconnect afterwards; to make it
    /// reconnect, [close](Socket::close) the session.
    pub fn disconnect(&self) {
        let previous = self.0.phase.replace(SocketPhase::Disconnected);
        if !matches!(previous, SocketPhase::Disconnected) {
            EventFrame::disconnect(&self.0.namespace).push_to(&self.0.session);
            self.fail_acks();
            // The connection removes the application's handler when it wakes.
            self.0.session.wake();
        }
    }

    /// Closes the Engine.IO session, and with it every namespace of this client. The official client reconnects.
    pub fn close(&self, reason: CloseReason) {
        self.0.session.close(reason);
    }

    /// Returns whether pushed frames can still reach the client.
    pub fn is_connected(&self) -> bool {
        !self.is_disconnected() && self.0.session.is_open()
    }

    /// Returns what is queued for this client, in all of its namespaces.
    pub fn outbox_usage(&self) -> OutboxUsage {
        self.0.session.outbox_usage()
    }

    /// Waits until at most `max_frames` frames are queued for this client, in all of its namespaces.
    ///
    /// Await this between events to send a long series without being closed as [slow](CloseReason::Slow). The wait also
    /// ends when the session ends, so check [`is_connected`](Socket::is_connected) afterwards.
    ///
    /// ```
    /// # use actix_socketio::Socket;
    /// async fn count(socket: Socket) {
    ///     for number in 0_u64.. {
    ///         socket.drained_to(16).await;
    ///         if !socket.is_connected() || socket.emit("number", &number).is_err() {
    ///             return;
    ///         }
    ///     }
    /// }
    /// ```
    pub fn drained_to(&self, max_frames: usize) -> impl Future<Output = ()> + use<> {
        self.0.session.drained_to(max_frames)
    }

    /// Sends the answer to the CONNECT, then the frames that were pushed before it.
    pub(crate) fn accept(&self) {
        let mut phase = self.0.phase.borrow_mut();
        if let SocketPhase::Connecting(held) = &mut *phase {
            let held = mem::take(held);
            self.connect_frame().push_to(&self.0.session);
            held.frames
                .iter()
                .for_each(|frame| frame.push_to(&self.0.session));
            *phase = SocketPhase::Connected;
        }
    }

    /// Returns the answer to the CONNECT. In version 3 it has no ids.
    fn connect_frame(&self) -> EventFrame {
        let namespace = &self.0.namespace;
        match self.0.session.version() {
            ProtocolVersion::V4 => {
                let SocketIdentity { id, pid } = self.identity();
                EventFrame::connect(namespace, id, pid.as_deref())
            }
            ProtocolVersion::V3 => EventFrame::connect_without_ids(namespace),
        }
    }

    /// Drops further frames and fails pending acknowledgements. Nothing is sent to the client.
    pub(crate) fn mark_disconnected(&self) {
        *self.0.phase.borrow_mut() = SocketPhase::Disconnected;
        self.fail_acks();
    }

    fn fail_acks(&self) {
        if let Some(acks) = self.0.acks.get() {
            acks.borrow_mut().fail_all();
        }
    }

    /// Returns whether the acknowledgement `id` is pending.
    pub(crate) fn awaits_ack(&self, id: i64) -> bool {
        let acks = self.0.acks.get();
        acks.is_some_and(|acks| acks.borrow().is_pending(id))
    }

    /// Completes a pending acknowledgement with the client's response.
    pub(crate) fn resolve_ack(&self, id: i64, response: AckResponse) {
        if let Some(acks) = self.0.acks.get() {
            acks.borrow_mut().resolve(id, response);
        }
    }

    /// Returns whether the client or the server has left the namespace.
    pub(crate) fn is_disconnected(&self) -> bool {
        matches!(*self.0.phase.borrow(), SocketPhase::Disconnected)
    }
}

impl HeldFrames {
    /// Adds a frame. Returns `false` if the frames exceed the bounds.
    fn try_push(&mut self, frame: &EventFrame, bounds: &OutboxBounds) -> bool {
        let size = frame.size();
        self.usage.frames += size.frames;
        self.usage.bytes += size.bytes;
        let fits =
            self.usage.frames <= bounds.max_frames() && self.usage.bytes <= bounds.max_bytes();
        if fits {
            self.frames.push(frame.clone());
        }
        fits
    }
}
