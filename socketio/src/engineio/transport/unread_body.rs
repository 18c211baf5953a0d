//! Closes the connection behind a response if the body of its request was not read to the end.
//!
//! actix-http reads a chunked body that was dropped to its end, which may never arrive, and without a time limit. If the
//! body still exists when the response was sent, actix-http closes the connection instead. The response therefore holds
//! the body.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::{
    HttpResponse,
    body::{BodySize, BoxBody, MessageBody},
    dev,
};
use bytes::Bytes;

/// Returns `response` so that it closes the connection, unless the request's body was read to its end.
pub(in crate::engineio) fn close_connection_if_unread(
    response: HttpResponse,
    unread: dev::Payload,
) -> HttpResponse {
    match unread {
        dev::Payload::None => response,
        unread => response.map_body(|_, body| {
            BoxBody::new(ResponseHoldingRequest {
                body,
                _unread: unread,
            })
        }),
    }
}

/// A response body that holds the unread body of its request.
struct ResponseHoldingRequest {
    body: BoxBody,
    _unread: dev::Payload,
}

impl MessageBody for ResponseHoldingRequest {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_next(cx)
    }
}
