//! The polling transport: a GET is parked until frames are queued for the client, and a POST delivers packets from it.
//!
//! Both may arrive on any worker thread, so both use the session's address. A request that the client aborts before the
//! response ends the session, because the client cannot know what has arrived.

use std::pin::pin;

use actix_web::{
    HttpRequest, HttpResponse, dev,
    http::header::{self, HeaderValue},
};
use bytes::{Bytes, BytesMut};
use engineioxide_core::ProtocolVersion;
use futures_util::StreamExt;
use tokio::sync::oneshot;

use super::payload::{self, MalformedPayload, PollPayload, PostedFormat};
use crate::engineio::{
    address::SessionAddress,
    close_reason::CloseReason,
    encoded_packet::EncodedPacket,
    error::HandshakeError,
    message::{BeginPost, MalformedPacket, PacketReceived, PollRequest, SessionSignal},
};

const TEXT_PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=UTF-8");
/// The type of the reference implementation: some browsers offer plain text as a download.
const TEXT_HTML: HeaderValue = HeaderValue::from_static("text/html");
const OCTET_STREAM: HeaderValue = HeaderValue::from_static("application/octet-stream");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// Answers a GET as soon as frames are queued for the session's client.
pub(in crate::engineio) async fn poll(
    session: SessionAddress,
) -> Result<HttpResponse, HandshakeError> {
    let payload = abort_session_if_dropped(&session, async {
        let (reply, answer) = oneshot::channel();
        let parked = session.polls().send(PollRequest(reply)).await;
        parked.map_err(|_| HandshakeError::SessionUnknown)?;
        let answered = answer.await;
        answered.map_err(|_| HandshakeError::SessionUnknown)?
    });
    Ok(match payload.await? {
        PollPayload::Text(payload) => ok(TEXT_PLAIN, payload),
        PollPayload::Binary(payload) => ok(OCTET_STREAM, payload),
    })
}

/// What the body of a POST may be.
#[derive(Clone, Copy, Debug)]
pub(in crate::engineio) struct PostOptions {
    /// The protocol version of the session.
    pub(in crate::engineio) version: ProtocolVersion,
    /// The largest body in bytes.
    pub(in crate::engineio) max_payload: usize,
}

/// Answers a POST when the session has handled all packets of its body.
pub(in crate::engineio) async fn post(
    session: SessionAddress,
    request: &HttpRequest,
    body: &mut dev::Payload,
    options: PostOptions,
) -> Result<HttpResponse, HandshakeError> {
    let receive = receive_packets(&session, request, body, options);
    match abort_session_if_dropped(&session, receive).await {
        Ok(()) => Ok(ok(TEXT_HTML, Bytes::from_static(b"ok"))),
        Err(PostError::Refused(error)) => Err(error),
        Err(PostError::TooLarge) => Ok(HttpResponse::PayloadTooLarge().finish()),
        Err(PostError::Fatal(reason)) => {
            let ended = SessionSignal::TransportEnded(reason);
            let _session_ended = session.signals().send(ended).await;
            Err(HandshakeError::BadRequest)
        }
    }
}

/// Why a POST failed.
enum PostError {
    /// The session refuses the request, or has ended.
    Refused(HandshakeError),
    /// The body is too large. The session is not affected, because the body was not read.
    TooLarge,
    /// The request violates the protocol or was interrupted, which ends the session.
    Fatal(CloseReason),
}

impl From<HandshakeError> for PostError {
    fn from(error: HandshakeError) -> Self {
        Self::Refused(error)
    }
}

async fn receive_packets(
    session: &SessionAddress,
    request: &HttpRequest,
    body: &mut dev::Payload,
    options: PostOptions,
) -> Result<(), PostError> {
    let PostOptions {
        version,
        max_payload,
    } = options;
    let unknown = |_| HandshakeError::SessionUnknown;
    let mut task = session.posts().send(BeginPost).await.map_err(unknown)??;
    let header = |name| request.headers().get(name)?.to_str().ok();
    let Some(format) = PostedFormat::of(version, header(header::CONTENT_TYPE)) else {
        return Err(PostError::Fatal(CloseReason::TransportError));
    };
    let declared = header(header::CONTENT_LENGTH).and_then(|length| length.parse::<usize>().ok());
    if declared.is_some_and(|length| length > max_payload) {
        return Err(PostError::TooLarge);
    }
    let body = task.run(pin!(read_body(body, max_payload))).await;
    let body = body.ok_or(HandshakeError::SessionUnknown)?;
    if let Err(PostError::TooLarge) = &body {
        let counted = PacketReceived::now(EncodedPacket::Counted(max_payload));
        let _session_ended = session.packets().send(counted).await;
    }
    let body = body?;
    let packets = payload::split(&body, format).map_err(|malformed| match malformed {
        MalformedPayload::NotUtf8 => PostError::Fatal(CloseReason::InvalidText),
        MalformedPayload::TooManyPackets => PostError::Fatal(CloseReason::TooLarge),
        MalformedPayload::InvalidLength => PostError::Fatal(CloseReason::ParseError),
    })?;
    let recipient = session.packets();
    for packet in packets {
        let packet = PacketReceived::now(packet);
        let handled = recipient.send(packet).await.map_err(unknown)?;
        handled.map_err(|MalformedPacket| HandshakeError::BadRequest)?;
    }
    Ok(())
}

/// Reads the whole body if it has at most `max_payload` bytes.
async fn read_body(body: &mut dev::Payload, max_payload: usize) -> Result<Bytes, PostError> {
    let mut payload = BytesMut::new();
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|_interrupted| PostError::Fatal(CloseReason::TransportClose))?;
        if payload.len() + chunk.len() > max_payload {
            return Err(PostError::TooLarge);
        }
        payload.extend_from_slice(&chunk);
    }
    Ok(payload.freeze())
}

fn ok(content_type: HeaderValue, body: Bytes) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, content_type))
        .insert_header((header::CACHE_CONTROL, NO_STORE))
        .body(body)
}

/// Returns the output of `work`. If the future is dropped before, which happens when the client aborts the request, the
/// session is notified.
async fn abort_session_if_dropped<T>(session: &SessionAddress, work: impl Future<Output = T>) -> T {
    let mut guard = RequestGuard {
        session: Some(session),
    };
    let output = work.await;
    guard.session = None;
    output
}

/// Notifies the session of an aborted request when dropped, unless `session` was removed.
struct RequestGuard<'a> {
    session: Option<&'a SessionAddress>,
}

impl Drop for RequestGuard<'_> {
    fn drop(&mut self) {
        if let Some(session) = self.session {
            session.signal_sender().send(SessionSignal::RequestAborted);
        }
    }
}
