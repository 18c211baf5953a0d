//! Tests of the vault actor and the journal with a real database: SQLite, or PostgreSQL if `TEST_POSTGRES_URL` names a
//! server.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod commit_proxy;
#[path = "../common/mod.rs"]
mod common;
mod crash;
mod database_file;
mod delivery;
mod epoch;
mod faults;
mod hints;
mod idempotency;
mod large_listings;
mod lifecycle;
mod locked_heads;
mod lost_connections;
mod order;
mod queue;
mod replaced_databases;
mod retention;
mod several_nodes;
mod stalled_connections;
mod stored_sockets;
mod test_node;
mod test_sink;
mod verify;
mod verify_damage;
