//! What an application keeps of a session: a handle to send, to close, and nothing else.

use std::{cell::Cell, rc::Rc};

use actix::Addr;
use engineioxide_core::Sid;

use super::{
    alias::Alias,
    config::Config,
    error::CloseReason,
    frame::Frame,
    message::Signal,
    meters::Meters,
    outbox::{Outbox, Pushed},
    session::Session,
};

/// A session's socket. A clone is another handle to the same one; all of them live on one worker thread.
#[derive(Clone)]
pub struct Socket(Rc<Shared>);

struct Shared {
    sid: Sid,
    config: Rc<Config>,
    outbox: Outbox,
    session: Addr<Session>,
    /// A wake is on its way, another would say nothing new.
    woken: Cell<bool>,
}

impl Socket {
    pub(super) fn new(
        sid: Sid,
        config: Rc<Config>,
        meters: Rc<Meters>,
        session: Addr<Session>,
    ) -> Self {
        let outbox = Outbox::new(config.clone(), meters);
        Self(Rc::new(Shared {
            sid,
            config,
            outbox,
            session,
            woken: Cell::new(false),
        }))
    }

    /// The session's id: a secret between this client and the server.
    pub fn sid(&self) -> Sid {
        self.0.sid
    }

    /// What this session is called where others may read it.
    pub fn alias(&self) -> Alias {
        Alias::of(self.0.sid)
    }

    /// The settings of the server that this session belongs to.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// Sends a frame. It waits in the outbox for its turn; when there is no place for it, the session is closed as
    /// [slow](CloseReason::Slow). After the end of the session this does nothing.
    pub fn push(&self, frame: Frame) {
        match self.0.outbox.push(frame) {
            Pushed::Queued | Pushed::Dropped => {}
            Pushed::Overflowed => self.signal(Signal::Close(CloseReason::Slow)),
        }
    }

    /// Ends the session. What was pushed before still leaves where the reason lets it; what is pushed after does not.
    pub fn close(&self, reason: CloseReason) {
        if self.0.outbox.seal() {
            self.signal(Signal::Close(reason));
        }
    }

    /// Asks for a call of [`Connection::on_wake`](super::Connection::on_wake), soon and not from within this one.
    pub fn wake(&self) {
        if !self.0.woken.replace(true) {
            self.signal(Signal::Wake);
        }
    }

    /// Has the heart beat before its time, to learn what has arrived. Nothing happens while a ping is out.
    pub fn beat(&self) {
        if self.is_open() {
            self.signal(Signal::Beat);
        }
    }

    /// Whether the session still takes frames.
    pub fn is_open(&self) -> bool {
        self.0.outbox.is_open()
    }

    /// Frames and bytes that wait for this socket.
    pub fn waiting(&self) -> (usize, usize) {
        self.0.outbox.waiting()
    }

    /// Waits until no more than `at_most` frames wait for this socket: the way to send without end and without being
    /// closed as [slow](CloseReason::Slow). At the end of the session the wait is over as well, so look at
    /// [`is_open`](Socket::is_open) behind it.
    pub fn drained(&self, at_most: usize) -> impl Future<Output = ()> + use<> {
        self.0.outbox.drained(at_most)
    }

    pub(super) fn outbox(&self) -> &Outbox {
        &self.0.outbox
    }

    /// The wake has arrived; the next one is news again.
    pub(super) fn awake(&self) {
        self.0.woken.set(false);
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a session has at most one wake, one tick, one close and one flush on their way; \
                  a heartbeat is asked for by whoever bounds how often"
    )]
    pub(super) fn signal(&self, signal: Signal) {
        self.0.session.do_send(signal);
    }
}

#[cfg(test)]
impl Socket {
    /// A socket without a session: what waits in its outbox is for a test to take.
    pub(crate) fn detached(config: Config) -> Self {
        let session = actix::AsyncContext::address(&actix::Context::<Session>::new());
        Self::new(Sid::new(), Rc::new(config), Rc::default(), session)
    }

    /// Takes all that waits, as a poll does.
    pub(crate) fn take_all(&self) -> Vec<Frame> {
        let mut nobody = std::task::Context::from_waker(std::task::Waker::noop());
        match self.0.outbox.poll_all(&mut nobody) {
            std::task::Poll::Ready((frames, _)) => frames.into(),
            std::task::Poll::Pending => Vec::new(),
        }
    }
}
