//! Why a transaction was not confirmed as committed, and whether its outcome is certain.

use sea_orm::{DbErr, RuntimeErr, sqlx};

use super::error::FailureClass;

/// The reason why a commit was not confirmed.
#[derive(Debug)]
pub(super) enum CommitError {
    /// Nothing was committed: a statement before COMMIT failed, or the database has rejected COMMIT.
    NotCommitted(DbErr),
    /// COMMIT was sent, and its answer was lost or does not show whether it was applied.
    Unknown(DbErr),
}

impl CommitError {
    /// Classifies the error of a COMMIT that was sent.
    ///
    /// A database that rejects the rows of a transaction, or the transaction because of others, has rolled it back. An outage is
    /// certain on SQLite only, for two codes: after BUSY the transaction is still open, and after FULL the log lacks the frame that
    /// commits it. After an I/O error that frame may be in the log. On PostgreSQL a server that stops answers with an error as
    /// well, also after it has committed, and so may a pooler between: what is not a rejection is unknown.
    pub(super) fn of_sent(error: DbErr) -> Self {
        let is_certain = match (FailureClass::of(&error), code_of(&error)) {
            (FailureClass::Contention, _) => true,
            (FailureClass::Fault, Some(DatabaseCode::Postgres(code))) => is_rejection(&code),
            (FailureClass::Fault, Some(DatabaseCode::Sqlite(_))) => true,
            (FailureClass::Outage, Some(DatabaseCode::Sqlite(code))) => is_busy_or_full(code),
            (FailureClass::Outage, Some(DatabaseCode::Postgres(_)))
            | (FailureClass::Fault | FailureClass::Outage, None) => false,
        };
        if is_certain {
            Self::NotCommitted(error)
        } else {
            Self::Unknown(error)
        }
    }
}

/// The code of an error that a database has answered.
enum DatabaseCode {
    /// A SQLSTATE, which has five characters.
    Postgres(String),
    /// An extended result code, a number of up to four digits.
    Sqlite(u32),
}

fn code_of(error: &DbErr) -> Option<DatabaseCode> {
    let (DbErr::Conn(RuntimeErr::SqlxError(error))
    | DbErr::Exec(RuntimeErr::SqlxError(error))
    | DbErr::Query(RuntimeErr::SqlxError(error))) = error
    else {
        return None;
    };
    let sqlx::Error::Database(error) = error.as_ref() else {
        return None;
    };
    let code = error.code()?;
    match code.parse() {
        Ok(number) if code.len() < 5 => Some(DatabaseCode::Sqlite(number)),
        Ok(_) | Err(_) => Some(DatabaseCode::Postgres(code.into_owned())),
    }
}

/// Returns whether PostgreSQL has rejected the transaction: because of its rows, of a trigger, or of other transactions. Errors of
/// connections, of an ending server, of the system and of the server's own faults may follow a commit.
fn is_rejection(code: &str) -> bool {
    const STATEMENT_COMPLETION_UNKNOWN: &str = "40003";
    let is_certain_class = |class: &str| !matches!(class, "08" | "57" | "58" | "XX");
    code.get(..2).is_some_and(is_certain_class) && code != STATEMENT_COMPLETION_UNKNOWN
}

/// Returns whether this is SQLITE_BUSY or SQLITE_FULL, extended codes included.
fn is_busy_or_full(code: u32) -> bool {
    matches!(code & 0xff, 5 | 13)
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::{super::sqlite_writer::runtime_error, *};

    /// Returns whether nothing was committed after this answer of SQLite to COMMIT.
    fn is_certain(code: i32) -> bool {
        let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
        match CommitError::of_sent(DbErr::Exec(runtime_error(error))) {
            CommitError::NotCommitted(_) => true,
            CommitError::Unknown(_) => false,
        }
    }

    #[test]
    fn answer_of_sqlite_to_a_commit_is_certain_unless_its_frame_may_be_in_the_log() {
        for code in [
            ffi::SQLITE_BUSY,
            ffi::SQLITE_BUSY_SNAPSHOT,
            ffi::SQLITE_FULL,
            ffi::SQLITE_CONSTRAINT_FOREIGNKEY,
        ] {
            assert!(is_certain(code), "{code}");
        }
        for code in [
            ffi::SQLITE_IOERR,
            ffi::SQLITE_IOERR_FSYNC,
            ffi::SQLITE_CORRUPT,
        ] {
            assert!(!is_certain(code), "{code}");
        }
    }

    #[test]
    fn answer_of_postgres_to_a_commit_is_certain_if_it_is_a_rejection() {
        for code in ["23503", "23505", "40001", "40P01", "P0001"] {
            assert!(is_rejection(code), "{code}");
        }
        for code in ["40003", "08006", "57P01", "58030", "XX000", ""] {
            assert!(!is_rejection(code), "{code}");
        }
    }

    #[test]
    fn lost_answer_to_a_commit_is_unknown() {
        let lost = DbErr::Conn(RuntimeErr::Internal("no answer".to_owned()));
        assert!(matches!(
            CommitError::of_sent(lost),
            CommitError::Unknown(_)
        ));
    }
}
