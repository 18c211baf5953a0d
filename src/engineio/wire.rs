//! A TCP connection that can be cut from elsewhere.
//!
//! Whoever serves a connection writes to it and waits until the peer takes what is written. A peer that takes nothing
//! would be waited for until the kernel gives it up, and hold a descriptor and full buffers until then: there is no other
//! way to what the HTTP server has taken over. So the server is given a [`Wire`] in place of the bare stream, and whoever
//! holds its [`Cutter`] ends it: the next read or write fails, and the kernel forgets at once what it still held.

use std::{
    io,
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

/// A connection, as the HTTP server serves it.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    line: Arc<Line>,
}

/// What cuts a [`Wire`]; the server finds it among the data of its connection. A clone cuts the same one. It does not
/// keep the connection open, and cutting one that has ended does nothing.
#[derive(Clone, Debug)]
pub struct Cutter(Arc<Line>);

#[derive(Debug, Default)]
struct Line {
    cut: AtomicBool,
    /// Whoever serves the connection, while there is nothing to do for it.
    served: AtomicWaker,
}

impl Wire {
    /// A connection that was just accepted.
    pub fn new(stream: TcpStream) -> Self {
        let line = Arc::default();
        Self { stream, line }
    }

    /// What cuts it.
    pub fn cutter(&self) -> Cutter {
        Cutter(self.line.clone())
    }

    /// The connection itself.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// The outcome of `work`, unless the wire is cut.
    fn unless_cut<T>(
        &mut self,
        cx: &mut Context<'_>,
        work: impl FnOnce(Pin<&mut TcpStream>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if !self.line.is_cut() {
            let outcome = work(Pin::new(&mut self.stream), cx);
            if outcome.is_ready() {
                return outcome;
            }
            self.line.served.register(cx.waker());
            // A cut before that has woken nobody.
            if !self.line.is_cut() {
                return Poll::Pending;
            }
        }
        // What is still on its way is for nobody: the connection is reset when it is closed, not closed when it is read.
        let _already_gone = socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
        Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()))
    }
}

impl Cutter {
    /// Ends the connection now, whatever its peer does.
    pub fn cut(&self) {
        self.0.cut.store(true, Ordering::Release);
        self.0.served.wake();
    }
}

impl Line {
    fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Acquire)
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.unless_cut(cx, |stream, cx| stream.poll_read(cx, buffer))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.unless_cut(cx, |stream, cx| stream.poll_write(cx, bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.unless_cut(cx, AsyncWrite::poll_flush)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.unless_cut(cx, AsyncWrite::poll_shutdown)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.unless_cut(cx, |stream, cx| stream.poll_write_vectored(cx, slices))
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

    /// Both ends of a connection, the accepted one as a wire.
    async fn connection() -> (Wire, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap());
        let (peer, accepted) = tokio::join!(peer, listener.accept());
        (Wire::new(accepted.unwrap().0), peer.unwrap())
    }

    #[tokio::test]
    async fn what_is_written_and_read_goes_through() {
        let (mut wire, mut peer) = connection().await;
        wire.write_all(b"there").await.unwrap();
        peer.write_all(b"back").await.unwrap();
        let (mut there, mut back) = ([0; 5], [0; 4]);
        peer.read_exact(&mut there).await.unwrap();
        wire.read_exact(&mut back).await.unwrap();
        assert_eq!((&there, &back), (b"there", b"back"));
    }

    #[tokio::test]
    async fn who_waits_for_a_peer_that_does_not_read_is_told_of_the_cut_and_the_peer_reset() {
        let (mut wire, mut peer) = connection().await;
        let cutter = wire.cutter();
        let serving = tokio::spawn(async move {
            loop {
                if let Err(error) = wire.write_all(&[0; 65536]).await {
                    return error.kind();
                }
            }
        });
        // Nothing arrives any more: the peer's window is closed, and the writer waits.
        let mut unread = 0;
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let waiting = peer.peek(&mut vec![0; 8 << 20]).await.unwrap();
            if waiting == unread {
                break;
            }
            unread = waiting;
        }
        assert!(!serving.is_finished());
        cutter.cut();
        let told = tokio::time::timeout(Duration::from_secs(5), serving).await;
        assert_eq!(told.unwrap().unwrap(), io::ErrorKind::ConnectionAborted);
        // What it had received it may still read; then there is no end in order.
        let mut received = Vec::new();
        let end = peer.read_to_end(&mut received).await.unwrap_err();
        assert_eq!(end.kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(received.len(), unread);
    }

    #[tokio::test]
    async fn a_cut_that_comes_first_counts_too_and_one_after_the_end_does_nothing() {
        let (mut wire, _peer) = connection().await;
        let cutter = wire.cutter();
        cutter.clone().cut();
        let read = wire.read(&mut [0; 8]).await.unwrap_err();
        assert_eq!(read.kind(), io::ErrorKind::ConnectionAborted);
        drop(wire);
        cutter.cut();
    }
}
