//! vaultcast's database rows, one file per table.
//!
//! Times are whole milliseconds since 1970 and sequence numbers are `i64`: both compare, sort and
//! index the same on SQLite and PostgreSQL.

pub mod epoch;
pub mod event;
pub mod head;
pub mod idempotency_key;
pub mod kept_socket;
pub mod member;
pub mod source;
pub mod user;
pub mod vault;
