//! A TCP connection that can be aborted from another task.
//!
//! The HTTP server writes to a connection and waits until the peer reads. A peer that never reads would hold a
//! descriptor and full buffers until the kernel times out, and the server offers no access to a connection that it has
//! taken over. An [`AbortableStream`] therefore replaces the bare stream: its [`AbortHandle`] makes the next read or
//! write fail, and the kernel discards what it still buffers.

use std::{
    any::Any,
    fmt, io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use actix_web::rt::net::TcpStream;
use futures_util::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A TCP stream for the HTTP server that an [`AbortHandle`] can end.
pub struct AbortableStream {
    stream: TcpStream,
    state: Arc<AbortState>,
    kept: Option<Box<dyn Any + Send>>,
}

/// Aborts an [`AbortableStream`]. The Engine.IO server looks for it in the connection's data.
///
/// A clone aborts the same connection. The handle does not keep the connection open, and aborting an ended connection has
/// no effect.
#[derive(Clone, Debug)]
pub struct AbortHandle(Arc<AbortState>);

#[derive(Debug, Default)]
struct AbortState {
    aborted: AtomicBool,
    /// The task that serves the connection, while it waits for the peer.
    waker: AtomicWaker,
}

impl AbortableStream {
    /// Wraps a connection that was just accepted.
    pub fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            state: Arc::default(),
            kept: None,
        }
    }

    /// Keeps a value, such as a permit, as long as the connection exists, also after a websocket has taken it over.
    #[must_use]
    pub fn keep(mut self, value: impl Send + 'static) -> Self {
        self.kept = Some(Box::new(value));
        self
    }

    /// Returns the connection, which cannot be aborted any more, and the value that lives as long as it.
    pub(super) fn into_parts(self) -> (TcpStream, Option<Box<dyn Any + Send>>) {
        (self.stream, self.kept)
    }

    /// Returns a handle that aborts the connection.
    pub fn abort_handle(&self) -> AbortHandle {
        AbortHandle(self.state.clone())
    }

    /// Returns the underlying connection.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Polls `operation`, or fails if the connection was aborted.
    fn poll_unless_aborted<T>(
        &mut self,
        cx: &mut Context<'_>,
        operation: impl FnOnce(Pin<&mut TcpStream>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if !self.state.is_aborted() {
            let outcome = operation(Pin::new(&mut self.stream), cx);
            if outcome.is_ready() {
                return outcome;
            }
            self.state.waker.register(cx.waker());
            // An abort before the registration has woken no task.
            if !self.state.is_aborted() {
                return Poll::Pending;
            }
        }
        // With a linger time of zero, closing resets the connection and discards unsent data.
        let _already_closed = socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
        Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()))
    }
}

impl fmt::Debug for AbortableStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AbortableStream")
            .field(&self.stream)
            .finish()
    }
}

impl AbortHandle {
    /// Ends the connection now, whatever its peer does.
    pub fn abort(&self) {
        self.0.aborted.store(true, Ordering::Release);
        self.0.waker.wake();
    }
}

impl AbortState {
    fn is_aborted(&self) -> bool {
        self.aborted.load(Ordering::Acquire)
    }
}

impl AsyncRead for AbortableStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll_unless_aborted(cx, |stream, cx| stream.poll_read(cx, buffer))
    }
}

impl AsyncWrite for AbortableStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_unless_aborted(cx, |stream, cx| stream.poll_write(cx, bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_unless_aborted(cx, AsyncWrite::poll_flush)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_unless_aborted(cx, AsyncWrite::poll_shutdown)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_unless_aborted(cx, |stream, cx| stream.poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    /// Opens a connection; the accepted end is abortable.
    async fn connection() -> (AbortableStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap());
        let (peer, accepted) = tokio::join!(peer, listener.accept());
        (AbortableStream::new(accepted.unwrap().0), peer.unwrap())
    }

    #[tokio::test]
    async fn reads_and_writes_pass_through() {
        let (mut stream, mut peer) = connection().await;
        stream.write_all(b"there").await.unwrap();
        peer.write_all(b"back").await.unwrap();
        let (mut there, mut back) = ([0; 5], [0; 4]);
        peer.read_exact(&mut there).await.unwrap();
        stream.read_exact(&mut back).await.unwrap();
        assert_eq!((&there, &back), (b"there", b"back"));
    }

    #[tokio::test]
    async fn abort_fails_a_blocked_write_and_resets_the_peer() {
        let (mut stream, mut peer) = connection().await;
        let abort_handle = stream.abort_handle();
        let writer = tokio::spawn(async move {
            loop {
                if let Err(error) = stream.write_all(&[0; 65536]).await {
                    return error.kind();
                }
            }
        });
        // Once no more data arrives, the peer's window is closed and the writer is blocked.
        let mut unread = 0;
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let available = peer.peek(&mut vec![0; 8 << 20]).await.unwrap();
            if available == unread {
                break;
            }
            unread = available;
        }
        assert!(!writer.is_finished());
        abort_handle.abort();
        let error = tokio::time::timeout(Duration::from_secs(5), writer).await;
        assert_eq!(error.unwrap().unwrap(), io::ErrorKind::ConnectionAborted);
        // The peer can read what it has received; then the connection is reset.
        let mut received = Vec::new();
        let end = peer.read_to_end(&mut received).await.unwrap_err();
        assert_eq!(end.kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(received.len(), unread);
    }

    #[tokio::test]
    async fn abort_before_a_read_takes_effect_and_abort_after_the_end_does_nothing() {
        let (mut stream, _peer) = connection().await;
        let abort_handle = stream.abort_handle();
        abort_handle.clone().abort();
        let read = stream.read(&mut [0; 8]).await.unwrap_err();
        assert_eq!(read.kind(), io::ErrorKind::ConnectionAborted);
        drop(stream);
        abort_handle.abort();
    }
}
