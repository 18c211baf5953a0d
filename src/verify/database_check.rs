//! Verifies a whole database, or one of its vaults, page by page.

use sea_orm::DbErr;

use crate::domain::VaultId;

use super::{
    answers,
    error::VerifyError,
    findings::{Contradiction, Findings},
    snapshot::{Snapshot, VaultWithHead},
    summary::{VaultSummary, VerifyTotals},
    vault_verifier::VaultVerifier,
};

/// The tables with a column `vault_id`.
const VAULT_TABLES: [&str; 4] = ["vault_heads", "vault_events", "vault_users", "sources"];

/// The result of a verification.
#[derive(Debug, Default)]
pub struct VerifyReport {
    pub totals: VerifyTotals,
    pub findings: Findings,
}

/// Verifies a database (on PostgreSQL, the tables in `schema` or in the first schema of the search path), or only the vault
/// `only`. Calls `on_vault` with the summary of each vault.
///
/// # Errors
/// When the database does not answer, or was not made by this version of vaultcast.
pub async fn verify(
    url: &str,
    schema: Option<&str>,
    only: Option<&VaultId>,
    mut on_vault: impl FnMut(&VaultSummary),
) -> Result<VerifyReport, VerifyError> {
    let snapshot = Snapshot::open(url, schema).await?;
    let mut report = VerifyReport::default();
    if let Some(id) = only {
        let vault = snapshot.vault(id.as_str()).await?;
        let vault = vault.ok_or_else(|| VerifyError::UnknownVault(id.clone()))?;
        on_vault(&verify_vault(&snapshot, &vault, &mut report).await?);
    } else {
        let mut last = String::new();
        loop {
            let page = snapshot.vaults(&last).await?;
            for vault in &page {
                on_vault(&verify_vault(&snapshot, vault, &mut report).await?);
            }
            match page.into_iter().next_back() {
                Some(vault) => last = vault.row.id,
                None => break,
            }
        }
        verify_shared_rows(&snapshot, &mut report).await?;
    }
    snapshot.close().await?;
    Ok(report)
}

async fn verify_vault(
    snapshot: &Snapshot,
    vault: &VaultWithHead,
    report: &mut VerifyReport,
) -> Result<VaultSummary, DbErr> {
    let id = &vault.row.id;
    let mut verifier = VaultVerifier::new(&vault.row, vault.head, &mut report.findings);
    let mut last = None;
    loop {
        let page = snapshot.events(id, last).await?;
        page.iter().for_each(|event| verifier.add_event(event));
        match page.last() {
            Some(event) => last = Some(event.seq),
            None => break,
        }
    }
    let mut last = None;
    loop {
        let page = snapshot.sources(id, last).await?;
        page.iter().for_each(|source| verifier.check_source(source));
        match page.last() {
            Some(source) => last = Some(source.created_seq),
            None => break,
        }
    }
    let mut last = String::new();
    loop {
        let page = snapshot.members(id, &last).await?;
        page.iter().for_each(|member| verifier.check_member(member));
        match page.into_iter().next_back() {
            Some(member) => last = member.user_id,
            None => break,
        }
    }
    let summary = verifier.finish();
    report.totals.vaults += 1;
    report.totals.events += summary.events;
    Ok(summary)
}

/// Verifies the rows that belong to no vault or to a missing one.
async fn verify_shared_rows(snapshot: &Snapshot, report: &mut VerifyReport) -> Result<(), DbErr> {
    let findings = &mut report.findings;
    for table in VAULT_TABLES {
        for vault in snapshot.vaults_without_row(table).await? {
            findings.add(Some(&vault), Contradiction::MissingVault { table });
        }
    }
    let rows = snapshot.epoch_rows().await?;
    if rows != 1 {
        findings.add(None, Contradiction::Epoch { rows });
    }
    let mut last = None;
    loop {
        let page = snapshot.answers(last.as_ref()).await?;
        let context = snapshot.answer_context(&page).await?;
        for row in &page {
            answers::check(row, &context, findings);
        }
        report.totals.answers += page.len() as u64;
        match page.into_iter().next_back() {
            Some(row) => last = Some(row),
            None => return Ok(()),
        }
    }
}
