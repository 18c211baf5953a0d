//! What an application keeps of a connected client: emit, ask, acknowledge, disconnect.

use std::{
    cell::{OnceCell, RefCell},
    mem,
    rc::Rc,
    time::Duration,
};

use bytes::Bytes;
use rand::Rng;
use serde::Serialize;

use super::{
    ack::{Acknowledged, Answer, Asked},
    error::{AckError, EncodeError},
    frame::Frame,
};
use crate::engineio::{self, CloseReason};

/// A client in a namespace. A clone is another handle to the same one; all of them live on one worker thread.
#[derive(Clone)]
pub struct Socket(Rc<Shared>);

struct Shared {
    identity: OnceCell<Identity>,
    ns: String,
    engine: engineio::Socket,
    phase: RefCell<Phase>,
    asked: Rc<Asked>,
}

/// Who the client is told that it is.
struct Identity {
    id: String,
    /// Known to this client alone: by this it asks to be taken for the one that it was.
    pid: Option<String>,
}

enum Phase {
    /// The namespace has not answered the CONNECT yet. What is sent waits, for the answer goes first.
    Connecting(Held),
    /// What is sent goes straight to the outbox.
    Joined,
    /// Nothing is sent any more.
    Left,
}

/// Frames that wait for the answer to a CONNECT, within the bounds of an outbox.
#[derive(Default)]
struct Held {
    frames: Vec<Frame>,
    count: usize,
    bytes: usize,
}

impl Socket {
    pub(super) fn connecting(ns: &str, engine: engineio::Socket) -> Self {
        let phase = RefCell::new(Phase::Connecting(Held::default()));
        Self(Rc::new(Shared {
            identity: OnceCell::new(),
            ns: ns.to_owned(),
            engine,
            phase,
            asked: Rc::default(),
        }))
    }

    /// A client whose CONNECT was answered.
    #[cfg(test)]
    pub(crate) fn connected(ns: &str, engine: engineio::Socket) -> Self {
        let socket = Self::connecting(ns, engine);
        socket.0.phase.replace(Phase::Joined);
        socket
    }

    /// The socket's id, which may be told to others.
    pub fn id(&self) -> &str {
        &self.identity().id
    }

    /// What the session under it is called where others may read it.
    pub fn session(&self) -> engineio::Alias {
        self.0.engine.alias()
    }

    /// Decides who the client is told that it is, before its CONNECT is answered: a `pid` with which the official client asks
    /// for the recovery of its connection's state, and the id of the one that it was where it is recovered. Once anybody
    /// has asked for its id this comes too late, and is of no effect.
    pub fn identify(&self, id: Option<String>, pid: String) {
        let id = id.unwrap_or_else(new_id);
        let identity = Identity { id, pid: Some(pid) };
        if self.0.identity.set(identity).is_err() {
            tracing::error!("a socket has its id already");
        }
    }

    fn identity(&self) -> &Identity {
        self.0.identity.get_or_init(|| Identity {
            id: new_id(),
            pid: None,
        })
    }

    /// Has the heart of the connection beat before its time; see
    /// [`engineio::Socket::beat`].
    pub fn beat(&self) {
        self.0.engine.beat();
    }

    /// The namespace it is in.
    pub fn namespace(&self) -> &str {
        &self.0.ns
    }

    /// Sends an event with anything that serialises: a tuple is several arguments, all else is one.
    pub fn emit<T: Serialize + ?Sized>(&self, name: &str, data: &T) -> Result<(), EncodeError> {
        self.push(&Frame::emit(&self.0.ns, name, data)?);
        Ok(())
    }

    /// Sends an event that asks for an acknowledgement. It has left when this returns, in its order among the others;
    /// awaiting the answer takes `timeout` at most, and dropping it gives the acknowledgement up.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use vaultcast::socketio::Socket;
    /// async fn is_there(socket: &Socket) -> bool {
    ///     match socket.ask("are you there?", &"please", Duration::from_secs(5)) {
    ///         Ok(answer) => answer.await.is_ok(),
    ///         Err(_not_sent) => false,
    ///     }
    /// }
    /// ```
    pub fn ask<T: Serialize + ?Sized>(
        &self,
        name: &str,
        data: &T,
        timeout: Duration,
    ) -> Result<Answer, AckError> {
        let (id, answer) = self.expect_answer(timeout)?;
        self.push(&Frame::ask(&self.0.ns, name, data, id)?);
        Ok(answer)
    }

    /// Likewise, with arguments that are JSON text and with binary attachments, as [`Frame::event_with`] has them.
    pub fn ask_with(
        &self,
        name: &str,
        args: &[&str],
        attachments: Vec<Bytes>,
        timeout: Duration,
    ) -> Result<Answer, AckError> {
        let (id, answer) = self.expect_answer(timeout)?;
        self.push(&Frame::ask_with(&self.0.ns, name, args, attachments, id));
        Ok(answer)
    }

    fn expect_answer(&self, timeout: Duration) -> Result<(i64, Answer), AckError> {
        if !self.is_connected() {
            return Err(AckError::Disconnected);
        }
        let most = self.0.engine.config().outbox.events();
        self.0.asked.ask(timeout, most).ok_or(AckError::TooMany)
    }

