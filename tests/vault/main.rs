//! The vault actor and the journal against a real database: on SQLite, or on PostgreSQL where `TEST_POSTGRES_URL`
//! names a server.

#![allow(clippy::unwrap_used, reason = "what fails here fails its test")]

#[path = "../common/mod.rs"]
mod common;
mod crash;
mod ear;
mod epoch;
mod faults;
mod hearing;
mod kept;
mod life;
mod many;
mod order;
mod processes;
mod queue;
mod retention;
mod verify;
mod world;
