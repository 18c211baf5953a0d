//! Reads and writes of a connection, without waiting.

use std::{
    any::Any,
    cell::{Cell, RefCell},
    io,
    net::Shutdown,
    task::{Context, Poll, ready},
    time::Duration,
};

use actix_codec::Encoder;
use actix_http::ws;
use actix_web::rt::net::TcpStream;
use bytes::{Buf, BytesMut};
use socket2::SockRef;
use tokio::io::Interest;

use super::taken::{TakenConnection, WireBuffers};

/// How much is read at once.
const READ_SIZE: usize = 4096;

thread_local! {
    /// Where bytes are read to, before it is known how many there are. A socket has a buffer only while a message is incomplete.
    static READ: RefCell<[u8; READ_SIZE]> = const { RefCell::new([0; READ_SIZE]) };
}

/// The connection of one websocket. It stays on its worker thread.
pub(super) struct WireIo {
    stream: TcpStream,
    /// What the peer did not take yet. It is written before anything else.
    unsent: RefCell<BytesMut>,
    /// A close frame was queued: nothing follows it.
    is_closing: Cell<bool>,
    /// The peer has closed its half, or the connection has failed.
    has_ended: Cell<bool>,
    kept: Option<Box<dyn Any + Send>>,
}

/// How far the queued bytes were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// Everything.
    All,
    /// The peer takes no more for now.
    Part,
}

impl WireIo {
    /// Returns the connection, and the bytes that were already received.
    pub(super) fn new(connection: TakenConnection) -> (Self, BytesMut) {
        let TakenConnection {
            stream,
            buffers: WireBuffers { received, unsent },
            kept,
        } = connection;
        let io = Self {
            stream,
            unsent: RefCell::new(unsent),
            is_closing: Cell::new(false),
            has_ended: Cell::new(false),
            kept,
        };
        (io, received)
    }

    /// Returns the connection with what was received and not decoded.
    pub(super) fn into_connection(self, received: BytesMut) -> TakenConnection {
        let unsent = self.unsent.into_inner();
        TakenConnection {
            stream: self.stream,
            buffers: WireBuffers { received, unsent },
            kept: self.kept,
        }
    }

    /// Appends received bytes to a buffer. Returns how many; 0 is the end.
    ///
    /// # Errors
    /// If the connection has failed.
    pub(super) fn poll_read(
        &self,
        buffer: &mut BytesMut,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream.poll_read_ready(cx))?;
            let read: io::Result<usize> = READ.with_borrow_mut(|bytes| {
                let read = self.stream.try_read(bytes)?;
                buffer.extend_from_slice(&bytes[..read]);
                Ok(read)
            });
            match read {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => {
                    self.has_ended.set(matches!(read, Ok(0) | Err(_)));
                    if matches!(read, Ok(1..READ_SIZE)) {
                        self.await_more();
                    }
                    return Poll::Ready(read);
                }
            }
        }
    }

    /// Makes the next read wait for the kernel's notification. A read that was not filled has emptied the kernel's buffer, and what
    /// arrives later is notified again. Without this, a second system call finds nothing after each message.
    fn await_more(&self) {
        let is_empty = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
        // The error marks the connection as not readable.
        let _not_readable = self.stream.try_io(Interest::READABLE, is_empty);
    }

    /// Returns whether nothing more can be read.
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended.get()
    }

    /// Queues a message behind the unsent bytes. After a close nothing is queued.
    pub(super) fn queue(&self, message: ws::Message) {
        if self.is_closing.get() {
            return;
        }
        self.is_closing
            .set(matches!(message, ws::Message::Close(_)));
        encode(message, &mut self.unsent.borrow_mut());
    }

    /// Returns whether bytes wait that were not written yet.
    pub(super) fn has_unsent(&self) -> bool {
        !self.unsent.borrow().is_empty()
    }

    /// Returns whether a close frame was queued.
    pub(super) fn is_closing(&self) -> bool {
        self.is_closing.get()
    }

    /// Writes unsent bytes without waiting.
    ///
    /// # Errors
    /// If the connection has failed.
    pub(super) fn write_unsent(&self) -> io::Result<Written> {
        let mut unsent = self.unsent.borrow_mut();
        while !unsent.is_empty() {
            match self.try_write(&unsent)? {
                Some(written) => unsent.advance(written),
                None => return Ok(Written::Part),
            }
        }
        if unsent.capacity() > 0 {
            *unsent = BytesMut::new();
        }
        Ok(Written::All)
    }

    /// Writes bytes without waiting. Those that the peer does not take become the unsent bytes, of which there must be none.
    ///
    /// # Errors
    /// If the connection has failed.
    pub(super) fn write(&self, mut bytes: &[u8]) -> io::Result<Written> {
        while !bytes.is_empty() {
            match self.try_write(bytes)? {
                Some(written) => bytes = &bytes[written..],
                None => {
                    self.unsent.borrow_mut().extend_from_slice(bytes);
                    return Ok(Written::Part);
                }
            }
        }
        Ok(Written::All)
    }

    fn try_write(&self, bytes: &[u8]) -> io::Result<Option<usize>> {
        match self.stream.try_write(bytes) {
            Ok(0) => Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => Ok(Some(written)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes unsent bytes, and waits for the peer where it must.
    ///
    /// # Errors
    /// If the connection has failed.
    pub(super) fn poll_write_unsent(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            match self.write_unsent()? {
                Written::All => return Poll::Ready(Ok(())),
                Written::Part => ready!(self.stream.poll_write_ready(cx))?,
            }
        }
    }

    /// Ends the sending half. The peer receives what was written.
    pub(super) fn shut_down(&self) {
        // The peer may have closed the connection already.
        let _closed = SockRef::from(&self.stream).shutdown(Shutdown::Write);
    }

    /// Makes closing reset the connection and discard what the kernel still buffers.
    pub(super) fn reset_when_closed(&self) {
        let _closed = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }
}

/// Appends a message as websocket frame.
pub(super) fn encode(message: ws::Message, buffer: &mut BytesMut) {
    // Only fragments in the wrong order are refused, and the server sends no fragments.
    let _no_fragment = ws::Codec::new().encode(message, buffer);
}
