//! Forgetting answers that are older than they are remembered for, in the background and in small steps, so that
//! no mutation waits long behind one.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DbErr};
use tokio::sync::{mpsc, oneshot};
use tracing::{info, warn};

use crate::domain::{Timestamp, idempotency::REMEMBERED_FOR_MILLIS};

use super::{JournalError, committer::Task, statements::execute, work::Work};

/// How many answers one step forgets.
pub(super) const STEP: u64 = 500;

/// How long between two sweeps.
const BETWEEN_SWEEPS: Duration = Duration::from_secs(10 * 60);

/// Sweeps every now and then, as long as somebody else keeps the committer going.
pub(super) async fn run(committer: mpsc::WeakSender<Task>) {
    loop {
        tokio::time::sleep(BETWEEN_SWEEPS).await;
        let Some(tasks) = committer.upgrade() else {
            return;
        };
        match sweep(&tasks, Timestamp::now()).await {
            Ok(0) => {}
            Ok(answers) => info!(answers, "forgot answers older than a day"),
            Err(error) => warn!(%error, "old answers could not be forgotten; trying again later"),
        }
    }
}

/// Forgets, step by step, every answer that is not remembered at this time any longer; how many there were.
pub(super) async fn sweep(
    committer: &mpsc::Sender<Task>,
    now: Timestamp,
) -> Result<u64, JournalError> {
    let until = Timestamp(now.0 - REMEMBERED_FOR_MILLIS);
    let mut all = 0;
    loop {
        let (answer, outcome) = oneshot::channel();
        let work = Work::Sweep { until };
        let sent = committer.send(Task { work, answer }).await;
        sent.map_err(|_| JournalError::Closed)?;
        let written = outcome.await.map_err(|_| JournalError::Closed)??;
        all += written.swept;
        if written.swept < STEP {
            return Ok(all);
        }
    }
}

/// One step, within a transaction.
pub(super) async fn step(txn: &impl ConnectionTrait, until: Timestamp) -> Result<u64, DbErr> {
    let sql = format!(
        "DELETE FROM idempotency_keys WHERE (user_id, path, key) IN (SELECT user_id, path, key \
         FROM idempotency_keys WHERE created_at <= $1 ORDER BY created_at LIMIT {STEP})"
    );
    execute(txn, &sql, [until.0.into()]).await
}
