//! Polling: a GET is parked until something waits for the client, a POST brings packets from it.
//!
//! Either may arrive at any worker thread, so both speak to the session by its address. A request that is given up
//! before its answer is the end of the session: nobody can say what of it has arrived.

use actix::Addr;
use actix_web::{
    HttpRequest, HttpResponse, dev,
    http::header::{self, HeaderValue},
};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use tokio::sync::oneshot;

use super::payload;
use crate::engineio::{
    error::{CloseReason, HandshakeError},
    message::{Arrived, Incoming, Malformed, Poll, Post, Signal},
    session::Session,
};

const TEXT_PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=UTF-8");
/// As the reference implementation has it: some browsers offer plain text as a download.
const TEXT_HTML: HeaderValue = HeaderValue::from_static("text/html");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// Answers a GET as soon as something waits for the session's client.
pub(in crate::engineio) async fn poll(
    session: Addr<Session>,
) -> Result<HttpResponse, HandshakeError> {
    let payload = unless_cut(&session, async {
        let (reply, answer) = oneshot::channel();
        let parked = session.send(Poll(reply)).await;
        parked.map_err(|_| HandshakeError::SessionUnknown)?;
        let answered = answer.await;
        answered.map_err(|_| HandshakeError::SessionUnknown)?
    });
    Ok(answer(TEXT_PLAIN, payload.await?))
}

/// Answers a POST when the session has taken everything that it brings, at most `limit` bytes.
pub(in crate::engineio) async fn post(
    session: Addr<Session>,
    request: &HttpRequest,
    body: &mut dev::Payload,
    limit: usize,
) -> Result<HttpResponse, HandshakeError> {
    let received = unless_cut(&session, receive(&session, request, body, limit));
    match received.await {
        Ok(()) => Ok(answer(TEXT_HTML, Bytes::from_static(b"ok"))),
        Err(Failure::Refused(error)) => Err(error),
        Err(Failure::TooLarge) => Ok(HttpResponse::PayloadTooLarge().finish()),
        Err(Failure::Broken(reason)) => {
            // A session that is gone already needs no telling.
            let _gone = session.send(Signal::Gone(reason)).await;
            Err(HandshakeError::BadRequest)
        }
    }
}

/// What a POST came to, if not to a good end.
enum Failure {
    /// It has no part in the session, or the session has ended.
    Refused(HandshakeError),
    /// It brings too much. The session does not suffer from what was not read.
    TooLarge,
    /// It breaks the rules, or broke off, and ends the session.
    Broken(CloseReason),
}

impl From<HandshakeError> for Failure {
    fn from(error: HandshakeError) -> Self {
        Self::Refused(error)
    }
}

async fn receive(
    session: &Addr<Session>,
    request: &HttpRequest,
    body: &mut dev::Payload,
    limit: usize,
) -> Result<(), Failure> {
    let unknown = |_| HandshakeError::SessionUnknown;
    let mut leashed = session.send(Post).await.map_err(unknown)??;
    let header = |name| request.headers().get(name)?.to_str().ok();
    if header(header::CONTENT_TYPE) == Some("application/octet-stream") {
        return Err(Failure::Broken(CloseReason::TransportError));
    }
    let declared = header(header::CONTENT_LENGTH).and_then(|length| length.parse::<usize>().ok());
    if declared.is_some_and(|length| length > limit) {
        return Err(Failure::TooLarge);
    }
    let read = leashed.hold(read(body, limit)).await;
    let body = read.ok_or(HandshakeError::SessionUnknown)??;
    let packets = payload::split(&body).map_err(|malformed| match malformed {
        payload::Malformed::NotText => Failure::Broken(CloseReason::InvalidText),
        payload::Malformed::TooManyPackets => Failure::Broken(CloseReason::TooLarge),
    })?;
    for packet in packets {
        let taken = session.send(Arrived::now(Incoming::Text(packet))).await;
        let taken = taken.map_err(unknown)?;
        taken.map_err(|Malformed| HandshakeError::BadRequest)?;
    }
    Ok(())
}

/// The whole body, where it is no larger than `limit`.
async fn read(body: &mut dev::Payload, limit: usize) -> Result<Bytes, Failure> {
    let mut whole = BytesMut::new();
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|_broken| Failure::Broken(CloseReason::TransportClose))?;
        if whole.len() + chunk.len() > limit {
            return Err(Failure::TooLarge);
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.freeze())
}

fn answer(content_type: HeaderValue, body: Bytes) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, content_type))
        .insert_header((header::CACHE_CONTROL, NO_STORE))
        .body(body)
}

/// The outcome of `work`. When it is dropped before, which is how a handler learns that its client has gone, the
/// session is told.
async fn unless_cut<T>(session: &Addr<Session>, work: impl Future<Output = T>) -> T {
    let mut guard = Guard {
        session,
        armed: true,
    };
    let outcome = work.await;
    guard.armed = false;
    outcome
}

struct Guard<'a> {
    session: &'a Addr<Session>,
    armed: bool,
}

impl Drop for Guard<'_> {
    #[expect(
        clippy::disallowed_methods,
        reason = "once for each request, and it ends the session"
    )]
    fn drop(&mut self) {
        if self.armed {
            self.session.do_send(Signal::Cut);
        }
    }
}
