//! A session's side of polling: the poll that is parked, and the request that posts. There may be one of each.
//!
//! A parked poll is answered as soon as something waits, with all of it. The outbox knocks by a waker that sends the
//! session a message, for the session is an actor and the only one that takes frames out while polls carry it.

use std::{
    sync::Arc,
    task::{self, Context, Wake, Waker},
};

use actix::Addr;

use super::{
    error::{CloseReason, HandshakeError},
    frame::Frame,
    leash::{Leash, Leashed, leash},
    message::{Reply, Signal},
    outbox::Outbox,
    session::Session,
    transport::payload,
};

pub(super) struct Polls {
    parked: Option<Reply>,
    posting: Option<Leash>,
    knock: Waker,
}

/// There is a request of this kind already.
pub(super) struct Overlap;

impl Polls {
    /// None yet; when something waits for a parked one, `session` is told.
    pub(super) fn of(session: Addr<Session>) -> Self {
        Self {
            parked: None,
            posting: None,
            knock: Arc::new(Knock(session)).into(),
        }
    }

    /// Parks a poll, unless there is one; then that is no client of ours.
    pub(super) fn park(&mut self, reply: Reply) -> Result<(), Reply> {
        match self.parked {
            Some(_) => Err(reply),
            None => {
                self.parked = Some(reply);
                Ok(())
            }
        }
    }

    /// Lets a request post.
    pub(super) fn post(&mut self) -> Result<Leashed, Overlap> {
        // A request that has ended has let go of its end.
        if self.posting.as_ref().is_some_and(Leash::is_taut) {
            return Err(Overlap);
        }
        let (held, end) = leash();
        self.posting = Some(held);
        Ok(end)
    }

    /// Answers the parked poll with everything that waits, if anything does, or with the farewell when that is all. True when it
    /// was that.
    pub(super) fn answer(&mut self, outbox: &Outbox) -> bool {
        let Some(reply) = self.parked.take() else {
            return false;
        };
        match outbox.poll_all(&mut Context::from_waker(&self.knock)) {
            task::Poll::Pending => {
                self.parked = Some(reply);
                false
            }
            task::Poll::Ready((frames, end)) => {
                let farewell = end.map(farewell);
                // A poll that was given up meanwhile takes its answer with it; the session hears of that, and ends.
                let _given_up = reply.send(Ok(payload::join(frames.into_iter().chain(farewell))));
                end.is_some()
            }
        }
    }

    /// Lets the parked poll go with an empty packet.
    pub(super) fn release(&mut self) {
        self.say(noop());
    }

    /// Turns the parked poll away: a websocket carries the session from now on.
    pub(super) fn turn_away(&mut self) {
        if let Some(reply) = self.parked.take() {
            let _given_up = reply.send(Err(HandshakeError::BadRequest));
        }
    }

    /// The session has ended, and nothing comes after this.
    pub(super) fn dismiss(&mut self, reason: CloseReason) {
        self.say(farewell(reason));
    }

    fn say(&mut self, last: Frame) {
        if let Some(reply) = self.parked.take() {
            let _given_up = reply.send(Ok(payload::join([last])));
        }
    }
}

/// The last packet of a session: a close, but for a client that has closed by itself.
fn farewell(reason: CloseReason) -> Frame {
    match reason {
        CloseReason::TransportClose => noop(),
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
        | CloseReason::Fault => Frame::from(engineioxide_core::Packet::Close),
    }
}

fn noop() -> Frame {
    Frame::from(engineioxide_core::Packet::Noop)
}

/// What the outbox takes for a pump.
struct Knock(Addr<Session>);

impl Wake for Knock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the outbox forgets a waker when it wakes, so one is on its way at most"
    )]
    fn wake(self: Arc<Self>) {
        self.0.do_send(Signal::Ready);
    }
}
