//! Access rules for HTTP and sockets: allowed origins, requested hosts, trusted proxies, limits per user and address, and readiness.

pub mod host;
pub mod limits;
pub mod origins;
pub mod proxies;
pub mod readiness;
