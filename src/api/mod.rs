//! The HTTP API of the contract, and the routes of the admin listener.
//!
//! A handler reads the request (`extract.rs`, `json_body.rs`, `known_versions.rs`, `member_target.rs`,
//! `mutation_headers.rs`, `page_query.rs`), calls one function of the service and maps the result (`responses.rs`).
//! Mutations go to the vault's actor, reads go to the journal. Only `error.rs` knows HTTP statuses of errors.

mod admin;
mod bounds;
mod cache_control;
mod context;
mod cors;
mod descriptions;
mod docs;
mod entity_tags;
mod error;
mod extract;
mod health;
mod history;
mod host_guard;
mod json_body;
mod known_versions;
mod member_target;
mod members;
mod metrics;
mod mutation_headers;
mod openapi;
mod origin;
mod page_query;
mod pages;
mod path_routes;
mod process_facts;
mod refusals;
mod request_id;
mod responses;
mod routes;
mod sources;
mod static_document;
mod vaults;

pub use admin::{AdminApi, LiveTotals, LiveVault, LiveVaultList, VaultSortKey};
pub use bounds::{
    BoundDefinition, BoundLevel, BoundUnit, BoundValue, EffectiveBounds, MetricSelector,
};
pub use cache_control::forbid_caching;
pub use context::Api;
pub use descriptions::Descriptions;
pub use error::ApiError;
pub use host_guard::{forbid_embedding, guard_host};
pub use metrics::{HttpMetrics, count_requests};
pub use openapi::openapi;
pub use origin::guard_origin;
pub use pages::{Pages, app as app_page};
pub use path_routes::path;
pub use process_facts::ProcessFacts;
pub use request_id::{SOCKETIO_PATH, with_request_id};
pub use routes::{admin_routes, not_found, root_routes, routes};
