//! The websocket: one frame is one packet.
//!
//! Two tasks serve it. The reader forwards each message to the session's address and awaits it. The pump drains the
//! outbox into actix-ws, whose body joins what waits in its channel (32 places) into one write; it runs on until
//! the outbox tells it to stop, and looks for that also while it waits for a peer that does not read.
//!
//! A websocket that is to take over from polling often arrives on another worker thread than its session's. Its
//! reader stays there and speaks to the session by its address as ever; the pump starts beside the outbox.

use std::{
    future::poll_fn,
    io::ErrorKind,
    pin::{Pin, pin},
    str::Utf8Error,
    task::Poll,
    time::Duration,
};

use actix::Addr;
use actix_web::{FromRequest, HttpRequest, HttpResponse, dev, error::PayloadError, rt, web};
use actix_ws::{CloseCode, Message, MessageStream, ProtocolError};
use bytes::Bytes;
use engineioxide_core::{Packet, Str};
use futures_util::{FutureExt, Stream};
use tokio::task::unconstrained;

use super::{
    fragments::{Fragments, Whole},
    guard::Guard,
};
use crate::engineio::{
    error::{CloseReason, HandshakeError},
    frame::Frame,
    leash::{Leash, Leashed, leash},
    machine::Verdict,
    message::{Arrived, Incoming, Offer, Signal, TrialId, Tried},
    outbox::Next,
    session::Session,
    socket::Socket,
    wire::Cutter,
};

type BoxedPayloadStream = Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>>;

/// The name of a websocket that is closed because polling goes on, or has been left behind already.
const NOT_UPGRADED: CloseReason = CloseReason::Application("not upgraded");

/// How long a peer whose session was cut short has to take its farewell.
const LAST_WORD: Duration = Duration::from_secs(1);

/// Where frames go.
#[derive(Clone)]
pub(in crate::engineio) struct Sink {
    session: actix_ws::Session,
    /// What ends the connection of a peer that does not read, where the HTTP server gives it to us.
    cutter: Option<Cutter>,
}

/// A websocket that was accepted and has no session yet.
pub(in crate::engineio) struct WebSocket {
    sink: Sink,
    source: MessageStream,
    limit: usize,
}

impl WebSocket {
    /// Accepts the upgrade that `request` asks for. No message may be larger than `limit`.
    pub(in crate::engineio) async fn accept(
        request: &HttpRequest,
        body: dev::Payload,
        limit: usize,
    ) -> Result<(HttpResponse, Self), HandshakeError> {
        let guard: BoxedPayloadStream = Box::pin(Guard::new(body, limit));
        let mut guarded = dev::Payload::from(guard);
        let body = web::Payload::from_request(request, &mut guarded)
            .await
            .expect("taking a payload cannot fail");
        let (response, session, source) =
            actix_ws::handle(request, body).map_err(|_| HandshakeError::BadRequest)?;
        let cutter = request.conn_data::<Cutter>().cloned();
        let sink = Sink { session, cutter };
        let source = source.max_frame_size(limit);
        Ok((
            response,
            Self {
                sink,
                source,
                limit,
            },
        ))
    }

    /// Lets it carry `socket`, whose session is at `session` and holds its reader.
    pub(in crate::engineio) fn attach(self, socket: Socket, session: Addr<Session>) -> Leash {
        let (held, leashed) = leash();
        drain(socket, self.sink.clone());
        rt::spawn(self.reader(session).serve(leashed));
        held
    }

    /// Offers it to a session that polls. Nothing becomes of it if the session does not want it.
    pub(in crate::engineio) fn offer(self, session: Addr<Session>) {
        rt::spawn(self.reader(session).offer());
    }

    fn reader(self, session: Addr<Session>) -> Reader {
        Reader {
            source: self.source,
            fragments: Fragments::new(self.limit),
            sink: self.sink.session,
            offered: self.sink.cutter,
            session,
        }
    }
}

/// Starts the pump that drains the outbox into `sink`, on the socket's thread.
pub(in crate::engineio) fn drain(socket: Socket, sink: Sink) {
    rt::spawn(pump(sink, socket));
}

/// Drains the outbox until it ends.
async fn pump(sink: Sink, socket: Socket) {
    let Sink {
        session: mut sink,
        cutter,
    } = sink;
    let outbox = socket.outbox();
    loop {
        match poll_fn(|cx| outbox.poll_next(cx)).await {
            Next::Send(frame) => {
                let size = frame.len();
                let sent = unless_cut(&socket, async {
                    match frame {
                        Frame::Text(text) => sink.text(text).await,
                        Frame::Binary(bytes) => sink.binary(bytes).await,
                    }
                });
                match sent.await {
                    Some(Ok(())) => outbox.sent(size),
                    // The connection is gone; the reader sees it too and reports it.
                    Some(Err(_)) => return,
                    None => {}
                }
            }
            Next::Farewell(reason) => {
                let said = unless_cut(&socket, sink.close(Some(farewell(reason)))).await;
                socket.signal(Signal::Flushed);
                if said.is_none() {
                    cut_off(cutter).await;
                }
                return;
            }
            Next::Stop(reason) => {
                say(sink, farewell(reason));
                socket.signal(Signal::Flushed);
                drop(socket);
                return cut_off(cutter).await;
            }
        }
    }
}

