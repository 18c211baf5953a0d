//! The task of a websocket whose connection was handed over: it reads until the client or the session ends, sends the
//! close frame, and closes the connection.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    rc::Rc,
    task::{Poll, ready},
    time::Duration,
};

use actix_http::ws;
use actix_web::rt::{self, time::timeout};
use bytes::BytesMut;
use futures_util::future::{Either, select};

use crate::engineio::{
    address::SessionAddress,
    close_reason::CloseReason,
    message::SessionSignal,
    outbox::OutboxEnd,
    socket::SessionSocket,
    task_guard::{GuardedTask, TaskGuard, task_guard},
    transport::websocket::{
        WebSocketOptions, reader::WebSocketReader, sink::close_frame, stream::WebSocketStream,
    },
};

use super::{
    flusher::OutboxFlusher,
    outbox_writer::{LastWrite, OutboxWriter, WriterEnd},
    stream::{WireStream, close},
    taken::TakenConnection,
    wire_io::WireIo,
};

/// Time in which a peer can receive the last frames before its connection is closed.
const LINGER: Duration = Duration::from_secs(1);

/// How many bytes are read and discarded in that time. A connection with unread bytes is reset when it is closed, and the peer
/// might lose the last frames.
const MAX_DISCARDED: usize = 64 * 1024;

/// The session of a websocket, and what writes its outbox.
pub(in crate::engineio) struct ServedSession {
    pub(in crate::engineio) socket: SessionSocket,
    pub(in crate::engineio) address: SessionAddress,
    pub(in crate::engineio) flusher: Rc<OutboxFlusher>,
}

/// Serves a connection as the websocket of a session. The session holds the returned guard of the reader.
pub(in crate::engineio) fn serve(
    connection: TakenConnection,
    options: WebSocketOptions,
    session: ServedSession,
) -> TaskGuard {
    let (guard, task) = task_guard();
    serve_connection(connection, options, session, task);
    guard
}

/// Starts the task that serves a connection until it is closed.
pub(in crate::engineio) fn serve_connection(
    connection: TakenConnection,
    options: WebSocketOptions,
    session: ServedSession,
    task: GuardedTask,
) {
    let mut websocket = ServedWebSocket::new(connection, options, session, task);
    rt::spawn(async move { websocket.serve().await });
}

/// The websocket of a session, with its connection. Its task borrows it and holds only what it waits for, so that an idle
/// websocket is small.
struct ServedWebSocket {
    io: Rc<WireIo>,
    socket: SessionSocket,
    reader: WebSocketReader,
    task: GuardedTask,
    writer: Rc<OutboxWriter>,
}

impl ServedWebSocket {
    fn new(
        connection: TakenConnection,
        options: WebSocketOptions,
        session: ServedSession,
        task: GuardedTask,
    ) -> Self {
        let ServedSession {
            socket,
            address,
            flusher,
        } = session;
        let WebSocketOptions {
            max_message,
            binary,
        } = options;
        let stream = WireStream::new(connection, max_message);
        let io = stream.io.clone();
        let writer = OutboxWriter::start(io.clone(), socket.clone(), binary, flusher);
        let stream = WebSocketStream::Wire { stream, binary };
        Self {
            io,
            socket,
            reader: WebSocketReader::new(stream, max_message, address),
            task,
            writer,
        }
    }

    /// Reads and writes until the client or the session ends, and closes the connection.
    async fn serve(&mut self) {
        let Self {
            io,
            socket,
            reader,
            task,
            writer,
        } = self;
        let reader = pin!(reader.serve(task));
        let writer = pin!(write_outbox(io, writer));
        // What follows happens once: boxed, it takes no memory before.
        match select(reader, writer).await {
            Either::Left(((), writer)) => Box::pin(end_after_reader(io, socket, writer)).await,
            Either::Right((written, reader)) => {
                Box::pin(end_after_writer(io, socket, written, reader)).await;
            }
        }
    }
}

/// Closes the connection after the client or the session has ended the reader.
async fn end_after_reader(
    io: &WireIo,
    socket: &SessionSocket,
    writer: Pin<&mut impl Future<Output = LastWrite>>,
) {
    // The session discards its outbox now, or has finished it.
    let written = writer.await;
    io.shut_down();
    socket.signal(SessionSignal::Flushed);
    if !io.has_ended() {
        let _still_open = timeout(LINGER, read_to_end(io)).await;
    }
    reset_if_unread(io, written);
}

/// Closes the connection after everything was written, or could not be.
async fn end_after_writer(
    io: &WireIo,
    socket: &SessionSocket,
    written: LastWrite,
    reader: Pin<&mut impl Future<Output = ()>>,
) {
    io.shut_down();
    match written {
        LastWrite::Sent => {
            // The client closes when it has read the close frame. Until then the session has not ended. What the client
            // sends instead is not decoded, and not read without a bound.
            let _still_open = timeout(LINGER, read_to_end(io)).await;
            socket.signal(SessionSignal::Flushed);
        }
        LastWrite::Unsent => {
            socket.signal(SessionSignal::Flushed);
            let _still_open = timeout(LINGER, read_to_end(io)).await;
        }
        LastWrite::Failed => {
            // The reader reports it as well, unless the connection has failed in one direction only.
            let _still_open = timeout(LINGER, reader).await;
            let ended = SessionSignal::TransportEnded(CloseReason::TransportClose);
            socket.signal(ended);
        }
    }
    reset_if_unread(io, written);
}

/// Makes the kernel discard what a client that does not read has not received.
fn reset_if_unread(io: &WireIo, written: LastWrite) {
    match written {
        LastWrite::Unsent if !io.has_ended() => io.reset_when_closed(),
        LastWrite::Unsent | LastWrite::Sent | LastWrite::Failed => {}
    }
}

/// Writes the outbox until it has ended, then the close frame.
async fn write_outbox(io: &WireIo, writer: &OutboxWriter) -> LastWrite {
    match poll_fn(|cx| writer.poll_end(cx)).await {
        WriterEnd::Failed => LastWrite::Failed,
        WriterEnd::Outbox(OutboxEnd::Finished(reason)) => {
            io.queue(ws::Message::Close(Some(close_frame(reason))));
            poll_fn(|cx| writer.poll_sent(cx)).await
        }
        WriterEnd::Outbox(OutboxEnd::Discarded(reason)) => {
            close(io, Some(close_frame(reason)));
            LastWrite::Unsent
        }
    }
}

/// Reads and discards until the peer closes the connection, or has sent too much.
async fn read_to_end(io: &WireIo) {
    let (mut discarded, mut buffer) = (0, BytesMut::new());
    poll_fn(|cx| {
        while discarded < MAX_DISCARDED
            && let Ok(read @ 1..) = ready!(io.poll_read(&mut buffer, cx))
        {
            discarded += read;
            buffer.clear();
        }
        Poll::Ready(())
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the size of the future that a function returns.
    fn future_size<A, F: Future>(_: impl FnOnce(A) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn task_of_an_idle_websocket_is_small() {
        let serve = |websocket: &'static mut ServedWebSocket| websocket.serve();
        let task = size_of::<ServedWebSocket>() + future_size(serve);
        assert!(task <= 768, "{task} bytes");
    }
}
