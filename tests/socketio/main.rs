//! The generic layer alone, down to bytes: against the echo example, in process, on a free port. A second application
//! stands in where a test needs one that echo is not.

#![allow(clippy::unwrap_used, reason = "what is missing in a test fails it")]

#[allow(dead_code, reason = "its command line is not for tests")]
#[path = "../../examples/echo.rs"]
mod echo;

mod admitting;
mod closing;
mod connecting;
mod engine;
mod events;
mod frames;
#[allow(dead_code, reason = "it serves other tests too")]
mod poller;
mod polling;
mod server;
mod theatre;
mod upgrade;
