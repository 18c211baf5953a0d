//! What can go wrong between the journal and its database.

use std::sync::Arc;

use sea_orm::{
    DbErr, RuntimeErr,
    sqlx::{self, error::DatabaseError},
};
use thiserror::Error;

/// A failure of the journal. Cheap to clone: one failed transaction is told to everybody who was in it.
#[derive(Clone, Debug, Error)]
pub enum JournalError {
    /// The database does not answer or takes no writes. What was asked was not written.
    #[error("the database is unavailable: {0}")]
    Unavailable(Arc<DbErr>),
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
}

impl From<DbErr> for JournalError {
    fn from(error: DbErr) -> Self {
        if is_outage(&error) {
            Self::Unavailable(error.into())
        } else {
            Self::Fault(error.into())
        }
    }
}

/// Whether the database as a whole cannot do what is asked for now, whatever it was.
fn is_outage(error: &DbErr) -> bool {
    let runtime = match error {
        DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => return true,
        DbErr::Exec(runtime) | DbErr::Query(runtime) => runtime,
        _ => return false,
    };
    let RuntimeErr::SqlxError(error) = runtime else {
        return false;
    };
    match error.as_ref() {
        sqlx::Error::Database(error) => is_outage_code(error.as_ref()),
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        _ => false,
    }
}

fn is_outage_code(error: &(dyn DatabaseError + 'static)) -> bool {
    let Some(code) = error.code() else {
        return false;
    };
    match code.parse::<u32>() {
        // SQLite's result codes (sqlite.org/rescode.html): busy, locked, read-only, I/O, corrupt, full,
        // cannot open, protocol. The lowest byte is the primary one.
        Ok(code) if code < 10_000 => {
            matches!(code & 0xff, 5 | 6 | 8 | 10 | 11 | 13 | 14 | 15)
        }
        // PostgreSQL's classes (appendix A): connection, resources, operator intervention, system error,
        // and a server that is a read-only standby.
        _ => ["08", "53", "57", "58"].iter().any(|c| code.starts_with(c)) || code == "25006",
    }
}
