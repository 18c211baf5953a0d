//! Finds out whether a commit happened when its answer was lost.
//!
//! A transaction is in the database completely or not at all. The probe therefore remembers one row of it and looks for
//! that row.

use std::time::Duration;

use entity::event;
use sea_orm::DbErr;
use tokio::time::{sleep, timeout};
use tracing::debug;

use crate::domain::VaultId;

use super::{
    lookup,
    record::JournalRecord,
    sql_executor::SqlExecutor,
    statements::{execute, query, select},
    writer_connection::WriterConnection,
};

/// How long to retry when the database does not answer. The committer writes nothing meanwhile.
const RETRY_FOR: Duration = Duration::from_secs(10);

/// Pause between two attempts.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// A row that is in the database exactly when its transaction was committed.
#[derive(Debug)]
pub(super) enum CommitProbe {
    /// An event of a vault.
    Event {
        vault: VaultId,
        record: JournalRecord,
    },
    /// The head of a new vault.
    NewVault(VaultId),
}

/// What is known about a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CommitStatus {
    Committed,
    RolledBack,
    /// The database does not answer, or the event at that seq was trimmed, whichever process wrote it.
    Unknown,
}

impl CommitProbe {
    /// Returns whether the transaction was committed. Callers wait meanwhile, so it gives up after [`RETRY_FOR`].
    pub(super) async fn commit_status(&self, writer: &WriterConnection) -> CommitStatus {
        if let Ok(status) = timeout(RETRY_FOR, self.check_until_answered(writer)).await {
            return status;
        }
        writer.discard_connection().await;
        CommitStatus::Unknown
    }

    async fn check_until_answered(&self, writer: &WriterConnection) -> CommitStatus {
        loop {
            match self.check(writer).await {
                Ok(status) => return status,
                Err(error) => debug!(%error, "database does not answer yet"),
            }
            writer.discard_connection().await;
            sleep(RETRY_INTERVAL).await;
        }
    }

    /// Tries to insert a row with the same key. If the commit is still in progress, the database waits for its end before
    /// it reports a conflict.
    async fn check(&self, writer: &WriterConnection) -> Result<CommitStatus, DbErr> {
        writer.begin().await?;
        let status = self.check_in(writer).await;
        writer.rollback().await;
        status
    }

    async fn check_in(&self, txn: &impl SqlExecutor) -> Result<CommitStatus, DbErr> {
        match self {
            Self::Event { vault, record } => {
                let sql = "INSERT INTO vault_events (vault_id, seq, kind, payload, created_at) \
                     VALUES ($1, $2, '', '', 0) ON CONFLICT (vault_id, seq) DO NOTHING";
                let seq = record.seq.to_row();
                if execute(txn, sql, [vault.as_str().into(), seq.into()]).await? == 1 {
                    let head = lookup::head(txn, vault).await?;
                    return Ok(match head {
                        Some(head) if head < record.seq => CommitStatus::RolledBack,
                        Some(_) | None => CommitStatus::Unknown,
                    });
                }
                // The conflicting row may be an event of another process.
                let sql =
                    select::<event::Model>("FROM vault_events WHERE vault_id = $1 AND seq = $2");
                let rows = query(txn, &sql, [vault.as_str().into(), seq.into()]).await?;
                let is_own = |row: &event::Model| row.payload == *record.payload;
                Ok(match rows.first().is_some_and(is_own) {
                    true => CommitStatus::Committed,
                    false => CommitStatus::RolledBack,
                })
            }
            Self::NewVault(id) => {
                let sql = "INSERT INTO vault_heads (vault_id, head) VALUES ($1, 0) \
                     ON CONFLICT (vault_id) DO NOTHING";
                Ok(match execute(txn, sql, [id.as_str().into()]).await? {
                    0 => CommitStatus::Committed,
                    _ => CommitStatus::RolledBack,
                })
            }
        }
    }
}
