//! The websocket: one frame is one packet.
//!
//! Two tasks serve it. The reader forwards each message to the session's address and awaits it. The pump drains the
//! outbox into actix-ws, whose body joins what waits in its channel (32 places) into one write; it runs on until
//! the outbox tells it to stop, and looks for that also while it waits for a peer that does not read.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    str::Utf8Error,
    task::Poll,
};

use actix::Addr;
use actix_web::{FromRequest, HttpRequest, HttpResponse, dev, error::PayloadError, rt, web};
use actix_ws::{CloseCode, Message, MessageStream, ProtocolError};
use bytes::Bytes;
use engineioxide_core::Str;
use futures_util::{FutureExt, Stream};
use tokio::task::{AbortHandle, unconstrained};

use super::{
    fragments::{Fragments, Whole},
    guard::Guard,
};
use crate::engineio::{
    error::{CloseReason, HandshakeError},
    frame::Frame,
    outbox::Next,
    session::{Incoming, Session, Signal},
    socket::Socket,
};

type BoxedPayloadStream = Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>>;

/// A websocket that was accepted and has no session yet.
pub(in crate::engineio) struct WebSocket {
    sink: actix_ws::Session,
    source: MessageStream,
    limit: usize,
}

impl WebSocket {
    /// Accepts the upgrade that `request` asks for. No message may be larger than `limit`.
    pub(in crate::engineio) async fn accept(
        request: &HttpRequest,
        body: web::Payload,
        limit: usize,
    ) -> Result<(HttpResponse, Self), HandshakeError> {
        let guard: BoxedPayloadStream = Box::pin(Guard::new(body.into_inner(), limit));
        let mut guarded = dev::Payload::from(guard);
        let body = web::Payload::from_request(request, &mut guarded)
            .await
            .expect("taking a payload cannot fail");
        let (response, sink, source) =
            actix_ws::handle(request, body).map_err(|_| HandshakeError::BadRequest)?;
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

    /// Lets it serve `socket`, whose session is at `session`; the handle ends the reading.
    pub(in crate::engineio) fn attach(self, socket: Socket, session: Addr<Session>) -> AbortHandle {
        let reader = Reader {
            source: self.source,
            fragments: Fragments::new(self.limit),
            sink: self.sink.clone(),
            session,
        };
        rt::spawn(pump(self.sink, socket));
        rt::spawn(reader.run()).abort_handle()
    }
}

/// Drains the outbox until it ends.
async fn pump(mut sink: actix_ws::Session, socket: Socket) {
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
                unless_cut(&socket, sink.close(Some(farewell(reason)))).await;
                return socket.signal(Signal::Flushed);
            }
            Next::Stop(reason) => return say(sink, farewell(reason)),
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
    session: Addr<Session>,
}

impl Reader {
    async fn run(mut self) {
        let reason = self.read().await;
        // A session that is gone already needs no telling.
        let _gone = self.session.send(Signal::Gone(reason)).await;
    }

    /// Forwards messages until there are no more, and says why.
    async fn read(&mut self) -> CloseReason {
        loop {
            let message = match self.source.recv().await {
                Some(Ok(message)) => message,
                Some(Err(error)) => return violation(&error),
                None => return CloseReason::TransportClose,
            };
            let incoming = match message {
                // A copy, for the original is a slice of a buffer shared with what is read after it.
                Message::Text(text) => Incoming::Text(Str::copy_from_slice(&text)),
                Message::Binary(bytes) => Incoming::Binary(bytes),
                Message::Continuation(item) => match self.fragments.add(item) {
                    Ok(None) => continue,
                    Ok(Some(Whole::Binary(bytes))) => Incoming::Binary(bytes),
                    Ok(Some(Whole::Text(bytes))) => match String::from_utf8(bytes.into()) {
                        Ok(text) => Incoming::Text(Str::from(text)),
                        Err(_) => return CloseReason::InvalidText,
                    },
                    Err(_) => return CloseReason::TooLarge,
                },
                Message::Ping(bytes) => match self.sink.pong(&bytes).await {
                    Ok(()) => continue,
                    Err(_) => return CloseReason::TransportClose,
                },
                Message::Pong(_) | Message::Nop => continue,
                Message::Close(reason) => {
                    let _no_room = unconstrained(self.sink.clone().close(reason)).now_or_never();
                    return CloseReason::TransportClose;
                }
            };
            if self.session.send(incoming).await.is_err() {
                return CloseReason::TransportClose;
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
