//! The committer: the one owner of a writing connection. What waits of several vaults becomes one transaction,
//! so that many busy vaults do not each pay for a flush of their own.
//!
//! It is never timed out or cancelled: a commit whose future is dropped may have happened all the same.

use std::time::Duration;

use sea_orm::{ColumnTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter, QuerySelect};
use tokio::sync::{mpsc, oneshot};
use tracing::{error, warn};

use super::{
    JournalError, database,
    insert::Witness,
    work::{Work, Written},
    write::{WriteError, write},
};

/// How many works one transaction takes at most, each of them a batch.
const MOST_JOINED: usize = 256;

/// How often, and how long apart, the database is asked whether a commit happened.
const QUESTIONS: u32 = 10;
const BETWEEN_QUESTIONS: Duration = Duration::from_millis(500);

/// A work and where its outcome goes.
pub(super) struct Task {
    pub work: Work,
    pub answer: oneshot::Sender<Result<Written, JournalError>>,
}

/// Writes tasks until every sender is gone.
pub(super) async fn run(connection: DatabaseConnection, mut tasks: mpsc::Receiver<Task>) {
    let mut waiting = Vec::new();
    while tasks.recv_many(&mut waiting, MOST_JOINED).await > 0 {
        // Answers of the last transaction are just bringing new work: let it come, and batches nearly double.
        for _ in 0..2 {
            tokio::task::yield_now().await;
            while waiting.len() < MOST_JOINED
                && let Ok(task) = tasks.try_recv()
            {
                waiting.push(task);
            }
        }
        let (mut works, answers): (Vec<_>, Vec<_>) = waiting
            .drain(..)
            .map(|Task { work, answer }| (work, answer))
            .unzip();
        let outcomes = commit(&connection, &mut works).await;
        for (answer, outcome) in answers.into_iter().zip(outcomes) {
            // Who asked may be gone; what was asked is done all the same.
            let _ = answer.send(outcome);
        }
    }
}

/// Writes all works together; where that fails for a reason of one of them, each alone.
async fn commit(
    connection: &DatabaseConnection,
    works: &mut [Work],
) -> Vec<Result<Written, JournalError>> {
    match attempt(connection, works).await {
        Ok(written) => written.into_iter().map(Ok).collect(),
        Err(JournalError::Fault(cause)) => {
            let mut outcomes = Vec::with_capacity(works.len());
            warn!(error = %cause, works = works.len(), "a transaction failed; writing its parts alone");
            for work in works {
                outcomes.push(commit_alone(connection, work).await);
            }
            outcomes
        }
        Err(error) => works.iter().map(|_| Err(error.clone())).collect(),
    }
}

/// Writes one work, and if that fails, each of its mutations alone, so that one cannot take others with it.
async fn commit_alone(
    connection: &DatabaseConnection,
    work: &mut Work,
) -> Result<Written, JournalError> {
    let cause = match attempt_one(connection, work).await {
        Err(JournalError::Fault(cause)) => cause,
        outcome => return outcome,
    };
    let Work::Batch {
        vault, mutations, ..
    } = work
    else {
        return Err(JournalError::Fault(cause));
    };
    let mut all = Written::default();
    let mut standing = vault.clone();
    for mutation in mutations.drain(..) {
        let mut one = Work::Batch {
            vault: standing.clone(),
            missed: Vec::new(),
            mutations: vec![mutation],
        };
        match attempt_one(connection, &mut one).await {
            Ok(mut written) => {
                all.records.append(&mut written.records);
                all.results.append(&mut written.results);
                standing = written.vault.unwrap_or(standing);
            }
            Err(error) => {
                error!(vault.id = %standing.id, %error, "a mutation could not be written");
                all.results.push(Err(error.into()));
            }
        }
    }
    all.vault = Some(standing);
    Ok(all)
}

async fn attempt_one(
    connection: &DatabaseConnection,
    work: &mut Work,
) -> Result<Written, JournalError> {
    let mut written = attempt(connection, std::slice::from_mut(work)).await?;
    Ok(written.pop().expect("one work has one outcome"))
}

/// One transaction; when its commit answered with an error, what the database says became of it.
async fn attempt(
    connection: &DatabaseConnection,
    works: &mut [Work],
) -> Result<Vec<Written>, JournalError> {
    match write(connection, works).await {
        Ok(written) => Ok(written),
        Err(WriteError::RolledBack(error)) => Err(error.into()),
        Err(WriteError::AtCommit {
            error,
            witness,
            written,
        }) => {
            warn!(%error, "a commit failed; asking the database whether it happened");
            match happened(connection, witness.as_ref()).await {
                Some(true) => Ok(written),
                Some(false) => Err(JournalError::Unavailable(error.into())),
                None => Err(JournalError::Unknown(error.into())),
            }
        }
    }
}

/// Whether the transaction of this witness is in the database; `None` when it cannot be asked.
async fn happened(connection: &DatabaseConnection, witness: Option<&Witness>) -> Option<bool> {
    // Without a witness it told at most who was seen, which will be told again.
    let Some(witness) = witness else {
        return Some(false);
    };
    for _ in 0..QUESTIONS {
        match look_for(connection, witness).await {
            Ok(found) => return Some(found),
            Err(error) => warn!(%error, "the database does not answer yet"),
        }
        tokio::time::sleep(BETWEEN_QUESTIONS).await;
    }
    None
}

async fn look_for(connection: &DatabaseConnection, witness: &Witness) -> Result<bool, DbErr> {
    let txn = database::begin_write(connection).await?;
    let found = match witness {
        Witness::Event(vault, record) => {
            // The head's lock first: should that commit still be under way, its end is waited for.
            entity::head::Entity::find_by_id(vault.as_str())
                .lock_exclusive()
                .one(&txn)
                .await?;
            entity::event::Entity::find()
                .filter(entity::event::Column::VaultId.eq(vault.as_str()))
                .filter(entity::event::Column::Seq.eq(record.seq.to_row()))
                .filter(entity::event::Column::Payload.eq(record.payload.as_ref()))
                .one(&txn)
                .await?
                .is_some()
        }
        Witness::Vault(id) => entity::vault::Entity::find_by_id(id.as_str())
            .one(&txn)
            .await?
            .is_some(),
    };
    txn.rollback().await?;
    Ok(found)
}
