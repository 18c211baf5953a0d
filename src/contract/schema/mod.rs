//! The JSON schemas of the contract, by name, for the descriptions of the HTTP API and of the Socket.IO events.
//!
//! Types derive their schemas where they are defined. `scalars.rs` has those of ids, numbers and times, `requests.rs` those
//! of the bodies that [`validation`](super::validation) reads, `problems.rs` those of errors, and `events.rs` those of events.
//! The names are a public interface: clients generate their types from them.

mod build;
mod events;
mod problems;
mod requests;
mod scalars;
mod schema_set;

pub use build::{literal, literal_false, literal_true, one_of, reference, string};
pub use events::event_name;
pub use problems::problem_name;
pub use requests::idempotency_key;
pub use scalars::cuid_pattern;
pub use schema_set::SchemaSet;

/// Returns the schemas of both documents: those of events, and of sources in requests.
pub fn shared() -> SchemaSet {
    let mut schemas = SchemaSet::default();
    events::add(&mut schemas);
    requests::add_sources(&mut schemas);
    schemas
}

/// Returns the schemas of HTTP: the shared ones, those of errors, and of the other bodies of requests.
pub fn http() -> SchemaSet {
    let mut schemas = shared();
    problems::add(&mut schemas);
    requests::add_vaults_and_members(&mut schemas);
    schemas
}
