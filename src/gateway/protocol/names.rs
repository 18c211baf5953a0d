//! The names of the namespace and of the server's own events. Names of vault events are in
//! [`EventKind`](crate::domain::EventKind).

/// The namespace of all events.
pub const NAMESPACE: &str = "/";

/// The event that confirms a join.
pub(in crate::gateway) const JOINED: &str = "vault:joined";

/// The event that reports an error.
pub(in crate::gateway) const ERROR: &str = "error";
