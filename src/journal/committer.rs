//! The committer: the one owner of a writing connection. What waits of several vaults becomes one transaction,
//! so that many busy vaults do not each pay for a flush of their own.
//!
//! It is never timed out or cancelled: a commit whose future is dropped may have happened all the same.

use std::{
    panic::AssertUnwindSafe,
    thread,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use sea_orm::DbErr;
use tokio::sync::{mpsc, oneshot};
use tracing::{debug, error, warn};

use super::{
    Gathering, JournalError, Meters,
    line::Line,
    work::{Work, Written},
    write::{WriteError, write},
    writer::Writer,
};

/// How many works one transaction takes at most, each of them a batch.
const MOST_JOINED: usize = 256;

/// How often, and how long apart, it is looked whether more has come before a transaction.
const LOOKS: u32 = 6;
const BETWEEN_LOOKS: Duration = Duration::from_micros(50);

/// A work and where its outcome goes.
pub(super) struct Task {
    work: Work,
    answer: oneshot::Sender<Result<Written, JournalError>>,
    sent: Instant,
}

impl Task {
    /// A work that is sent now.
    pub(super) fn now(work: Work, answer: oneshot::Sender<Result<Written, JournalError>>) -> Self {
        let sent = Instant::now();
        Self { work, answer, sent }
    }
}

/// Writes tasks until every sender is gone, or the connections close. Holds the line, so that its thread outlives the
/// last task.
pub(super) async fn run(line: Line, mut tasks: mpsc::Receiver<Task>, meters: Meters) {
    let writer = Writer::of(&line);
    let mut closing = writer.closing();
    let (mut waiting, mut gathering) = (Vec::new(), Gathering::default());
    loop {
        let taken = tokio::select! {
            taken = tasks.recv_many(&mut waiting, MOST_JOINED) => taken,
            () = &mut closing => 0,
        };
        if taken == 0 {
            return;
        }
        gather(&mut gathering, &mut waiting, &mut tasks);
        let mut handling = Vec::with_capacity(waiting.len());
        let (mut works, answers): (Vec<_>, Vec<_>) = waiting
            .drain(..)
            .map(|Task { work, answer, sent }| {
                handling.push(meters.mailbox.taken(sent));
                (work, answer)
            })
            .unzip();
        meters.batch_works.observe(works.len() as f64);
        for batch in works.iter().map(|work| work.mutations().len()) {
            if batch > 0 {
                meters.batch_mutations.observe(batch as f64);
            }
        }
        let begun = Instant::now();
        let outcomes = survive(&writer, &mut works).await;
        meters.commit_seconds.observe(begun.elapsed().as_secs_f64());
        drop(handling);
        outcomes.iter().for_each(|outcome| meters.work(outcome));
        let outage = outage_in(&outcomes);
        let answered = outcomes.len();
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
        gathering.begin(answered, tasks.len(), MOST_JOINED);
    }
}

/// Takes in what comes within a moment, for as long as more is to be expected. It comes from other threads, and this
/// one has nothing else to do: to be woken for each would cost more than to look a few times.
fn gather(gathering: &mut Gathering, waiting: &mut Vec<Task>, tasks: &mut mpsc::Receiver<Task>) {
    for look in 0.. {
        while waiting.len() < MOST_JOINED
            && let Ok(task) = tasks.try_recv()
        {
            waiting.push(task);
        }
        if gathering.is_complete(waiting.len()) {
            return;
        }
        if look == LOOKS {
            return gathering.give_up();
        }
        thread::sleep(BETWEEN_LOOKS);
    }
}

fn outage_in(outcomes: &[Result<Written, JournalError>]) -> Option<JournalError> {
    let mut errors = outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
    errors.rfind(|error| error.is_everybodys()).cloned()
}

/// Commits, and goes on after a panic: without its committer the journal would be dead. Whoever was in that
/// transaction has to look for what became of it.
async fn survive(writer: &Writer, works: &mut [Work]) -> Vec<Result<Written, JournalError>> {
    let asked = works.len();
    let outcomes = AssertUnwindSafe(commit(writer, works)).catch_unwind();
    match outcomes.await {
        Ok(outcomes) => outcomes,
        Err(_) => {
            // Where and why it did has been logged.
            warn!(
                works = asked,
                "a committer panicked; its works may be written or not"
            );
            writer.renew().await;
            let unknown = JournalError::Unknown(DbErr::Custom("a panic".to_owned()).into());
            vec![unknown; asked].into_iter().map(Err).collect()
        }
    }
}

/// Writes all works together; where that fails for a reason of one of them, each alone.
async fn commit(writer: &Writer, works: &mut [Work]) -> Vec<Result<Written, JournalError>> {
    match attempt(writer, works).await {
        Ok(written) => written.into_iter().map(Ok).collect(),
        Err(error) if error.is_everybodys() => works.iter().map(|_| Err(error.clone())).collect(),
        Err(error) => {
            // What failed is told when it is known whose fault it was.
            debug!(%error, works = works.len(), "a transaction failed; writing its parts alone");
            let mut outcomes = Vec::with_capacity(works.len());
            for work in works {
                outcomes.push(commit_alone(writer, work).await);
            }
            outcomes
        }
    }
}

/// Writes one work, and if that fails, each of its mutations alone, so that one cannot take others with it.
async fn commit_alone(writer: &Writer, work: &mut Work) -> Result<Written, JournalError> {
    let cause = match attempt_one(writer, work).await {
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
        missed: missed.len(),
        records: std::mem::take(missed),
        ..Written::default()
    };
    // What ends the attempts: trouble that the next mutation would meet too.
    let mut trouble: Option<JournalError> = None;
    let (mut faults, all_of_them) = (Vec::new(), mutations.len());
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
        match attempt_one(writer, &mut one).await {
            Ok(mut written) => {
                all.records.append(&mut written.records);
                all.results.append(&mut written.results);
                *vault = written
                    .vault
                    .expect("a batch tells what it makes of its vault");
            }
            Err(error) => {
                all.results.push(Err(error.clone().into()));
                if error.is_fault() {
                    faults.push(error);
                } else {
                    trouble = Some(error);
                }
            }
        }
    }
    if let Some(error) = faults.first() {
        // Each author is told by his answer; what is wrong with a whole batch is wrong once.
        let (failed, mutations) = (faults.len(), all_of_them);
        error!(vault.id = %vault.id, %error, failed, mutations, "mutations could not be written");
    }
    Ok(all)
}

async fn attempt_one(writer: &Writer, work: &mut Work) -> Result<Written, JournalError> {
    let mut written = attempt(writer, std::slice::from_mut(work)).await?;
    Ok(written.pop().expect("one work has one outcome"))
}

/// One transaction; when its commit answered with an error, what the database says became of it.
async fn attempt(writer: &Writer, works: &mut [Work]) -> Result<Vec<Written>, JournalError> {
    let (error, witness, written) = match write(writer, works).await {
        Ok(written) => return Ok(written),
        Err(WriteError::RolledBack(error)) => {
            let error = JournalError::from(error);
            if error.is_everybodys() {
                writer.renew().await;
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
    writer.renew().await;
    // Without a witness it told at most who was seen, which will be told again, or kept or took sockets, who lose no
    // event if they are let in anew.
    let Some(witness) = witness else {
        return Err(error.into());
    };
    match witness.ask(writer).await {
        Some(true) => Ok(written),
        Some(false) => Err(error.into()),
        None => Err(JournalError::Unknown(error.into())),
    }
}
