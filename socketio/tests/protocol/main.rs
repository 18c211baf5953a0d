//! Tests of both protocol layers at the level of packets and bytes. Most run against the echo example, in process and on
//! a free port; the others run against an application that follows the instructions of its clients.

#![allow(clippy::unwrap_used, reason = "a missing value fails the test")]

#[allow(dead_code, reason = "the tests do not use its command line")]
#[path = "../../examples/echo.rs"]
mod echo;

#[path = "../common/plain_server.rs"]
mod http_server;
#[allow(dead_code, reason = "the hostile tests use the rest")]
#[path = "../common/polling_client.rs"]
mod polling_client;
#[path = "../common/test_server.rs"]
mod test_server;
#[path = "../common/timeout.rs"]
mod timeout;
#[path = "../common/websocket_client.rs"]
mod websocket_client;

mod scripted_server;

mod admission;
mod connect;
mod disconnect;
mod engineio;
mod events;
mod handshake_query;
mod metering;
mod polling;
mod upgrade;
mod version_3;
mod websocket;
mod websocket_handshake;
