//! Accepts the websocket upgrade of an HTTP request, and connects the websocket to a session.

use std::{pin::Pin, rc::Rc};

use actix_web::{
    FromRequest, HttpRequest, HttpResponse, dev, error::PayloadError, http::header, rt, web,
};
use bytes::Bytes;
use futures_util::Stream;

use super::{
    WebSocketOptions,
    frame_guard::FrameSizeGuard,
    reader::WebSocketReader,
    sink::WebSocketSink,
    stream::{ServedStream, WebSocketStream},
    takeover::{self, TakeoverReceiver},
    upgrade_request,
    wire::{
        flusher::OutboxFlusher,
        serve::{ServedSession, serve_connection},
        stream::WireStream,
    },
    writer::spawn_writer,
};
use crate::engineio::{
    abort::AbortHandle,
    address::SessionAddress,
    close_reason::CloseReason,
    error::HandshakeError,
    message::SessionSignal,
    socket::SessionSocket,
    task_guard::{TaskGuard, task_guard},
};

type BoxedPayloadStream = Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>>;

/// A websocket that was accepted and has no session yet.
pub(in crate::engineio) struct AcceptedWebSocket {
    connection: AcceptedConnection,
    options: WebSocketOptions,
}

enum AcceptedConnection {
    /// The HTTP server serves it.
    Served(Box<ServedStream>),
    /// The HTTP server hands it over after the response.
    Taken(TakeoverReceiver),
}

impl AcceptedWebSocket {
    /// Accepts the websocket that `request` requests.
    pub(in crate::engineio) async fn accept(
        request: &HttpRequest,
        body: dev::Payload,
        options: WebSocketOptions,
    ) -> Result<(HttpResponse, Self), HandshakeError> {
        let subprotocol = upgrade_request::check(request)?;
        let (mut response, connection) = if takeover::is_offered(request) {
            let (response, receiver) = takeover::accept(request)?;
            (response, AcceptedConnection::Taken(receiver))
        } else {
            accept_served(request, body, options).await?
        };
        if let Some(subprotocol) = subprotocol {
            let headers = response.headers_mut();
            headers.insert(header::SEC_WEBSOCKET_PROTOCOL, subprotocol);
        }
        Ok((
            response,
            Self {
                connection,
                options,
            },
        ))
    }

    /// Makes the websocket the transport of a new session. The session holds the returned guard of the reader.
    pub(in crate::engineio) fn attach(
        self,
        socket: SessionSocket,
        address: SessionAddress,
        flusher: Rc<OutboxFlusher>,
    ) -> TaskGuard {
        let (guard, task) = task_guard();
        let options = self.options;
        match self.connection {
            AcceptedConnection::Served(served) => {
                spawn_writer(socket, served.sink.clone());
                let stream = WebSocketStream::Served(served);
                let mut reader = WebSocketReader::new(stream, options.max_message, address);
                let mut task = task;
                rt::spawn(async move { reader.serve(&mut task).await });
            }
            AcceptedConnection::Taken(receiver) => {
                let session = ServedSession {
                    socket,
                    address,
                    flusher,
                };
                rt::spawn(async move {
                    match receiver.await {
                        // A task of its own, because this one has no memory for it.
                        Ok(connection) => serve_connection(connection, options, session, task),
                        Err(_never_answered) => {
                            let ended = SessionSignal::TransportEnded(CloseReason::TransportClose);
                            session.socket.signal(ended);
                        }
                    }
                });
            }
        }
        guard
    }

    /// Offers the websocket to a polling session. It is closed if the session does not accept it.
    pub(in crate::engineio) fn offer_upgrade(self, address: SessionAddress) {
        let options = self.options;
        rt::spawn(async move {
            let stream = match self.connection {
                AcceptedConnection::Served(served) => WebSocketStream::Served(served),
                AcceptedConnection::Taken(receiver) => {
                    // Nothing depends on a websocket that never was.
                    let Ok(connection) = receiver.await else {
                        return;
                    };
                    let mut stream = WireStream::new(connection, options.max_message);
                    // The response.
                    if stream.flush().await.is_err() {
                        return;
                    }
                    WebSocketStream::Wire {
                        stream,
                        binary: options.binary,
                    }
                }
            };
            let reader = WebSocketReader::new(stream, options.max_message, address);
            reader.upgrade().await;
        });
    }
}

/// Accepts a websocket on a connection that the HTTP server goes on to serve.
async fn accept_served(
    request: &HttpRequest,
    body: dev::Payload,
    options: WebSocketOptions,
) -> Result<(HttpResponse, AcceptedConnection), HandshakeError> {
    let max_message = options.max_message;
    let guard: BoxedPayloadStream = Box::pin(FrameSizeGuard::new(body, max_message));
    let mut guarded = dev::Payload::from(guard);
    let body = web::Payload::from_request(request, &mut guarded)
        .await
        .expect("extracting a payload cannot fail");
    let (response, session, messages) =
        actix_ws::handle(request, body).map_err(|_| HandshakeError::BadRequest)?;
    let served = ServedStream {
        sink: WebSocketSink {
            session,
            abort_handle: request.conn_data::<AbortHandle>().cloned(),
            binary: options.binary,
        },
        messages: messages.max_frame_size(max_message),
    };
    Ok((response, AcceptedConnection::Served(Box::new(served))))
}