/// The outcome of `sending`, or nothing if the outbox was cut meanwhile.
async fn unless_cut<T>(socket: &Socket, sending: impl Future<Output = T>) -> Option<T> {
    let mut sending = pin!(sending);
    poll_fn(|cx| match sending.as_mut().poll(cx) {
        Poll::Ready(sent) => Poll::Ready(Some(sent)),
        Poll::Pending => socket.outbox().poll_cut(cx).map(|()| None),
    })
    .await
}

/// Says farewell where there is room for it. It must not wait: a peer that does not read would be waited for for ever.
fn say(sink: actix_ws::Session, farewell: actix_ws::CloseReason) {
    let _no_room = unconstrained(sink.close(Some(farewell))).now_or_never();
}

/// Ends the connection of a peer that does not: it may never read again, and nothing else would free what is held for it.
async fn cut_off(cutter: Option<Cutter>) {
    if let Some(cutter) = cutter {
        rt::time::sleep(LAST_WORD).await;
        cutter.cut();
    }
}

/// The close frame of an end.
fn farewell(reason: CloseReason) -> actix_ws::CloseReason {
    let code = match reason {
        CloseReason::TransportError => CloseCode::Protocol,
        CloseReason::InvalidText => CloseCode::Invalid,
        CloseReason::TooLarge => CloseCode::Size,
        CloseReason::Slow => CloseCode::Policy,
        CloseReason::Shutdown => CloseCode::Away,
        CloseReason::Fault => CloseCode::Error,
        CloseReason::TransportClose
        | CloseReason::ParseError
        | CloseReason::PingTimeout
        | CloseReason::ConnectTimeout
        | CloseReason::Forced
        | CloseReason::Application(_) => CloseCode::Normal,
    };
    actix_ws::CloseReason {
        code,
        description: Some(reason.as_str().to_owned()),
    }
}

/// What the client sends, on its way to the session.
struct Reader {
    source: MessageStream,
    fragments: Fragments,
    /// For pongs and the answer to a close, which are the transport's own affair.
    sink: actix_ws::Session,
    /// What it offers with itself, when it is to take over.
    offered: Option<Cutter>,
    session: Addr<Session>,
}

impl Reader {
    /// Forwards what the client sends until there is no more, or the session lets go.
    async fn serve(mut self, mut leashed: Leashed) {
        if let Some(reason) = leashed.hold(self.forward()).await {
            // A session that is gone already needs no telling.
            let _gone = self.session.send(Signal::Gone(reason)).await;
        }
    }

    /// Offers itself to the session, and serves it from the upgrade on.
    async fn offer(mut self) {
        let (leash, mut leashed) = leash();
        let sink = Sink {
            session: self.sink.clone(),
            cutter: self.offered.take(),
        };
        if let Ok(Some(trial)) = self.session.send(Offer { sink, leash }).await
            && let Some(true) = leashed.hold(self.stand(trial)).await
        {
            return self.serve(leashed).await;
        }
        say(self.sink, farewell(NOT_UPGRADED));
    }

    /// Stands a trial; whether it has become the session's transport.
    async fn stand(&mut self, trial: TrialId) -> bool {
        loop {
            let packet = self.next().await.ok();
            match self.session.send(Tried { trial, packet }).await {
                Ok(Verdict::Probed) => {
                    let pong = String::from(Packet::PongUpgrade);
                    if self.sink.text(pong).await.is_err() {
                        return false;
                    }
                }
                Ok(Verdict::Upgraded) => return true,
                Ok(Verdict::Refused) | Err(_) => return false,
            }
        }
    }

    /// Forwards messages until there are no more, and says why.
    async fn forward(&mut self) -> CloseReason {
        loop {
            let incoming = match self.next().await {
                Ok(incoming) => incoming,
                Err(reason) => return reason,
            };
            // What a malformed packet leads to is the session's affair.
            if self.session.send(Arrived::now(incoming)).await.is_err() {
                return CloseReason::TransportClose;
            }
        }
    }

    /// The next message, put together from its fragments; or why there is none.
    async fn next(&mut self) -> Result<Incoming, CloseReason> {
        loop {
            let message = match self.source.recv().await {
                Some(Ok(message)) => message,
                Some(Err(error)) => return Err(violation(&error)),
                None => return Err(CloseReason::TransportClose),
            };
            match message {
                // A copy, for the original is a slice of a buffer shared with what is read after it.
                Message::Text(text) => return Ok(Incoming::Text(Str::copy_from_slice(&text))),
                Message::Binary(bytes) => return Ok(Incoming::Binary(bytes)),
                Message::Continuation(item) => match self.fragments.add(item) {
                    Ok(None) => {}
                    Ok(Some(Whole::Binary(bytes))) => return Ok(Incoming::Binary(bytes)),
                    Ok(Some(Whole::Text(bytes))) => {
                        return match String::from_utf8(bytes.into()) {
                            Ok(text) => Ok(Incoming::Text(Str::from(text))),
                            Err(_) => Err(CloseReason::InvalidText),
                        };
                    }
                    Err(_) => return Err(CloseReason::TooLarge),
                },
                Message::Ping(bytes) => {
                    let answered = self.sink.pong(&bytes).await;
                    answered.map_err(|_| CloseReason::TransportClose)?;
                }
                Message::Pong(_) | Message::Nop => {}
                Message::Close(reason) => {
                    let _no_room = unconstrained(self.sink.clone().close(reason)).now_or_never();
                    return Err(CloseReason::TransportClose);
                }
            }
        }
    }
}

/// Which rule a peer broke, if it was not the network.
fn violation(error: &ProtocolError) -> CloseReason {
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
