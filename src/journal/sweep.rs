//! Letting go of what is kept no longer, in the background and in small steps, so that no mutation waits long behind
//! one: answers that are older than they are remembered for, sockets that did not come back in time, and events and
//! deleted vaults ([`Retention`]).
//!
//! What is to go is looked for beside the writer, so that a sweep that finds nothing writes nothing, and taken away
//! through the committer, where a step joins the transaction that is about to be written. Another process on the same database may do the same at the same time:
//! whoever comes second finds nothing left to do.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::info;

use crate::domain::{Seq, Timestamp, VaultId, idempotency::REMEMBERED_FOR_MILLIS};

use super::{
    JournalError, Meters, Retention,
    committer::Task,
    error::report,
    kept,
    line::Line,
    retention::{self, Aged},
    statements::execute,
    work::Work,
};

/// How many rows one step takes away.
pub(super) const STEP: u64 = 500;

/// How many vaults are looked at in one read.
const LOOKED_AT: u64 = 256;

/// How long between two sweeps.
const BETWEEN_SWEEPS: Duration = Duration::from_secs(10 * 60);

/// How much was let go of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Remembered answers.
    pub answers: u64,
    /// Sockets that were kept and did not come back.
    pub sockets: u64,
    /// Events.
    pub events: u64,
    /// Deleted vaults, of which nothing is left.
    pub vaults: u64,
}

/// What goes in one step.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Some of the answers given up to then.
    Answers { until: Timestamp },
    /// Some of the kept sockets that expired by then.
    Sockets { until: Timestamp },
    /// A vault's events up to a place, no more of them than a step takes.
    Events { vault: VaultId, through: Seq },
    /// What is left of a deleted vault whose events have gone.
    Tombstone { vault: VaultId },
}

/// Sweeps every now and then, as long as somebody else keeps the committer going. At once for the first time: a service
/// that is started again often would never come to it. Likewise when it is said that another [`Retention`] holds.
pub(super) async fn run(
    reader: Line,
    committer: mpsc::WeakSender<Task>,
    mut retention: watch::Receiver<Retention>,
    meters: Meters,
) {
    while let Some(committer) = committer.upgrade() {
        let broom = Broom {
            reader: &reader,
            committer: &committer,
            meters: &meters,
        };
        let kept = *retention.borrow_and_update();
        match broom.sweep(kept, Timestamp::now()).await {
            Ok(swept) if swept == Swept::default() => {}
            Ok(Swept {
                answers,
                sockets,
                events,
                vaults,
            }) => info!(
                answers,
                sockets, events, vaults, "let go of what is kept no longer"
            ),
            Err(error) => {
                report!(
                    error,
                    "not everything old could be let go of; trying again later"
                );
            }
        }
        drop(committer);
        let changed = tokio::time::timeout(BETWEEN_SWEEPS, retention.changed()).await;
        if matches!(changed, Ok(Err(_))) {
            return; // the journal has ended
        }
    }
}

/// What a sweep is done with.
pub(super) struct Broom<'a> {
    pub reader: &'a Line,
    pub committer: &'a mpsc::Sender<Task>,
    pub meters: &'a Meters,
}

