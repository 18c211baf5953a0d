//! Executes a [`PurgeStep`] within a transaction.

use sea_orm::DbErr;

use super::{request::PurgeStep, sql_executor::SqlExecutor, statements::execute};

/// Maximum number of rows that one step deletes.
pub(super) const MAX_ROWS: u64 = 500;

/// Deletes the rows of a step and returns their number; a deleted vault counts as one.
///
/// # Errors
/// When the database rejects a statement.
pub(super) async fn purge(txn: &impl SqlExecutor, step: &PurgeStep) -> Result<u64, DbErr> {
    match step {
        PurgeStep::Answers { until } => {
            // The outer condition repeats the time, here and below: another process may renew a row after it was selected.
            let sql = format!(
                "DELETE FROM idempotency_keys WHERE created_at <= $1 AND (user_id, path, key) IN \
                 (SELECT user_id, path, key FROM idempotency_keys WHERE created_at <= $1 \
                 ORDER BY created_at LIMIT {MAX_ROWS})"
            );
            execute(txn, &sql, [until.0.into()]).await
        }
        PurgeStep::Sockets { until } => {
            let sql = format!(
                "DELETE FROM stored_sockets WHERE expires <= $1 AND pid IN (SELECT pid FROM stored_sockets \
                 WHERE expires <= $1 ORDER BY expires LIMIT {MAX_ROWS})"
            );
            execute(txn, &sql, [until.0.into()]).await
        }
        PurgeStep::Events { vault, through } => {
            let sql = "DELETE FROM vault_events WHERE vault_id = $1 AND seq <= $2";
            let values = [vault.as_str().into(), through.to_row().into()];
            execute(txn, sql, values).await
        }
        PurgeStep::Tombstone { vault } => {
            let id = || [vault.as_str().into()];
            execute(txn, "DELETE FROM vault_heads WHERE vault_id = $1", id()).await?;
            execute(txn, "DELETE FROM vaults WHERE id = $1", id()).await
        }
    }
}
