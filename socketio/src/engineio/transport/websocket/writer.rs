//! Writes the frames of an outbox to a websocket whose connection the HTTP server serves.
//!
//! actix-ws buffers up to 32 frames in a channel and joins them into one write. The writer runs on the socket's worker
//! thread until the outbox is closed. While it waits for a peer that does not read, it watches for a discarded outbox.

use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};

use actix_web::rt;

use super::sink::{WebSocketSink, close_frame, try_close};
use crate::engineio::{
    abort::AbortHandle, frame::Frame, message::SessionSignal, outbox::WriterStep,
    socket::SessionSocket,
};

/// Time in which a peer can receive the close frame before its connection is aborted.
const CLOSE_FRAME_TIMEOUT: Duration = Duration::from_secs(1);

/// Starts the writer on the current thread, which must be the socket's.
pub(in crate::engineio) fn spawn_writer(socket: SessionSocket, sink: WebSocketSink) {
    rt::spawn(write_outbox(socket, sink));
}

async fn write_outbox(socket: SessionSocket, sink: WebSocketSink) {
    let WebSocketSink {
        mut session,
        abort_handle,
        binary,
    } = sink;
    let outbox = socket.outbox();
    loop {
        match poll_fn(|cx| outbox.poll_next(cx)).await {
            WriterStep::Write(frame) => {
                let size = frame.len();
                let write = unless_discarded(&socket, async {
                    match frame.encode(binary) {
                        Frame::Text(text) => session.text(text).await,
                        Frame::Binary(bytes) => session.binary(bytes).await,
                    }
                });
                match write.await {
                    Some(Ok(())) => outbox.record_written(size),
                    // The connection is closed; the reader detects and reports it.
                    Some(Err(_)) => return,
                    None => {}
                }
            }
            WriterStep::Close(reason) => {
                let close = session.close(Some(close_frame(reason)));
                let closed = unless_discarded(&socket, close).await;
                socket.signal(SessionSignal::Flushed);
                if closed.is_none() {
                    abort_after_timeout(abort_handle).await;
                }
                return;
            }
            WriterStep::Abort(reason) => {
                try_close(session, Some(close_frame(reason)));
                socket.signal(SessionSignal::Flushed);
                drop(socket);
                return abort_after_timeout(abort_handle).await;
            }
        }
    }
}

/// Returns the output of `write`, or `None` if the outbox is discarded first.
async fn unless_discarded<T>(socket: &SessionSocket, write: impl Future<Output = T>) -> Option<T> {
    let mut write = pin!(write);
    poll_fn(|cx| match write.as_mut().poll(cx) {
        Poll::Ready(written) => Poll::Ready(Some(written)),
        Poll::Pending => socket.outbox().poll_discarded(cx).map(|()| None),
    })
    .await
}

/// Aborts the connection of a peer that may never read again; nothing else would free its buffers.
async fn abort_after_timeout(abort_handle: Option<AbortHandle>) {
    if let Some(abort_handle) = abort_handle {
        rt::time::sleep(CLOSE_FRAME_TIMEOUT).await;
        abort_handle.abort();
    }
}
