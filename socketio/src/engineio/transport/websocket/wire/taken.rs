//! A connection on its way from the HTTP server to a websocket, and from one worker thread to another.

use std::{any::Any, io, net};

use actix_web::rt::net::TcpStream;
use bytes::BytesMut;

use crate::engineio::abort::AbortableStream;

/// A connection that the HTTP server has handed over. Dropping it closes the connection.
pub(in crate::engineio) struct TakenConnection {
    pub(super) stream: TcpStream,
    pub(super) buffers: WireBuffers,
    /// Lives as long as the connection.
    pub(super) kept: Option<Box<dyn Any + Send>>,
}

/// What was read from a connection and not decoded, and what must be written to it first.
#[derive(Default)]
pub(in crate::engineio) struct WireBuffers {
    pub(in crate::engineio) received: BytesMut,
    pub(in crate::engineio) unsent: BytesMut,
}

/// A connection that belongs to no worker thread.
pub(in crate::engineio) struct DetachedConnection {
    stream: net::TcpStream,
    buffers: WireBuffers,
    kept: Option<Box<dyn Any + Send>>,
}

impl TakenConnection {
    pub(in crate::engineio) fn new(stream: AbortableStream, buffers: WireBuffers) -> Self {
        let (stream, kept) = stream.into_parts();
        Self {
            stream,
            buffers,
            kept,
        }
    }

    /// Detaches the connection from its worker thread.
    ///
    /// # Errors
    /// If the runtime cannot give it up. The connection is closed then.
    pub(in crate::engineio) fn detach(self) -> io::Result<DetachedConnection> {
        Ok(DetachedConnection {
            stream: self.stream.into_std()?,
            buffers: self.buffers,
            kept: self.kept,
        })
    }
}

impl DetachedConnection {
    /// Attaches the connection to the current worker thread.
    ///
    /// # Errors
    /// If the runtime cannot take it. The connection is closed then.
    pub(in crate::engineio) fn attach(self) -> io::Result<TakenConnection> {
        Ok(TakenConnection {
            stream: TcpStream::from_std(self.stream)?,
            buffers: self.buffers,
            kept: self.kept,
        })
    }
}
