//! How long the journal waits for its database.

use std::time::Duration;

/// How long to wait for a lock of another client, for a free connection, or for a new one.
pub(super) const TIMEOUT: Duration = Duration::from_secs(5);

/// How long to wait for the answer to a statement, or to all statements of a read, on PostgreSQL. Without it, the wait
/// would last until TCP gives up.
pub(super) const ANSWER_DEADLINE: Duration = Duration::from_secs(10);
