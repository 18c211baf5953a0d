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
    /// A database that rejects the rows of a transaction has rolled it back. An outage is certain on SQLite only, for two codes:
    /// after BUSY the transaction is still open, and after FULL the log lacks the frame that commits it. After an I/O error that
    /// frame may be in the log. On PostgreSQL a server that stops answers with an error as well, also after it has committed.
    pub(super) fn of_sent(error: DbErr) -> Self {
        let is_certain = match FailureClass::of(&error) {
            FailureClass::Fault | FailureClass::Contention => true,
            FailureClass::Outage => is_sqlite_busy_or_full(&error),
        };
        if is_certain {
            Self::NotCommitted(error)
        } else {
            Self::Unknown(error)
        }
    }
}

/// Returns whether this is SQLITE_BUSY or SQLITE_FULL, extended codes included.
fn is_sqlite_busy_or_full(error: &DbErr) -> bool {
    let DbErr::Exec(RuntimeErr::SqlxError(error)) = error else {
        return false;
    };
    let sqlx::Error::Database(error) = error.as_ref() else {
        return false;
    };
    // PostgreSQL's codes have five characters; SQLite's are numbers of up to four digits.
    let code = error.code().filter(|code| code.len() < 5);
    let code = code.and_then(|code| code.parse::<u32>().ok());
    matches!(code.map(|code| code & 0xff), Some(5 | 13))
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
    fn lost_answer_to_a_commit_is_unknown() {
        let lost = DbErr::Conn(RuntimeErr::Internal("no answer".to_owned()));
        assert!(matches!(
            CommitError::of_sent(lost),
            CommitError::Unknown(_)
        ));
    }
}
