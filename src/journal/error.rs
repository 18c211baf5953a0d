//! Errors of the journal, and the classification of database errors.

use std::sync::Arc;

use sea_orm::{DbErr, RuntimeErr, sqlx};
use thiserror::Error;

/// An error of the journal. Cheap to clone: every request of a failed transaction receives it.
#[derive(Clone, Debug, Error)]
pub enum JournalError {
    /// The database does not answer or accepts no writes. Nothing was written.
    #[error("the database is unavailable: {0}")]
    Unavailable(Arc<DbErr>),
    /// Another client held a lock for longer than the lock timeout. Nothing was written.
    #[error("lock wait timed out: {0}")]
    Contended(Arc<DbErr>),
    /// The connection was lost during a commit, and the database could not be queried for the outcome.
    #[error("the connection was lost during a commit: {0}")]
    Unknown(Arc<DbErr>),
    /// The database rejected a statement, although the schema and the preceding reads should make that impossible. Nothing was
    /// written.
    #[error("the database rejected a statement: {0}")]
    Fault(Arc<DbErr>),
    /// The journal was closed because the service stops.
    #[error("the journal is closed")]
    Closed,
}

impl JournalError {
    /// Creates the error for a row with invalid JSON.
    pub fn unreadable(error: &serde_json::Error) -> Self {
        Self::Fault(DbErr::Json(error.to_string()).into())
    }

    /// Returns whether this is a fault, which its handler logs. All other errors are caused by the database, which
    /// `outage.rs` logs once.
    pub fn is_fault(&self) -> bool {
        matches!(self, Self::Fault(_))
    }

    /// Returns whether every other write would fail now for the same reason.
    pub(super) fn affects_all_writes(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::Unknown(_) | Self::Closed => true,
            Self::Contended(_) | Self::Fault(_) => false,
        }
    }

    /// Returns the error for a request that was not attempted because of this one. Its outcome is never unknown.
    pub(super) fn for_unattempted(&self) -> Self {
        match self {
            Self::Unknown(cause) => Self::Unavailable(cause.clone()),
            Self::Unavailable(_) | Self::Contended(_) | Self::Fault(_) | Self::Closed => {
                self.clone()
            }
        }
    }
}

/// Logs the consequence of a journal error: a fault at `error`, everything else at `debug`.
macro_rules! report {
    ($error:expr, $($message:tt)+) => {
        match &$error {
            error if error.is_fault() => tracing::error!(%error, $($message)+),
            error => tracing::debug!(%error, $($message)+),
        }
    };
}
pub(crate) use report;

impl From<DbErr> for JournalError {
    fn from(error: DbErr) -> Self {
        match FailureClass::of(&error) {
            FailureClass::Outage => Self::Unavailable(error.into()),
            FailureClass::Contention => Self::Contended(error.into()),
            FailureClass::Fault => Self::Fault(error.into()),
        }
    }
}

/// The scope of a database error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FailureClass {
    /// The database cannot serve any request now.
    Outage,
    /// Another client holds the same rows for now.
    Contention,
    /// Only this statement fails.
    Fault,
}

impl FailureClass {
    /// Classifies an error.
    pub(super) fn of(error: &DbErr) -> Self {
        let runtime = match error {
            DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => return Self::Outage,
            DbErr::Exec(runtime) | DbErr::Query(runtime) => runtime,
            _ => return Self::Fault,
        };
        let RuntimeErr::SqlxError(error) = runtime else {
            return Self::Fault;
        };
        match error.as_ref() {
            sqlx::Error::Database(error) => error
                .code()
                .map_or(Self::Fault, |code| Self::from_code(&code)),
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Self::Outage,
            _ => Self::Fault,
        }
    }

    fn from_code(code: &str) -> Self {
        // PostgreSQL's codes have five characters; SQLite's are numbers of up to four digits.
        if code.len() == 5 {
            return match code {
                // lock_not_available, deadlock_detected, serialization_failure
                "55P03" | "40P01" | "40001" => Self::Contention,
                // read_only_sql_transaction: a standby, or a database that was made read-only;
                // idle_in_transaction_session_timeout
                "25006" | "25P03" => Self::Outage,
                // Connection, resources, operator intervention, system error.
                _ if ["08", "53", "57", "58"].contains(&&code[..2]) => Self::Outage,
                _ => Self::Fault,
            };
        }
        // Busy, locked, read-only, I/O, corrupt, full, cannot open, protocol (sqlite.org/rescode.html). The lowest
        // byte is the primary code.
        match code.parse::<u32>().map(|code| code & 0xff) {
            Ok(5 | 6 | 8 | 10 | 11 | 13 | 14 | 15) => Self::Outage,
            Ok(_) | Err(_) => Self::Fault,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_codes_are_classified_by_scope() {
        for (code, class) in [
            ("5", FailureClass::Outage),     // SQLite: busy
            ("1032", FailureClass::Outage),  // SQLite: read-only, the file was moved
            ("787", FailureClass::Fault),    // SQLite: a foreign key
            ("1811", FailureClass::Fault),   // SQLite: a trigger
            ("08006", FailureClass::Outage), // PostgreSQL: connection failure
            ("57P01", FailureClass::Outage), // PostgreSQL: the server shuts down
            ("25006", FailureClass::Outage), // PostgreSQL: read-only
            ("25P03", FailureClass::Outage), // PostgreSQL: idle in a transaction
            ("23505", FailureClass::Fault),  // PostgreSQL: not unique
            ("40P01", FailureClass::Contention),
        ] {
            assert_eq!(FailureClass::from_code(code), class, "{code}");
        }
    }
}
