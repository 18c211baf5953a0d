//! The rest of a request: what of its body nobody has read when it is answered.
//!
//! actix-http reads a chunked body that was dropped on to its end, which need not ever come, and a connection that is
//! read on so has no time limit. Where the body is still held when the answer has left, it closes the connection. So
//! the answer holds it.

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

/// Has `answer` close the connection, unless the request's body was read to its end.
pub(in crate::engineio) fn close_behind(answer: HttpResponse, rest: dev::Payload) -> HttpResponse {
    match rest {
        dev::Payload::None => answer,
        rest => answer.map_body(|_, body| BoxBody::new(Holding { body, _rest: rest })),
    }
}

struct Holding {
    body: BoxBody,
    _rest: dev::Payload,
}

impl MessageBody for Holding {
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
