//! Tests of the whole service over HTTP and Socket.IO. Each test starts the service in process, on a free port and with
//! its own database. Each file covers one topic; `support` holds the helpers that only this test binary needs.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

#[path = "../common/mod.rs"]
mod common;
mod support;

mod base_path;
mod caching;
mod connections;
mod database_sessions;
mod faults;
mod idempotency;
mod import;
mod import_refusals;
mod limits;
mod listing_consistency;
mod members;
mod non_members;
mod operators;
mod origins;
mod pages;
mod paging;
mod panics_and_stalls;
mod postgres_databases;
mod preconditions;
mod queue_bounds;
mod recovery;
mod refusals;
mod reload;
mod replaced_databases;
mod requests;
mod sessions;
mod shared_databases;
mod shutdown;
mod sources;
mod startup;
mod transports;
mod user_profiles;
mod vaults;
