//! A websocket on a TCP connection that the HTTP server has handed over.
//!
//! The server's own task for the connection, its buffers and its channel are gone: one task per websocket reads, and one
//! [`OutboxFlusher`](flusher::OutboxFlusher) per worker thread writes what was pushed, with one `write` per socket. The
//! task writes only while the peer does not read fast enough.

pub(in crate::engineio) mod flusher;
mod outbox_writer;
pub(in crate::engineio) mod serve;
pub(in crate::engineio) mod stream;
pub(in crate::engineio) mod taken;
mod wire_io;
