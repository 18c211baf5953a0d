//! The proof of a database: every vault's journal is without gaps, ends where its head says, and comes to exactly the
//! rows that are there. For `vaultcast verify`.
//!
//! It reads from one moment and writes nothing, so it may run beside a service; one vault is held in
//! memory at a time, its events a page at a time. What is checked of one vault is [`Proof`], which is plain; it shares
//! the words of [`domain`](crate::domain) with those who wrote the rows, not their hands: it reads events and compares
//! rows by itself. Where a journal was trimmed, what the events that are gone did is taken as given.

use entity::vault;
use sea_orm::DbErr;
use thiserror::Error;

mod answers;
mod contradiction;
mod payload;
mod proof;
mod snapshot;
mod state;
mod summary;

pub use contradiction::{Contradiction, Finding, Findings, Thing};
pub use proof::Proof;
pub use summary::{Reach, Summary, Totals};

use snapshot::Snapshot;

use crate::domain::VaultId;

/// The tables that have rows of vaults.
const TABLES: [&str; 4] = ["vault_heads", "vault_events", "vault_users", "sources"];

/// Why nothing can be said of a database.
#[derive(Debug, Error)]
pub enum VerifyError {
    #[error(transparent)]
    Database(#[from] DbErr),
    #[error("it is no database of vaultcast, or was never migrated")]
    NotOurs,
    #[error("migration {0} is pending: run `vaultcast migrate up` first")]
    Pending(String),
    #[error("it is newer than this program, which does not know migration {0}")]
    Newer(String),
    #[error("there is no vault {0}")]
    NoVault(VaultId),
}

/// What became of it.
#[derive(Debug, Default)]
pub struct Verdict {
    pub totals: Totals,
    pub findings: Findings,
}

/// Proves a database, or one vault of it; `each` is told of every vault.
///
/// # Errors
/// When the database does not answer, or is none of this program's.
pub async fn verify(
    url: &str,
    only: Option<&VaultId>,
    mut each: impl FnMut(&Summary),
) -> Result<Verdict, VerifyError> {
    let snapshot = Snapshot::of(url).await?;
    let mut verdict = Verdict::default();
    if let Some(id) = only {
        let found = snapshot.vault(id.as_str()).await?;
        let (row, head) = found.ok_or_else(|| VerifyError::NoVault(id.clone()))?;
        each(&prove(&snapshot, &row, head, &mut verdict).await?);
    } else {
        let mut last = String::new();
        loop {
            let page = snapshot.vaults(&last).await?;
            for (row, head) in &page {
                each(&prove(&snapshot, row, *head, &mut verdict).await?);
            }
            match page.into_iter().next_back() {
                Some((row, _)) => last = row.id,
                None => break,
            }
        }
        everything_else(&snapshot, &mut verdict).await?;
    }
    snapshot.close().await?;
    Ok(verdict)
}

/// Proves one vault.
async fn prove(
    snapshot: &Snapshot,
    row: &vault::Model,
    head: Option<i64>,
    verdict: &mut Verdict,
) -> Result<Summary, DbErr> {
    let mut proof = Proof::new(row, head, &mut verdict.findings);
    let mut last = None;
    loop {
        let page = snapshot.events(&row.id, last).await?;
        page.iter().for_each(|event| proof.event(event));
        match page.last() {
            Some(event) => last = Some(event.seq),
            None => break,
        }
    }
    let mut last = None;
    loop {
        let page = snapshot.sources(&row.id, last).await?;
        page.iter().for_each(|source| proof.source(source));
        match page.last() {
            Some(source) => last = Some(source.created_seq),
            None => break,
        }
    }
    let mut last = String::new();
    loop {
        let page = snapshot.members(&row.id, &last).await?;
        page.iter().for_each(|member| proof.member(member));
        match page.into_iter().next_back() {
            Some(member) => last = member.user_id,
            None => break,
        }
    }
    let summary = proof.finish();
    verdict.totals.vaults += 1;
    verdict.totals.events += summary.events;
    Ok(summary)
}

/// What belongs to no vault, or to none that is there.
async fn everything_else(snapshot: &Snapshot, verdict: &mut Verdict) -> Result<(), DbErr> {
    let findings = &mut verdict.findings;
    for table in TABLES {
        for vault in snapshot.strangers(table).await? {
            findings.add(Some(&vault), Contradiction::NoVault { table });
        }
    }
    let rows = snapshot.epochs().await?;
    if rows != 1 {
        findings.add(None, Contradiction::Epoch { rows });
    }
    let mut last = None;
    loop {
        let page = snapshot.answers(last.as_ref()).await?;
        let ground = snapshot.ground(&page).await?;
        for row in &page {
            answers::check(row, &ground, findings);
        }
        verdict.totals.answers += page.len() as u64;
        match page.into_iter().next_back() {
            Some(row) => last = Some(row),
            None => return Ok(()),
        }
    }
}
