//! The result of a lookup in the table of sessions.

use std::sync::Arc;
use std::time::SystemTime;

use crate::domain::Principal;
use crate::journal::{DatabaseError, JournalError};

/// The session of a token, if there is one. It may have expired.
pub(super) type LookupResult = Result<Option<UserSessionRecord>, LookupError>;

/// An error that several lookups share.
pub(super) type LookupError = Arc<UserSessionTableError>;

/// A session in the table, with its user.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct UserSessionRecord {
    pub(super) principal: Principal,
    /// The time from which the session is refused: its expiry plus the clock tolerance.
    pub(super) expires_at: SystemTime,
}

/// Why a session cannot be looked up.
#[derive(Debug, thiserror::Error)]
pub enum UserSessionTableError {
    /// The database cannot be reached at startup, or lacks the configured tables or columns.
    #[error("auth.database_url: cannot read sessions in {url}: {source}")]
    Unreadable {
        /// The URL of the database, without its password.
        url: String,
        /// The error of the database.
        source: DatabaseError,
    },
    /// The database does not answer, or rejects the query.
    #[error(transparent)]
    Unavailable(#[from] JournalError),
    /// The database does not answer in time.
    #[error("session lookup timed out")]
    TimedOut,
    /// Too many lookups wait for the database.
    #[error("too many session lookups wait for the database")]
    Overloaded,
    /// A row cannot be read.
    #[error(transparent)]
    Row(#[from] SessionRowError),
}

/// A row of a session or its user that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {columns}: {problem}")]
pub struct SessionRowError {
    /// The tables and columns.
    pub(super) columns: String,
    /// The error of the database, or the value.
    pub(super) problem: String,
}

impl UserSessionTableError {
    /// Returns whether a query with another token may succeed.
    pub(super) fn is_fault(&self) -> bool {
        match self {
            Self::Unavailable(error) => error.is_fault(),
            Self::Row(_) => true,
            Self::Unreadable { .. } | Self::TimedOut | Self::Overloaded => false,
        }
    }
}
