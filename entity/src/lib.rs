//! The database rows of vaultcast, one file per table.
//!
//! Times are integer milliseconds since 1970, and sequence numbers are `i64`. Both are compared, sorted, and indexed in the
//! same way on SQLite and PostgreSQL.

pub mod epoch;
pub mod event;
pub mod head;
pub mod idempotency_key;
pub mod member;
pub mod source;
pub mod stored_socket;
pub mod user;
pub mod vault;
