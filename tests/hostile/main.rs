//! What nobody's client would send, against the generic layer. Each of it is answered as documented and leaves nothing
//! behind. These tests have a process of their own, in which they come one at a time, for they count its memory.

#![allow(clippy::unwrap_used, reason = "what is missing in a test fails it")]
#![allow(dead_code, reason = "the echo and its clients serve other tests too")]

use peak_alloc::PeakAlloc;

#[path = "../../examples/echo.rs"]
mod echo;
#[path = "../socketio/poller.rs"]
mod poller;
#[path = "../socketio/server.rs"]
mod server;

mod handshakes;
mod packets;
mod payloads;
mod siege;
mod websockets;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;
