//! The service through its doors: in process, on a free port, on a database of its own. One file for each promise.

#![allow(clippy::unwrap_used, reason = "what is missing in a test fails it")]

#[path = "../common/mod.rs"]
mod common;

mod agreement;
mod bounds;
mod conditions;
mod damage;
mod faults;
mod idempotency;
mod limits;
mod members;
mod origins;
mod paging;
mod requests;
mod rows;
mod sessions;
mod sources;
mod starting;
mod stopping;
mod strangers;
mod tuning;
mod vaults;
