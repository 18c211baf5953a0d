//! The hostile tests on connections that the HTTP server hands over. One at a time, because they
//! measure the memory of the process.

#![allow(clippy::unwrap_used, reason = "a missing value fails the test")]
#![allow(
    dead_code,
    reason = "the echo server and the clients are shared with other tests"
)]

use peak_alloc::PeakAlloc;

#[path = "../../examples/echo.rs"]
mod echo;
#[path = "../common/takeover_server.rs"]
mod http_server;
#[path = "../common/polling_client.rs"]
mod polling_client;
#[path = "../common/test_server.rs"]
mod test_server;
#[path = "../common/timeout.rs"]
mod timeout;
#[path = "../common/websocket_client.rs"]
mod websocket_client;

#[path = "../hostile/attack_harness.rs"]
mod attack_harness;
#[path = "../hostile/captured_log.rs"]
mod captured_log;
#[path = "../hostile/handshakes.rs"]
mod handshakes;
#[path = "../hostile/packets.rs"]
mod packets;
#[path = "../hostile/payloads.rs"]
mod payloads;
#[path = "../hostile/version_3.rs"]
mod version_3;
#[path = "../hostile/version_3_packets.rs"]
mod version_3_packets;
#[path = "../hostile/version_3_payloads.rs"]
mod version_3_payloads;
#[path = "../hostile/version_3_websockets.rs"]
mod version_3_websockets;
#[path = "../hostile/websockets.rs"]
mod websockets;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;
