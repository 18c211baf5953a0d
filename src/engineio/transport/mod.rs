//! The transports. They only move bytes: what a client sends goes to its session's address, one message at a time,
//! and what waits in the outbox goes to the client. A session does not care which one carries it.

mod fragments;
mod guard;
pub(super) mod payload;
pub(super) mod polling;
pub(super) mod rest;
pub(super) mod websocket;

pub(super) use websocket::{Sink, WebSocket};
