//! Accepts the websocket upgrade of an HTTP request, and connects the websocket to a session.

use std::pin::Pin;

use actix_web::{
    FromRequest, HttpRequest, HttpResponse, dev, error::PayloadError, http::header, rt, web,
};
use actix_ws::MessageStream;
use bytes::Bytes;
use futures_util::Stream;

use super::{
    fragments::FragmentAssembler, frame_guard::FrameSizeGuard, reader::WebSocketReader,
    sink::WebSocketSink, upgrade_request, writer::spawn_writer,
};
use crate::engineio::{
    abort::AbortHandle,
    address::SessionAddress,
    error::HandshakeError,
    frame::BinaryEncoding,
    socket::SessionSocket,
    task_guard::{TaskGuard, task_guard},
};

type BoxedPayloadStream = Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>>;

/// A websocket that was accepted and has no session yet.
pub(in crate::engineio) struct AcceptedWebSocket {
    sink: WebSocketSink,
    messages: MessageStream,
    max_message: usize,
}

/// The parameters of a websocket.
#[derive(Clone, Copy, Debug)]
pub(in crate::engineio) struct WebSocketOptions {
    /// The largest message of the client, in bytes.
    pub(in crate::engineio) max_message: usize,
    pub(in crate::engineio) binary: BinaryEncoding,
}

impl AcceptedWebSocket {
    /// Accepts the websocket that `request` requests.
    pub(in crate::engineio) async fn accept(
        request: &HttpRequest,
        body: dev::Payload,
        options: WebSocketOptions,
    ) -> Result<(HttpResponse, Self), HandshakeError> {
        let WebSocketOptions {
            max_message,
            binary,
        } = options;
        let subprotocol = upgrade_request::check(request)?;
        let guard: BoxedPayloadStream = Box::pin(FrameSizeGuard::new(body, max_message));
        let mut guarded = dev::Payload::from(guard);
        let body = web::Payload::from_request(request, &mut guarded)
            .await
            .expect("extracting a payload cannot fail");
        let (mut response, session, messages) =
            actix_ws::handle(request, body).map_err(|_| HandshakeError::BadRequest)?;
        if let Some(subprotocol) = subprotocol {
            let headers = response.headers_mut();
            headers.insert(header::SEC_WEBSOCKET_PROTOCOL, subprotocol);
        }
        let websocket = Self {
            sink: WebSocketSink {
                session,
                abort_handle: request.conn_data::<AbortHandle>().cloned(),
                binary,
            },
            messages: messages.max_frame_size(max_message),
            max_message,
        };
        Ok((response, websocket))
    }

    /// Makes the websocket the transport of a new session. The session holds the returned guard of the reader.
    pub(in crate::engineio) fn attach(
        self,
        socket: SessionSocket,
        address: SessionAddress,
    ) -> TaskGuard {
        let (guard, task) = task_guard();
        spawn_writer(socket, self.sink.clone());
        rt::spawn(self.into_reader(address).serve(task));
        guard
    }

    /// Offers the websocket to a polling session. It is closed if the session does not accept it.
    pub(in crate::engineio) fn offer_upgrade(self, address: SessionAddress) {
        rt::spawn(self.into_reader(address).upgrade());
    }

    fn into_reader(self, address: SessionAddress) -> WebSocketReader {
        let fragments = FragmentAssembler::new(self.max_message);
        WebSocketReader::new(self.messages, fragments, self.sink, address)
    }
}
