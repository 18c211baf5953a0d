//! The committer: the one owner of a writing connection. What waits of several vaults becomes one transaction,
//! so that many busy vaults do not each pay for a flush of their own.
//!
//! It is never timed out or cancelled: a commit whose future is dropped may have happened all the same.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use sea_orm::{DatabaseConnection, DbErr};
use tokio::sync::{mpsc, oneshot};
use tracing::{error, warn};

use super::{
    JournalError,
    line::{Line, renew},
    work::{Work, Written},
    write::{WriteError, write},
};

/// How many works one transaction takes at most, each of them a batch.
const MOST_JOINED: usize = 256;

/// A work and where its outcome goes.
pub(super) struct Task {
    pub work: Work,
    pub answer: oneshot::Sender<Result<Written, JournalError>>,
}

/// Writes tasks until every sender is gone. Holds the line, so that its thread outlives the last task.
pub(super) async fn run(line: Line, mut tasks: mpsc::Receiver<Task>) {
    let mut waiting = Vec::new();
    while tasks.recv_many(&mut waiting, MOST_JOINED).await > 0 {
        // Answers of the last transaction are just bringing new work: let it come, and batches nearly double. This
        // thread has nothing else to do, and one that yields an idle core loses nothing.
        for _ in 0..2 {
            std::thread::yield_now();
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
        let outcomes = survive(line.connection(), &mut works).await;
        let outage = outage_in(&outcomes);
        for (answer, outcome) in answers.into_iter().zip(outcomes) {
            // Who asked may be gone; what was asked is done all the same.
            let _ = answer.send(outcome);
        }
        // Whoever came meanwhile has waited as long, and would wait as long again for the same answer.
        while let Some(outage) = &outage
            && let Ok(Task { answer, .. }) = tasks.try_recv()
        {
            let _ = answer.send(Err(outage.not_begun()));
        }
    }
}

fn outage_in(outcomes: &[Result<Written, JournalError>]) -> Option<JournalError> {
    let mut errors = outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
    errors.rfind(|error| error.is_everybodys()).cloned()
}

/// Commits, and goes on after a panic: without its committer the journal would be dead. Whoever was in that
/// transaction has to look for what became of it.
async fn survive(
    connection: &DatabaseConnection,
    works: &mut [Work],
) -> Vec<Result<Written, JournalError>> {
    let asked = works.len();
    let outcomes = AssertUnwindSafe(commit(connection, works)).catch_unwind();
    match outcomes.await {
        Ok(outcomes) => outcomes,
        Err(_) => {
            error!(
                works = asked,
                "a committer panicked; its works may be written or not"
            );
            renew(connection).await;
            let unknown = JournalError::Unknown(DbErr::Custom("a panic".to_owned()).into());
            vec![unknown; asked].into_iter().map(Err).collect()
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
        Err(error) if error.is_everybodys() => works.iter().map(|_| Err(error.clone())).collect(),
        Err(error) => {
            warn!(%error, works = works.len(), "a transaction failed; writing its parts alone");
            let mut outcomes = Vec::with_capacity(works.len());
            for work in works {
                outcomes.push(commit_alone(connection, work).await);
            }
            outcomes
        }
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
        vault,
        missed,
        mutations,
    } = work
    else {
        return Err(JournalError::Fault(cause));
    };
    let mut all = Written {
        records: std::mem::take(missed),
        ..Written::default()
    };
    // What ends the attempts: trouble that the next mutation would meet too.
    let mut trouble: Option<JournalError> = None;
    for mutation in mutations.drain(..) {
        if let Some(trouble) = &trouble {
            all.results.push(Err(trouble.not_begun().into()));
            continue;
        }
        let mut one = Work::Batch {
            vault: vault.clone(),
            missed: Vec::new(),
            mutations: vec![mutation],
        };
        match attempt_one(connection, &mut one).await {
            Ok(mut written) => {
                all.records.append(&mut written.records);
                all.results.append(&mut written.results);
                *vault = written
                    .vault
                    .expect("a batch tells what it makes of its vault");
            }
            Err(error) => {
                error!(vault.id = %vault.id, %error, "a mutation could not be written");
                all.results.push(Err(error.clone().into()));
                trouble = Some(error).filter(|error| !matches!(error, JournalError::Fault(_)));
            }
        }
    }
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
    let (error, witness, written) = match write(connection, works).await {
        Ok(written) => return Ok(written),
        Err(WriteError::RolledBack(error)) => {
            let error = JournalError::from(error);
            if error.is_everybodys() {
                renew(connection).await;
            }
            return Err(error);
        }
        Err(WriteError::AtCommit {
            error,
            witness,
            written,
        }) => (error, witness, written),
    };
    warn!(%error, "a commit failed; asking the database whether it happened");
    renew(connection).await;
    // Without a witness it told at most who was seen, which will be told again.
    let Some(witness) = witness else {
        return Err(error.into());
    };
    match witness.ask(connection).await {
        Some(true) => Ok(written),
        Some(false) => Err(error.into()),
        None => Err(JournalError::Unknown(error.into())),
    }
}
