//! vaultcast: durable, ordered events of shared vaults on every Socket.IO client.
//!
//! Two columns meet in [`gateway`]: vaults ([`domain`] → [`journal`] → [`vault`]) and sockets (the crate
//! [`actix_socketio`]), which know nothing of each other.
//!
//! Reading order:
//! 1. [`domain`]: what a vault is, as data and functions without a runtime.
//! 2. [`journal`]: the ordered log in the database; one transaction in flight per writer.
//! 3. [`vault`]: the actor of each live vault. It orders mutations and publishes events.
//!    [`cluster`]: hints between the nodes on one database.
//! 4. [`auth`]: credentials to user sessions. [`access`]: origins, proxies, limits, readiness.
//! 5. [`contract`]: error codes, request validation and the admission of mutations, shared by HTTP and sockets.
//! 6. [`api`]: the HTTP routes.
//! 7. [`gateway`]: the contract's events on Socket.IO.
//! 8. [`server`]: wiring, listeners, start, reload and shutdown. [`cli`]: the commands. [`config`]: the settings.
//! 9. [`verify`]: checks a database against its journal. [`import`]: copies an application's own tables into it. [`telemetry`]: log, metrics, panics.

pub mod access;
pub mod api;
pub mod auth;
pub mod cli;
pub mod cluster;
pub mod config;
pub mod contract;
pub mod domain;
pub mod gateway;
pub mod import;
pub mod journal;
pub mod server;
pub mod telemetry;
pub mod vault;
pub mod verify;
