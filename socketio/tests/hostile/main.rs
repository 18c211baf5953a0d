//! Hostile clients against both layers: requests and packets that no official client sends. The server answers each as
//! documented and keeps no memory of it. These tests are a binary of their own and run one at a time, because they
//! measure the memory of the process.

#![allow(clippy::unwrap_used, reason = "a missing value fails the test")]
#![allow(
    dead_code,
    reason = "the echo server and the clients are shared with other tests"
)]

use peak_alloc::PeakAlloc;

#[path = "../../examples/echo.rs"]
mod echo;
#[path = "../common/plain_server.rs"]
mod http_server;
#[path = "../common/polling_client.rs"]
mod polling_client;
#[path = "../common/test_server.rs"]
mod test_server;
#[path = "../common/timeout.rs"]
mod timeout;
#[path = "../common/websocket_client.rs"]
mod websocket_client;

mod attack_harness;
mod captured_log;
mod handshakes;
mod packets;
mod payloads;
mod version_3;
mod version_3_packets;
mod version_3_payloads;
mod version_3_websockets;
mod websockets;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;