impl Broom<'_> {
    /// Lets go, step by step, of everything that is not kept at this time any longer; how much that was.
    pub(super) async fn sweep(
        &self,
        retention: Retention,
        now: Timestamp,
    ) -> Result<Swept, JournalError> {
        let mut swept = Swept {
            answers: self.answers(now).await?,
            sockets: self.sockets(now).await?,
            ..Swept::default()
        };
        let mut last = None;
        loop {
            let after = last.clone();
            let look = |db| async move { retention::aged(&db, after.as_ref(), LOOKED_AT).await };
            let vaults = self.reader.run(look).await?;
            for vault in &vaults {
                if retention.is_buried(vault, now) {
                    swept.events += self.events(vault, |_, _| true).await?;
                    let vault = vault.id.clone();
                    swept.vaults += self.step(Step::Tombstone { vault }).await?;
                } else if retention.has_old(vault, now) {
                    let old = |seq, at| retention.is_old(vault.head, seq, at, now);
                    swept.events += self.events(vault, old).await?;
                }
            }
            match vaults.into_iter().next_back() {
                Some(vault) => last = Some(vault.id),
                None => return Ok(swept),
            }
        }
    }

    async fn answers(&self, now: Timestamp) -> Result<u64, JournalError> {
        let until = Timestamp(now.0 - REMEMBERED_FOR_MILLIS);
        let is_left = |db| async move { retention::has_answers(&db, until).await };
        self.while_left(is_left, Step::Answers { until }).await
    }

    async fn sockets(&self, until: Timestamp) -> Result<u64, JournalError> {
        let is_left = |db| async move { kept::has_expired(&db, until).await };
        self.while_left(is_left, Step::Sockets { until }).await
    }

    /// Takes a step again and again, until nothing is left for it.
    async fn while_left<F>(
        &self,
        is_left: impl Fn(DatabaseConnection) -> F,
        step: Step,
    ) -> Result<u64, JournalError>
    where
        F: Future<Output = Result<bool, DbErr>> + Send + 'static,
    {
        let mut all = 0;
        while self.reader.run(&is_left).await? {
            all += self.step(step.clone()).await?;
        }
        Ok(all)
    }

    /// Trims a vault's oldest events, up to the first that is not to go.
    async fn events(
        &self,
        vault: &Aged,
        goes: impl Fn(Seq, Timestamp) -> bool,
    ) -> Result<u64, JournalError> {
        let mut all = 0;
        loop {
            let id = vault.id.clone();
            let look = |db| async move { retention::oldest(&db, &id, STEP).await };
            let oldest = self.reader.run(look).await?;
            let going = oldest.iter().take_while(|(seq, at)| goes(*seq, *at));
            let Some((through, _)) = going.last().copied() else {
                return Ok(all);
            };
            let vault = vault.id.clone();
            let gone = self.step(Step::Events { vault, through }).await?;
            self.meters.swept_events.inc_by(gone);
            all += gone;
        }
    }

    /// Has one step taken; how many rows it took away.
    async fn step(&self, step: Step) -> Result<u64, JournalError> {
        let (answer, outcome) = oneshot::channel();
        let work = Work::Sweep(step);
        let sent = self.committer.send(Task::now(work, answer)).await;
        sent.map_err(|_| JournalError::Closed)?;
        let written = outcome.await.map_err(|_| JournalError::Closed)??;
        Ok(written.swept)
    }
}

/// Takes one step within a transaction; how many rows it took away, a deleted vault counting as one.
pub(super) async fn take(txn: &impl ConnectionTrait, step: &Step) -> Result<u64, DbErr> {
    match step {
        Step::Answers { until } => {
            // The time is compared twice, here and below: what was found old may be told anew before its turn comes.
            let sql = format!(
                "DELETE FROM idempotency_keys WHERE created_at <= $1 AND (user_id, path, key) IN \
                 (SELECT user_id, path, key FROM idempotency_keys WHERE created_at <= $1 \
                 ORDER BY created_at LIMIT {STEP})"
            );
            execute(txn, &sql, [until.0.into()]).await
        }
        Step::Sockets { until } => {
            let sql = format!(
                "DELETE FROM kept_sockets WHERE expires <= $1 AND pid IN (SELECT pid FROM kept_sockets \
                 WHERE expires <= $1 ORDER BY expires LIMIT {STEP})"
            );
            execute(txn, &sql, [until.0.into()]).await
        }
        Step::Events { vault, through } => {
            let sql = "DELETE FROM vault_events WHERE vault_id = $1 AND seq <= $2";
            let values = [vault.as_str().into(), through.to_row().into()];
            execute(txn, sql, values).await
        }
        Step::Tombstone { vault } => {
            let id = || [vault.as_str().into()];
            execute(txn, "DELETE FROM vault_heads WHERE vault_id = $1", id()).await?;
            execute(txn, "DELETE FROM vaults WHERE id = $1", id()).await
        }
    }
}
