//! The polling requests of one session: the parked poll, and the request that posts packets. There is at most one of
//! each.
//!
//! A parked poll is answered as soon as frames are queued, with all of them. The outbox wakes the session by a waker that
//! sends it a signal, because the session actor takes the frames out itself.

use std::{
    collections::VecDeque,
    sync::Arc,
    task::{self, Context, Wake, Waker},
};

use engineioxide_core::Packet;

use super::{
    address::SignalSender,
    close_reason::CloseReason,
    error::HandshakeError,
    frame::{BinaryEncoding, Frame},
    message::{PollReply, PollResult, SessionSignal},
    outbox::{Outbox, PollContent},
    task_guard::{GuardedTask, TaskGuard, task_guard},
    transport::payload,
};

/// The polling requests of one session.
pub(super) struct PollingState {
    parked: Option<PollReply>,
    posting: Option<TaskGuard>,
    waker: Waker,
    binary: BinaryEncoding,
}

/// A request of the same kind is already in progress.
pub(super) struct ConcurrentPost;

/// What the answer to a poll contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PollAnswer {
    /// No answer was due: no poll is parked, or no frame is queued.
    None,
    /// Frames.
    Frames,
    /// The end of the session.
    End,
}

impl PollingState {
    /// Creates the state of a session without requests. `signals` receives a signal when frames are queued; `binary` is how
    /// payloads contain binary messages.
    pub(super) fn new(signals: SignalSender, binary: BinaryEncoding) -> Self {
        Self {
            parked: None,
            posting: None,
            waker: Arc::new(FramesQueuedWaker(signals)).into(),
            binary,
        }
    }

    /// Parks a poll. Returns it if another one is parked, which violates the protocol.
    pub(super) fn park(&mut self, reply: PollReply) -> Result<(), PollReply> {
        match self.parked {
            Some(_) => Err(reply),
            None => {
                self.parked = Some(reply);
                Ok(())
            }
        }
    }

    /// Admits a request that posts packets.
    pub(super) fn begin_post(&mut self) -> Result<GuardedTask, ConcurrentPost> {
        if self.posting.as_ref().is_some_and(TaskGuard::is_attached) {
            return Err(ConcurrentPost);
        }
        let (guard, task) = task_guard();
        self.posting = Some(guard);
        Ok(task)
    }

    /// Answers the parked poll with all queued frames or, if there are none, with the end of the session.
    pub(super) fn answer_poll(&mut self, outbox: &Outbox) -> PollAnswer {
        let Some(reply) = self.parked.take() else {
            return PollAnswer::None;
        };
        let (response, answer) = match outbox.poll_all(&mut Context::from_waker(&self.waker)) {
            task::Poll::Pending => {
                self.parked = Some(reply);
                return PollAnswer::None;
            }
            task::Poll::Ready(PollContent::Frames(frames)) => {
                (Ok(payload::join(frames, self.binary)), PollAnswer::Frames)
            }
            task::Poll::Ready(PollContent::Closed(reason)) => {
                (self.end_of_session(reason), PollAnswer::End)
            }
        };
        // If the client has aborted the poll, the frames are lost; the session is notified of the abort and closes.
        let _aborted = reply.send(response);
        answer
    }

    /// Answers the parked poll with an empty packet.
    pub(super) fn release_poll(&mut self) {
        self.answer_with(self.noop());
    }

    /// Refuses the parked poll, because a websocket has become the transport.
    pub(super) fn refuse_poll(&mut self) {
        self.answer_with(Err(HandshakeError::BadRequest));
    }

    /// Answers the parked poll with the end of the session.
    pub(super) fn end_poll(&mut self, reason: CloseReason) {
        self.answer_with(self.end_of_session(reason));
    }

    fn answer_with(&mut self, response: PollResult) {
        if let Some(reply) = self.parked.take() {
            let _aborted = reply.send(response);
        }
    }

    /// Returns the answer to the last poll of a session: that of an unknown session, unless the client itself has closed.
    ///
    /// Clients treat that answer as a lost transport and reconnect. After a close packet, clients in Python and Rust do not
    /// reconnect.
    fn end_of_session(&self, reason: CloseReason) -> PollResult {
        match reason {
            CloseReason::TransportClose => self.noop(),
            CloseReason::TransportError
            | CloseReason::InvalidText
            | CloseReason::TooLarge
            | CloseReason::ParseError
            | CloseReason::PingTimeout
            | CloseReason::ConnectTimeout
            | CloseReason::Slow
            | CloseReason::Shutdown
            | CloseReason::Forced
            | CloseReason::Application(_)
            | CloseReason::Fault => Err(HandshakeError::SessionUnknown),
        }
    }

    /// Returns a payload with an empty packet.
    fn noop(&self) -> PollResult {
        let noop = VecDeque::from([Frame::from(Packet::Noop)]);
        Ok(payload::join(noop, self.binary))
    }
}

/// Signals the session that frames are queued. The outbox drops a waker when it wakes it, so at most one signal is in the
/// mailbox.
struct FramesQueuedWaker(SignalSender);

impl Wake for FramesQueuedWaker {
    fn wake(self: Arc<Self>) {
        self.0.send(SessionSignal::FramesQueued);
    }
}
