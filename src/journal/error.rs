//! What can go wrong between the journal and its database.

use std::sync::Arc;

use sea_orm::{DbErr, RuntimeErr, sqlx};
use thiserror::Error;

/// A failure of the journal. Cheap to clone: one failed transaction is told to everybody who was in it.
#[derive(Clone, Debug, Error)]
pub enum JournalError {
    /// The database does not answer or takes no writes. What was asked was not written.
    #[error("the database is unavailable: {0}")]
    Unavailable(Arc<DbErr>),
    /// Somebody else holds what it needs, for longer than it is waited for. What was asked was not written.
    #[error("somebody else holds it up: {0}")]
    Contended(Arc<DbErr>),
    /// The connection was lost while a commit was under way, and the database could not be asked since.
    #[error("the database was lost during a commit: {0}")]
    Unknown(Arc<DbErr>),
    /// The database refused a statement, which its state and our reads exclude. What was asked was not written.
    #[error("the database refused a statement: {0}")]
    Fault(Arc<DbErr>),
    /// The journal was closed, for the service stops.
    #[error("the journal is closed")]
    Closed,
}

impl JournalError {
    /// A row that this service did not write so.
    pub fn unreadable(error: &serde_json::Error) -> Self {
        Self::Fault(DbErr::Json(error.to_string()).into())
    }

    /// Whether it is a fault, which is logged by whoever handles it. All else the database itself is to blame for, and it
    /// is told once that it is, see `outage.rs`.
    pub fn is_fault(&self) -> bool {
        matches!(self, Self::Fault(_))
    }

    /// Whether everybody who writes would meet it now.
    pub(super) fn is_everybodys(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::Unknown(_) | Self::Closed => true,
            Self::Contended(_) | Self::Fault(_) => false,
        }
    }

    /// The same trouble, for somebody whose turn had not come when it began: nothing of his was tried.
    pub(super) fn not_begun(&self) -> Self {
        match self {
            Self::Unknown(cause) => Self::Unavailable(cause.clone()),
            Self::Unavailable(_) | Self::Contended(_) | Self::Fault(_) | Self::Closed => {
                self.clone()
            }
        }
    }
}

/// Logs what a failure of the journal meant for one who needed it: a fault as an error, and what an outage meant for whoever
/// wants to know all of it.
macro_rules! report {
    ($error:expr, $($told:tt)+) => {
        match &$error {
            error if error.is_fault() => tracing::error!(%error, $($told)+),
            error => tracing::debug!(%error, $($told)+),
        }
    };
}
pub(crate) use report;

impl From<DbErr> for JournalError {
    fn from(error: DbErr) -> Self {
        match Trouble::of(&error) {
            Trouble::Outage => Self::Unavailable(error.into()),
            Trouble::Contention => Self::Contended(error.into()),
            Trouble::Fault => Self::Fault(error.into()),
        }
    }
}

/// Whose trouble an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Everybody's: the database cannot do what is asked for now, whatever it was.
    Outage,
    /// Of who needs the same rows as somebody else, for now.
    Contention,
    /// Of the one statement.
    Fault,
}

impl Trouble {
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
            sqlx::Error::Database(error) => {
                error.code().map_or(Self::Fault, |code| Self::coded(&code))
            }
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Self::Outage,
            _ => Self::Fault,
        }
    }

    fn coded(code: &str) -> Self {
        // PostgreSQL's codes have five characters, SQLite's are numbers of up to four digits.
        if code.len() == 5 {
            return match code {
                // lock_not_available, deadlock_detected, serialization_failure
                "55P03" | "40P01" | "40001" => Self::Contention,
                // read_only_sql_transaction: a standby, or a database that was made so
                "25006" => Self::Outage,
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
    fn a_code_tells_whose_trouble_it_is() {
        for (code, trouble) in [
            ("5", Trouble::Outage),     // SQLite: busy
            ("1032", Trouble::Outage),  // SQLite: read-only, the file was moved
            ("787", Trouble::Fault),    // SQLite: a foreign key
            ("1811", Trouble::Fault),   // SQLite: a trigger
            ("08006", Trouble::Outage), // PostgreSQL: connection failure
            ("57P01", Trouble::Outage), // PostgreSQL: the server shuts down
            ("25006", Trouble::Outage), // PostgreSQL: read-only
            ("23505", Trouble::Fault),  // PostgreSQL: not unique
            ("40P01", Trouble::Contention),
        ] {
            assert_eq!(Trouble::coded(code), trouble, "{code}");
        }
    }
}
