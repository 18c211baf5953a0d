//! One transaction: what waits of several vaults is read for, decided, numbered and written together.
//!
//! Each vault's head is taken with `… WHERE head = expected`: that row is the vault's lock. Where it has moved,
//! another process wrote; everything is rolled back, the vault is read again from the journal, and its batch is
//! decided anew on what is true now.

use std::{collections::HashMap, panic::AssertUnwindSafe};

use futures_util::FutureExt;
use sea_orm::{ConnectionTrait, DbErr};

use crate::domain::{
    Answer, Command, Draft, Mutation, Named, Outcome, Resource, Role, Seq, Timestamp, UserId,
    UserRef, Vault,
    idempotency::{Answers, IdempotencyKey},
    vault::Membership,
};

use super::{
    JournalError,
    insert::Rows,
    kept::Taken,
    lookup,
    record::Record,
    statements::Script,
    sweep,
    witness::Witness,
    work::{Denied, NewVault, Work, Written},
    writer::{Purpose, Writer},
};

/// Why a transaction is not known to be on disk.
#[derive(Debug)]
pub(super) enum WriteError {
    /// It is surely not.
    RolledBack(DbErr),
    /// The database was lost when it was about to commit: the witness shows whether it happened, and `written` is true if it did.
    AtCommit {
        error: DbErr,
        witness: Option<Witness>,
        written: Vec<Written>,
    },
}

/// Writes all of it in one transaction, or nothing.
pub(super) async fn write(writer: &Writer, works: &mut [Work]) -> Result<Vec<Written>, WriteError> {
    loop {
        let begun = writer.begin(Purpose::Write).await;
        begun.map_err(WriteError::RolledBack)?;
        // A row that nobody could have written may panic; that is a failure like others.
        let filled = AssertUnwindSafe(fill(writer, works)).catch_unwind().await;
        match filled.unwrap_or_else(|_| Err(DbErr::Custom("a panic".to_owned()))) {
            Ok(Filled::Written(written, witness, last)) => {
                let error = match writer.commit(last).await {
                    Ok(()) => return Ok(written),
                    Err(error) => error,
                };
                if !JournalError::from(error.clone()).is_everybodys() {
                    // The database has answered, and that is a refusal.
                    writer.rollback().await;
                    return Err(WriteError::RolledBack(error));
                }
                return Err(WriteError::AtCommit {
                    error,
                    witness,
                    written,
                });
            }
            Ok(Filled::Moved) => {
                writer.rollback().await;
                let caught_up = catch_up(writer, works).await;
                caught_up.map_err(WriteError::RolledBack)?;
            }
            Err(error) => {
                // PostgreSQL answers a COMMIT after a failed statement with Ok and rolls back: say so ourselves.
                writer.rollback().await;
                return Err(WriteError::RolledBack(error));
            }
        }
    }
}

enum Filled {
    /// What is left to be executed goes with the commit.
    Written(Vec<Written>, Option<Witness>, Script),
    /// Some head was not where its vault was thought to stand.
    Moved,
}

async fn fill(txn: &impl ConnectionTrait, works: &[Work]) -> Result<Filled, DbErr> {
    let named = named(txn, works).await?;
    let mut answers = lookup::answers(txn, &keys(works)).await?;
    let mut taken = Taken::of(txn, works).await?;
    let mut rows = Rows::default();
    let mut written = Vec::with_capacity(works.len());
    for work in works {
        let now = Timestamp::now();
        written.push(match work {
            Work::Batch {
                vault,
                missed,
                mutations,
            } => {
                let mine = named_by(&named, mutations);
                let mut done = decide(vault, mutations, mine, &mut answers, now, &mut rows);
                done.missed = missed.len();
                done.records.splice(0..0, missed.iter().cloned());
                done
            }
            Work::NewVault(new) => create(new, &mut answers, now, &mut rows),
            Work::User(principal) => {
                rows.seen(principal);
                Written::default()
            }
            Work::Keep(sockets) => {
                rows.keep(sockets);
                Written::default()
            }
            Work::Take { pid, now } => Written {
                taken: taken.take(pid, *now),
                ..Written::default()
            },
            Work::Sweep(step) => Written {
                swept: sweep::take(txn, step).await?,
                ..Written::default()
            },
        });
    }
    if !(rows.take_heads(txn).await? && rows.take_keys(txn).await?) {
        return Ok(Filled::Moved);
    }
    let witness = rows.take_witness();
    let last = rows.insert(txn).await?;
    Ok(Filled::Written(written, witness, last))
}

