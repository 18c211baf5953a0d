//! Helpers of the service tests: the captured log, the metrics of the admin listener, access to the service's database,
//! the database of an application with user sessions, refused starts, and blocked threads of vaults.

pub mod application_database;
pub mod captured_log;
pub mod database_access;
pub mod importing_application;
pub mod metrics_client;
pub mod refused_start;
pub mod vault_threads;
