//! Decides whether the database is writable, for `/readyz`.
//!
//! A commit of the last second is proof. Without one, a test write is necessary: only a commit shows a full disk, a read-only
//! database, or a connection that does not answer. Any number of checks causes at most one test write per second.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::Mutex;

use super::{error::JournalError, outage::OutageMonitor};

/// How long the result of a check is used.
const VALID_FOR: Duration = Duration::from_secs(1);

/// Remembers the last result, so that requests to `/readyz` cannot occupy the database. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct WriteCheck {
    writes: Arc<OutageMonitor>,
    /// The last failure. It is locked during a check, so that one runs at a time.
    failure: Arc<Mutex<Option<WriteFailure>>>,
}

#[derive(Debug)]
struct WriteFailure {
    at: Instant,
    error: JournalError,
}

impl WriteCheck {
    /// Creates a check that uses the commits which this monitor records.
    pub(super) fn new(writes: Arc<OutageMonitor>) -> Self {
        Self {
            writes,
            failure: Arc::default(),
        }
    }

    /// Returns the cached result if it is younger than a second, or else that of a test write.
    ///
    /// # Errors
    /// When nothing could be written.
    pub(super) async fn result(
        &self,
        test_write: impl Future<Output = Result<(), JournalError>>,
    ) -> Result<(), JournalError> {
        if self.writes.has_succeeded_within(VALID_FOR) {
            return Ok(());
        }
        let mut failure = self.failure.lock().await;
        // Another check may have run meanwhile.
        if self.writes.has_succeeded_within(VALID_FOR) {
            return Ok(());
        }
        if let Some(WriteFailure { at, error }) = &*failure
            && at.elapsed() < VALID_FOR
        {
            return Err(error.clone());
        }
        let result = test_write.await;
        *failure = result.as_ref().err().map(|error| WriteFailure {
            at: Instant::now(),
            error: error.clone(),
        });
        result
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use sea_orm::{DbErr, RuntimeErr};

    use super::*;

    fn outage() -> JournalError {
        DbErr::Conn(RuntimeErr::Internal("stopped".to_owned())).into()
    }

    #[tokio::test]
    async fn failure_is_used_for_a_second_and_a_commit_ends_it() {
        let writes = Arc::new(OutageMonitor::new("writes"));
        let check = WriteCheck::new(writes.clone());
        let test_writes = Cell::new(0);
        let failing = || async {
            test_writes.set(test_writes.get() + 1);
            Err(outage())
        };
        for _ in 0..10 {
            assert!(check.result(failing()).await.is_err());
        }
        assert_eq!(test_writes.get(), 1);
        writes.record_success();
        assert!(check.result(failing()).await.is_ok());
        assert_eq!(test_writes.get(), 1);
    }

    #[tokio::test]
    async fn test_write_is_necessary_without_a_commit() {
        let check = WriteCheck::new(Arc::new(OutageMonitor::new("writes")));
        assert!(check.result(async { Ok(()) }).await.is_ok());
        // Only a committer records the success.
        assert!(check.result(async { Err(outage()) }).await.is_err());
    }
}