/// Decides a batch and adds what it comes to.
fn decide(
    vault: &Vault,
    mutations: &[Mutation],
    named: Named,
    answers: &mut Answers,
    now: Timestamp,
    rows: &mut Rows,
) -> Written {
    let mut draft = Draft::new(vault.clone(), named);
    let mut written = Written::default();
    for mutation in mutations {
        let result = draft.take(mutation, answers, now).map(|outcome| {
            let (event, answer) = match outcome {
                Outcome::Repeated(answer) => return answer,
                Outcome::Done { event, answer } => (event, answer),
            };
            let record = Record::of(&event);
            rows.event(&vault.id, &record, event.at);
            if let Some(key) = &mutation.key {
                rows.answer(&mutation.by, key, &answer, now);
            }
            written.records.push((record, event.effect()));
            answer
        });
        written.results.push(result.map_err(Denied::from));
    }
    let (after, net) = draft.finish();
    // Nothing changes a deleted vault any more, and where its head was there may be nothing left.
    written.is_gone = vault.members.is_empty();
    if !written.is_gone {
        rows.batch(vault, &after, net, now);
    }
    written.vault = Some(after);
    written
}

/// Adds a new vault, unless the same request made it before.
fn create(new: &NewVault, answers: &mut Answers, now: Timestamp, rows: &mut Rows) -> Written {
    let one = |result: Result<Answer, Denied>| Written {
        results: vec![result],
        ..Written::default()
    };
    if let Some(key) = &new.key {
        match answers.recall(&new.by.id, key) {
            Err(refusal) => return one(Err(refusal.into())),
            Ok(Some(known)) => return one(Ok(known.clone())),
            Ok(None) => {}
        }
    }
    let vault = new_vault(new, now);
    let answer = Answer {
        seq: Seq::ZERO,
        resource: Resource::Vault(vault.view(Role::Owner)),
    };
    if let Some(key) = &new.key {
        answers.remember(&new.by.id, key, answer.clone());
        rows.answer(&new.by, key, &answer, now);
    }
    rows.vault(new, now);
    one(Ok(answer))
}

fn new_vault(new: &NewVault, now: Timestamp) -> Vault {
    let owner = Membership {
        role: Role::Owner,
        created_at: now,
    };
    Vault {
        id: new.id.clone(),
        name: new.name.as_str().into(),
        head: Seq::ZERO,
        members: HashMap::from([(new.by.id.clone(), owner)]).into(),
        created_at: now,
        updated_at: now,
    }
}

/// Brings vaults that another process has changed up to what the database says now.
async fn catch_up(writer: &Writer, works: &mut [Work]) -> Result<(), DbErr> {
    for work in works {
        let Work::Batch { vault, missed, .. } = work else {
            continue;
        };
        writer.begin(Purpose::Read).await?;
        let read = lookup::catch_up(writer, &vault.id, vault.head).await;
        writer.rollback().await;
        let (now, records) = read?;
        for record in records {
            let effect = record.effect().map_err(|e| DbErr::Json(e.to_string()))?;
            missed.push((record, effect));
        }
        match now {
            Some(now) => *vault = now,
            None => vault.members = HashMap::new().into(),
        }
    }
    Ok(())
}

/// One read for everything that the works name.
async fn named(txn: &impl ConnectionTrait, works: &[Work]) -> Result<Named, DbErr> {
    let (mut sources, mut users, mut emails) = (Vec::new(), Vec::new(), Vec::new());
    for mutation in works.iter().flat_map(Work::mutations) {
        match &mutation.command {
            Command::UpdateSource { id, .. } | Command::DeleteSource { id, .. } => {
                sources.push(id.clone());
            }
            Command::AddMember { user, .. } => match user {
                UserRef::Id(id) => users.push(id.clone()),
                UserRef::Email(email) => emails.push(email.clone()),
            },
            Command::ChangeRole { user, .. } | Command::RemoveMember { user } => {
                users.push(user.clone());
            }
            Command::CreateSource { .. } | Command::Rename { .. } | Command::Delete => {}
        }
    }
    Ok(Named {
        sources: lookup::sources(txn, &sources).await?,
        users: lookup::users(txn, &users, &emails).await?,
    })
}

/// The part of it that one batch names. Sources belong to one vault, users to everybody.
fn named_by(all: &Named, mutations: &[Mutation]) -> Named {
    let mut mine = Named {
        sources: HashMap::new(),
        users: all.users.clone(),
    };
    for mutation in mutations {
        if let Command::UpdateSource { id, .. } | Command::DeleteSource { id, .. } =
            &mutation.command
            && let Some(source) = all.sources.get(id)
        {
            mine.sources.insert(id.clone(), source.clone());
        }
    }
    mine
}

fn keys(works: &[Work]) -> Vec<(&UserId, &IdempotencyKey)> {
    let mut keys = Vec::new();
    for work in works {
        for Mutation { by, key, .. } in work.mutations() {
            keys.extend(key.as_ref().map(|key| (&by.id, key)));
        }
        if let Work::NewVault(NewVault { by, key, .. }) = work {
            keys.extend(key.as_ref().map(|key| (&by.id, key)));
        }
    }
    keys
}
