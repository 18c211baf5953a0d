//! The application's handle to one session: it sends frames, closes the session and reports its state.

use std::{cell::Cell, rc::Rc};

use engineioxide_core::{ProtocolVersion, Sid};

use super::{
    address::SignalSender,
    alias::SessionAlias,
    close_reason::CloseReason,
    config::EngineConfig,
    frame::Frame,
    message::SessionSignal,
    observer::SessionObserver,
    outbox::{Outbox, OutboxUsage, PushOutcome},
    session_name::SessionName,
};

/// The sending side of a session. A clone is another handle to the same session; all handles stay on one worker thread.
#[derive(Clone)]
pub struct SessionSocket(Rc<SessionSocketState>);

struct SessionSocketState {
    name: SessionName,
    config: Rc<EngineConfig>,
    outbox: Outbox,
    signals: SignalSender,
    /// Whether a wake signal is in the mailbox; another one would be redundant.
    wake_pending: Cell<bool>,
}

impl SessionSocket {
    pub(super) fn new(
        name: SessionName,
        config: Rc<EngineConfig>,
        observer: Rc<dyn SessionObserver>,
        signals: SignalSender,
    ) -> Self {
        let outbox = Outbox::new(config.clone(), observer);
        Self(Rc::new(SessionSocketState {
            name,
            config,
            outbox,
            signals,
            wake_pending: Cell::new(false),
        }))
    }

    /// Returns the session's id, which is a secret between this client and the server.
    pub fn sid(&self) -> Sid {
        self.0.name.sid
    }

    /// Returns the protocol version of the client.
    pub fn version(&self) -> ProtocolVersion {
        self.0.name.version
    }

    /// Returns the session's name in the log.
    pub fn alias(&self) -> SessionAlias {
        SessionAlias::from_sid(self.0.name.sid)
    }

    /// Returns the settings of the session's server.
    pub fn config(&self) -> &EngineConfig {
        &self.0.config
    }

    /// Queues a frame in the outbox. A frame over the outbox's bounds closes the session as [slow](CloseReason::Slow).
    /// After the end of the session this does nothing.
    pub fn push(&self, frame: Frame) {
        match self.0.outbox.push(frame) {
            PushOutcome::Queued | PushOutcome::Dropped => {}
            PushOutcome::Overflowed => self.signal(SessionSignal::Close(CloseReason::Slow)),
        }
    }

    /// Closes the session. Frames that were pushed before are still sent if the reason allows it; later frames are not.
    pub fn close(&self, reason: CloseReason) {
        if self.0.outbox.seal() {
            self.signal(SessionSignal::Close(reason));
        }
    }

    /// Requests a call of [`SessionHandler::on_wake`](super::SessionHandler::on_wake), soon and not from within this call.
    pub fn wake(&self) {
        if !self.0.wake_pending.replace(true) {
            self.signal(SessionSignal::Wake);
        }
    }

    /// Requests a heartbeat before the next one is due, to learn which frames have arrived. Nothing happens while a ping
    /// is unanswered.
    pub fn request_heartbeat(&self) {
        if self.is_open() {
            self.signal(SessionSignal::RequestHeartbeat);
        }
    }

    /// Returns whether the session still accepts frames.
    pub fn is_open(&self) -> bool {
        self.0.outbox.is_open()
    }

    /// Returns how much is queued for this session.
    pub fn outbox_usage(&self) -> OutboxUsage {
        self.0.outbox.usage()
    }

    /// Waits until at most `max_frames` frames are queued for this session. A producer of many frames uses it to avoid
    /// being closed as [slow](CloseReason::Slow). The wait also ends with the session, so check
    /// [`is_open`](SessionSocket::is_open) afterwards.
    pub fn drained_to(&self, max_frames: usize) -> impl Future<Output = ()> + use<> {
        self.0.outbox.drained_to(max_frames)
    }

    pub(super) fn outbox(&self) -> &Outbox {
        &self.0.outbox
    }

    /// Records that the wake signal was received.
    pub(super) fn clear_wake(&self) {
        self.0.wake_pending.set(false);
    }

    pub(super) fn signal(&self, signal: SessionSignal) {
        self.0.signals.send(signal);
    }
}

#[cfg(any(test, feature = "test-util"))]
impl SessionSocket {
    /// Creates a socket without a session; a test takes the queued frames with [`take_all`](SessionSocket::take_all).
    pub fn detached(config: EngineConfig) -> Self {
        Self::detached_in_version(ProtocolVersion::V4, config)
    }

    /// Creates a socket without a session, whose client speaks this protocol version.
    pub fn detached_in_version(version: ProtocolVersion, config: EngineConfig) -> Self {
        let observer = Rc::new(super::observer::NoopObserver);
        Self::new(
            SessionName {
                sid: Sid::new(),
                version,
            },
            Rc::new(config),
            observer,
            SignalSender::detached(),
        )
    }

    /// Takes all queued frames, as a poll does.
    pub fn take_all(&self) -> Vec<Frame> {
        use std::task::{Context, Poll, Waker};

        use super::outbox::PollContent;

        let mut cx = Context::from_waker(Waker::noop());
        match self.0.outbox.poll_all(&mut cx) {
            Poll::Ready(PollContent::Frames(frames)) => frames.into(),
            Poll::Ready(PollContent::Closed(_)) | Poll::Pending => Vec::new(),
        }
    }
}
