//! Checks whether the database can be read and written, for `/readyz`.

use std::time::Duration;

use futures_util::future::select_ok;
use sea_orm::DatabaseConnection;
use tokio::time::timeout;

use super::{db_thread::no_answer, error::JournalError, handle::Journal, request::WriteRequest};

/// How long a check waits for the database.
const LIMIT: Duration = Duration::from_secs(3);

impl Journal {
    /// Checks that the database answers a read, on a connection that only the sweep may use, too.
    ///
    /// # Errors
    /// When it does not answer in time.
    pub async fn ping(&self) -> Result<(), JournalError> {
        let ping = |db: DatabaseConnection| async move { db.ping().await };
        in_time(async { Ok(self.database().probe.run(ping).await?) }).await
    }

    /// Checks that the database can be written: by a commit of the last second, or by a test write.
    ///
    /// # Errors
    /// When no writer can commit in time.
    pub async fn check_writable(&self) -> Result<(), JournalError> {
        self.write_check.result(in_time(self.test_write())).await
    }

    /// Writes through each committer until one of them succeeds.
    async fn test_write(&self) -> Result<(), JournalError> {
        let write = |queue| Box::pin(self.write(queue, WriteRequest::TestWrite));
        select_ok((0..self.writers()).map(write)).await.map(drop)
    }
}

async fn in_time<T>(
    work: impl Future<Output = Result<T, JournalError>>,
) -> Result<T, JournalError> {
    let result = timeout(LIMIT, work).await;
    result.unwrap_or_else(|_| Err(no_answer(LIMIT).into()))
}
