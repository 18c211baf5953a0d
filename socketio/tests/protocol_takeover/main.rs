//! The protocol tests on connections that the HTTP server hands over.

#![allow(clippy::unwrap_used, reason = "a missing value fails the test")]

#[allow(dead_code, reason = "the tests do not use its command line")]
#[path = "../../examples/echo.rs"]
mod echo;

#[path = "../common/takeover_server.rs"]
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

#[path = "../protocol/scripted_server.rs"]
mod scripted_server;

#[path = "../protocol/admission.rs"]
mod admission;
#[path = "../protocol/connect.rs"]
mod connect;
#[path = "../protocol/disconnect.rs"]
mod disconnect;
#[path = "../protocol/engineio.rs"]
mod engineio;
#[path = "../protocol/events.rs"]
mod events;
#[path = "../protocol/handshake_query.rs"]
mod handshake_query;
#[path = "../protocol/metering.rs"]
mod metering;
#[path = "../protocol/polling.rs"]
mod polling;
#[path = "../protocol/upgrade.rs"]
mod upgrade;
#[path = "../protocol/version_3.rs"]
mod version_3;
#[path = "../protocol/websocket.rs"]
mod websocket;
#[path = "../protocol/websocket_handshake.rs"]
mod websocket_handshake;