    /// Sends a frame that was encoded before, for this namespace. Over the outbox's bounds the session is closed as
    /// [slow](CloseReason::Slow).
    pub fn push(&self, frame: &Frame) {
        match &mut *self.0.phase.borrow_mut() {
            Phase::Joined => frame.push_to(&self.0.engine),
            Phase::Connecting(held) => {
                if !held.take(frame, self.0.engine.config()) {
                    self.0.engine.close(CloseReason::Slow);
                }
            }
            Phase::Left => {}
        }
    }

    /// Makes the client leave the namespace. The official client stays away then; to have it come back,
    /// [close](Socket::close) the session.
    pub fn disconnect(&self) {
        if !matches!(self.0.phase.replace(Phase::Left), Phase::Left) {
            Frame::disconnect(&self.0.ns).push_to(&self.0.engine);
            self.0.asked.give_up();
            // The connection takes the application's handlers away at its next turn.
            self.0.engine.wake();
        }
    }

    /// Ends the session under it, and with it every namespace of this client. The official client comes back.
    pub fn close(&self, reason: CloseReason) {
        self.0.engine.close(reason);
    }

    /// Whether what is sent still has a way to the client.
    pub fn is_connected(&self) -> bool {
        !self.has_left() && self.0.engine.is_open()
    }

    /// Frames and bytes that wait for this client, in all namespaces.
    pub fn waiting(&self) -> (usize, usize) {
        self.0.engine.waiting()
    }

    /// Waits until no more than `at_most` frames wait for this client, in all namespaces: the way to send without end
    /// and without being closed as [slow](CloseReason::Slow). When the client is gone the wait is over as well, so look
    /// at [`is_connected`](Socket::is_connected) behind it.
    ///
    /// ```
    /// # use vaultcast::socketio::Socket;
    /// async fn count(socket: Socket) {
    ///     for number in 0_u64.. {
    ///         socket.drained(16).await;
    ///         if !socket.is_connected() || socket.emit("number", &number).is_err() {
    ///             return;
    ///         }
    ///     }
    /// }
    /// ```
    pub fn drained(&self, at_most: usize) -> impl Future<Output = ()> + use<> {
        self.0.engine.drained(at_most)
    }

    /// Answers the CONNECT, and lets out what waited for that.
    pub(super) fn join(&self) {
        let mut phase = self.0.phase.borrow_mut();
        if let Phase::Connecting(held) = &mut *phase {
            let held = mem::take(held);
            let Identity { id, pid } = self.identity();
            Frame::connect(&self.0.ns, id, pid.as_deref()).push_to(&self.0.engine);
            held.frames
                .iter()
                .for_each(|frame| frame.push_to(&self.0.engine));
            *phase = Phase::Joined;
        }
    }

    /// Sends nothing more, and waits for nothing.
    pub(super) fn leave(&self) {
        *self.0.phase.borrow_mut() = Phase::Left;
        self.0.asked.give_up();
    }

    /// The client has acknowledged an event.
    pub(super) fn acknowledged(&self, id: i64, acknowledged: Acknowledged) {
        self.0.asked.answer(id, acknowledged);
    }

    pub(super) fn has_left(&self) -> bool {
        matches!(*self.0.phase.borrow(), Phase::Left)
    }
}

impl Held {
    /// Keeps a frame, if there is room.
    fn take(&mut self, frame: &Frame, config: &engineio::Config) -> bool {
        let (bytes, count) = frame.size();
        self.count += count;
        self.bytes += bytes;
        let most = &config.outbox;
        let fits = self.count <= most.events() && self.bytes <= most.bytes();
        if fits {
            self.frames.push(frame.clone());
        }
        fits
    }
}

/// The acknowledgement that a client asked for with its event. Dropping it acknowledges nothing.
pub struct Ack {
    socket: Socket,
    id: i64,
}

impl Ack {
    pub(super) fn new(socket: Socket, id: i64) -> Self {
        Self { socket, id }
    }

    /// Acknowledges with anything that serialises: a tuple is several arguments, all else is one.
    pub fn send<T: Serialize + ?Sized>(self, data: &T) -> Result<(), EncodeError> {
        self.socket
            .push(&Frame::ack(self.socket.namespace(), self.id, data)?);
        Ok(())
    }

    /// Acknowledges with arguments that are JSON text and with binary attachments, as [`Frame::event_with`] does.
    pub fn send_with(self, args: &[&str], attachments: Vec<Bytes>) {
        self.socket.push(&Frame::ack_with(
            self.socket.namespace(),
            self.id,
            args,
            attachments,
        ));
    }
}

/// An id that cannot be guessed: 120 random bits in twenty characters that need no escape anywhere.
pub fn new_id() -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits = rand::rng().random::<u128>();
    (0..20)
        .map(|place| char::from(ALPHABET[(bits >> (6 * place)) as usize & 63]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_twenty_characters_and_never_comes_twice() {
        let (one, other) = (new_id(), new_id());
        assert_eq!(one.len(), 20);
        assert_ne!(one, other);
    }
}
