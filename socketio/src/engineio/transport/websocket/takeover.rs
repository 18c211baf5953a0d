//! Takes the connection of a websocket over from the HTTP server.
//!
//! actix-http passes each request that asks for an upgrade to a service of its own, together with the connection. That service
//! lets the application answer, middlewares included. If the answer accepts a websocket, the connection moves to the
//! websocket's task; any other answer is sent, and the connection is closed.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    rc::Rc,
    task::Poll,
};

use actix_codec::Framed;
use actix_http::{
    ConnectionType, HttpMessage, Request, Response,
    body::{BodySize, BoxBody, MessageBody},
    h1::{Codec, Message},
    ws,
};
use actix_service::Service;
use actix_web::{Error, HttpRequest, HttpResponse, http::StatusCode};
use tokio::{
    io::{AsyncWriteExt, ReadBuf},
    sync::oneshot,
};

use super::wire::taken::{TakenConnection, WireBuffers};
use crate::engineio::{abort::AbortableStream, error::HandshakeError};

/// Receives the connection after the response.
pub(super) type TakeoverReceiver = oneshot::Receiver<TakenConnection>;

/// In a request: its connection can be taken over.
struct TakeoverOffer;

/// In a response: the connection is handed over here.
struct Takeover(oneshot::Sender<TakenConnection>);

/// Returns whether the connection of a request can be taken over.
pub(super) fn is_offered(request: &HttpRequest) -> bool {
    request.extensions().contains::<TakeoverOffer>()
}

/// Accepts a websocket. Its connection is received after the response.
///
/// # Errors
/// [`HandshakeError::BadRequest`] if the request is no handshake.
pub(super) fn accept(
    request: &HttpRequest,
) -> Result<(HttpResponse, TakeoverReceiver), HandshakeError> {
    let mut response = ws::handshake(request.head()).map_err(|_| HandshakeError::BadRequest)?;
    let mut response = HttpResponse::from(response.finish());
    let (sender, receiver) = oneshot::channel();
    response.extensions_mut().insert(Takeover(sender));
    Ok((response.map_into_boxed_body(), receiver))
}

/// Answers a request that asks for an upgrade, on the worker thread of its connection. For
/// [`HttpServiceBuilder::upgrade`](actix_http::HttpServiceBuilder::upgrade).
///
/// `app` is the service that answers all other requests, too. If it accepts a websocket of an
/// [`EngineServer`](crate::engineio::EngineServer), the connection is taken over and this returns at once. Otherwise this sends
/// the response and closes the connection.
///
/// # Errors
/// If the connection fails.
pub async fn answer_upgrade<S, B>(
    app: Rc<S>,
    request: Request,
    mut connection: Framed<AbortableStream, Codec>,
) -> Result<(), Error>
where
    S: Service<Request>,
    S::Response: Into<Response<B>>,
    S::Error: Into<Error>,
    B: MessageBody + 'static,
{
    request.extensions_mut().insert(TakeoverOffer);
    let Some(answer) = unless_closed(app.call(request), &mut connection).await else {
        return Ok(());
    };
    let mut response = match answer {
        Ok(response) => HttpResponse::from(response.into().map_into_boxed_body()),
        Err(error) => error.into().error_response(),
    };
    let takeover = response.extensions_mut().remove::<Takeover>();
    let (head, body) = response.into_parts();
    let mut head = Response::from(head);
    if let Some(Takeover(receiver)) = takeover
        && head.status() == StatusCode::SWITCHING_PROTOCOLS
    {
        Pin::new(&mut connection).write(Message::Item((head, BodySize::None)))?;
        let parts = connection.into_parts();
        let buffers = WireBuffers {
            received: parts.read_buf,
            unsent: parts.write_buf,
        };
        // Without a receiver the session has ended, and the connection is closed.
        let _session_ended = receiver.send(TakenConnection::new(parts.io, buffers));
        return Ok(());
    }
    head.head_mut().set_connection_type(ConnectionType::Close);
    send_response(&mut connection, head, pin!(body)).await?;
    connection.io_mut().shutdown().await?;
    Ok(())
}

/// Sends a response. The head and what exists of the body are sent together.
async fn send_response(
    connection: &mut Framed<AbortableStream, Codec>,
    head: Response<()>,
    mut body: Pin<&mut BoxBody>,
) -> Result<(), Error> {
    let mut connection = Pin::new(connection);
    let head = Message::Item((head, body.size()));
    connection.as_mut().write(head)?;
    loop {
        let chunk = poll_fn(|cx| {
            let chunk = body.as_mut().poll_next(cx);
            if chunk.is_pending() {
                // An error ends the next write.
                let _sent = connection.as_mut().flush(cx);
            }
            chunk
        });
        let chunk = chunk.await.transpose()?;
        let is_last = chunk.is_none();
        connection.as_mut().write(Message::Chunk(chunk))?;
        if is_last || connection.is_write_buf_full() {
            poll_fn(|cx| connection.as_mut().flush(cx)).await?;
        }
        if is_last {
            return Ok(());
        }
    }
}

/// Returns the answer, or `None` if the client closes its half of the connection first.
async fn unless_closed<T>(
    answer: impl Future<Output = T>,
    connection: &mut Framed<AbortableStream, Codec>,
) -> Option<T> {
    let mut answer = pin!(answer);
    poll_fn(|cx| {
        if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
            return Poll::Ready(Some(answer));
        }
        let mut byte = [0; 1];
        match connection
            .io_ref()
            .stream()
            .poll_peek(cx, &mut ReadBuf::new(&mut byte))
        {
            Poll::Ready(Ok(0) | Err(_)) => Poll::Ready(None),
            // The client has sent more already; its end is noticed later.
            Poll::Ready(Ok(_)) | Poll::Pending => Poll::Pending,
        }
    })
    .await
}
