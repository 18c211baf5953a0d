//! Goes through the tables of the application, merged by vault, and decides what becomes of each row.
//!
//! Memory holds the members of one vault, a page of sources, and the rows of one transaction.

use std::collections::HashSet;

use crate::domain::{Role, Seq, User, UserId, VaultId};

use super::{
    application::{Application, RowReader},
    application_table::ApplicationTable,
    batch::ImportBatch,
    error::ImportError,
    mapping::{ImportedMember, ImportedSource, ImportedVault, Mapping},
    raw_row::RawRow,
    refusal::{RefusalReason, RowRefusal},
    report::{ImportMode, ImportProgress, ImportReport},
    service_database::{ServiceDatabase, VaultStatus},
    service_rows::{ExtendedVault, FIRST_SOURCE, add_vault, source_row, user_row},
};

/// How many rows are looked up in the service's database at once.
const LOOKUP: usize = 1000;

/// An import in progress.
pub(super) struct Importer<'a, P> {
    mapping: Mapping<'a>,
    application: Application,
    service: ServiceDatabase,
    members: RowReader,
    sources: RowReader,
    batch: ImportBatch,
    report: ImportReport,
    progress: ImportProgress,
    on_progress: P,
}

/// A row and what becomes of it.
struct Candidate<T> {
    row: RawRow,
    imported: T,
}

/// What the members and sources of a vault belong to.
enum Target {
    New {
        owner: UserId,
    },
    Extended(ExtendedVault),
    /// New rows are refused.
    Closed(RefusalReason),
}

/// Up to which vault rows are passed over, in the order of ids.
#[derive(Clone, Copy)]
enum Bound<'a> {
    Before(&'a str),
    Through(&'a str),
    End,
}

impl<'a, P: FnMut(ImportProgress)> Importer<'a, P> {
    pub(super) fn new(
        mapping: Mapping<'a>,
        application: Application,
        service: ServiceDatabase,
        mode: ImportMode,
        on_progress: P,
    ) -> Self {
        let reader = |table| application.reader(table, mapping.config);
        Self {
            members: reader(ApplicationTable::Members),
            sources: reader(ApplicationTable::Sources),
            mapping,
            application,
            service,
            batch: ImportBatch::default(),
            report: ImportReport::new(mode),
            progress: ImportProgress::default(),
            on_progress,
        }
    }

    /// Goes through all rows.
    pub(super) async fn run(mut self) -> Result<ImportReport, ImportError> {
        if self.report.mode == ImportMode::Write {
            self.service.delete_unfinished().await?;
        }
        self.import_users().await?;
        let mut vaults = self
            .application
            .reader(ApplicationTable::Vaults, self.mapping.config);
        let mut last_id: Option<String> = None;
        while let Some(row) = vaults.next(&self.application).await? {
            self.progress.vaults += 1;
            let id = row.text(0).map(str::to_owned);
            if id.is_some() && id == last_id {
                self.refuse(ApplicationTable::Vaults, &row, RefusalReason::DuplicateId);
                continue;
            }
            if let Some(id) = &id {
                self.refuse_rows(Bound::Before(id), &RefusalReason::MissingVault)
                    .await?;
            }
            match self.mapping.vault(&row) {
                Ok(vault) => self.import_vault(&row, vault).await?,
                Err(refusal) => {
                    self.report.refusals.add(refusal);
                    self.refuse_rest(id.as_deref()).await?;
                }
            }
            last_id = id;
        }
        self.refuse_rows(Bound::End, &RefusalReason::MissingVault)
            .await?;
        self.write().await?;
        self.service.close().await?;
        Ok(self.report)
    }

    async fn import_users(&mut self) -> Result<(), ImportError> {
        let mut users = self
            .application
            .reader(ApplicationTable::Users, self.mapping.config);
        let mut last_id = None;
        loop {
            let mut page = Vec::new();
            while page.len() < LOOKUP
                && let Some(row) = users.next(&self.application).await?
            {
                self.progress.users += 1;
                let id = row.text(0).map(str::to_owned);
                if id.is_some() && id == last_id {
                    self.refuse(ApplicationTable::Users, &row, RefusalReason::DuplicateId);
                    continue;
                }
                last_id = id;
                match self.mapping.user(&row) {
                    Ok(user) => page.push(user),
                    Err(refusal) => self.report.refusals.add(refusal),
                }
            }
            if page.is_empty() {
                return Ok(());
            }
            let ids = page.iter().map(|user| user.id.to_string()).collect();
            let known = self.service.users(ids).await?;
            for user in page {
                let counts = &mut self.report.users;
                let is_complete = |known: &User| {
                    (known.name.is_some() || user.name.is_none())
                        && (known.email.is_some() || user.email.is_none())
                };
                match known.get(user.id.as_str()) {
                    Some(known) => {
                        counts.present += 1;
                        if is_complete(known) {
                            continue;
                        }
                    }
                    None => counts.new += 1,
                }
                self.batch.users.push(user_row(user));
            }
            self.write_if_full().await?;
        }
    }

    /// Imports a vault with its members and sources.
    async fn import_vault(
        &mut self,
        row: &RawRow,
        vault: ImportedVault,
    ) -> Result<(), ImportError> {
        let id = vault.id.clone();
        let status = self.service.vault_status(&id).await?;
        let members = self.take_members(&id).await?;
        let members = self.new_members(&id, &status, members).await?;
        let Some(mut target) = self.target(&id, status, &members).await? else {
            self.refuse(ApplicationTable::Vaults, row, RefusalReason::NoOwner);
            self.refuse_members(&members, &RefusalReason::RefusedVault);
            return self.refuse_rest(Some(id.as_str())).await;
        };
        match &mut target {
            // Written with the vault, after its sources.
            Target::New { .. } => {}
            Target::Extended(vault) => {
                let ids = members
                    .iter()
                    .map(|member| member.imported.user.to_string());
                let users = self.service.users(ids.collect()).await?;
                for Candidate { imported, .. } in &members {
                    let unnamed = || User {
                        id: imported.user.clone(),
                        name: None,
                        email: None,
                    };
                    let user = users.get(imported.user.as_str()).cloned();
                    vault.add_member(&mut self.batch, imported, user.unwrap_or_else(unnamed));
                }
                self.report.members.new += members.len() as u64;
            }
            Target::Closed(reason) => self.refuse_members(&members, reason),
        }
        let head = self.import_sources(&id, &mut target).await?;
        match target {
            Target::New { owner } => {
                self.report.vaults.new += 1;
                self.report.members.new += members.len() as u64;
                let members = members.into_iter().map(|member| member.imported).collect();
                add_vault(&mut self.batch, vault, &owner, members, head);
            }
            Target::Extended(_) | Target::Closed(_) => self.report.vaults.present += 1,
        }
        self.write_if_full().await
    }

    /// Returns what the rows of a vault belong to; `None` for a new vault without an owner.
    async fn target(
        &self,
        id: &VaultId,
        status: VaultStatus,
        members: &[Candidate<ImportedMember>],
    ) -> Result<Option<Target>, ImportError> {
        Ok(match status {
            VaultStatus::Absent => {
                let mut members = members.iter().map(|member| &member.imported);
                let owner = members.find(|member| member.role == Role::Owner);
                owner.map(|member| Target::New {
                    owner: member.user.clone(),
                })
            }
            VaultStatus::ImportedOnly { head } => {
                let owner = self.service.first_owner(id).await?;
                let id = id.clone();
                Some(match owner {
                    Some(owner) => Target::Extended(ExtendedVault { id, owner, head }),
                    None => Target::Closed(RefusalReason::ChangedVault),
                })
            }
            VaultStatus::Changed => Some(Target::Closed(RefusalReason::ChangedVault)),
            VaultStatus::Deleted => Some(Target::Closed(RefusalReason::DeletedVault)),
        })
    }

    /// Takes the members of a vault that can be read.
    async fn take_members(
        &mut self,
        vault: &VaultId,
    ) -> Result<Vec<Candidate<ImportedMember>>, ImportError> {
        let mut members = Vec::new();
        while is_next_of(self.members.peek(&self.application).await?, vault) {
            let Some(row) = self.members.next(&self.application).await? else {
                break;
            };
            match self.mapping.member(&row) {
                Ok(imported) => members.push(Candidate { row, imported }),
                Err(refusal) => self.report.refusals.add(refusal),
            }
        }
        Ok(members)
    }

    /// Returns the members that the vault does not have yet, one for each user.
    async fn new_members(
        &mut self,
        vault: &VaultId,
        status: &VaultStatus,
        members: Vec<Candidate<ImportedMember>>,
    ) -> Result<Vec<Candidate<ImportedMember>>, ImportError> {
        let present = match status {
            VaultStatus::Absent | VaultStatus::Deleted => HashSet::new(),
            VaultStatus::ImportedOnly { .. } | VaultStatus::Changed => {
                self.service.member_users(vault).await?
            }
        };
        let ids = members.iter().map(|member| member.imported.id.to_string());
        let taken = self.service.memberships(ids.collect()).await?;
        let (mut users, mut new) = (HashSet::new(), Vec::new());
        for member in members {
            let (id, user) = (&member.imported.id, &member.imported.user);
            let reason = if !users.insert(user.clone()) {
                RefusalReason::DuplicateMembership
            } else if present.contains(user.as_str()) {
                self.report.members.present += 1;
                continue;
            } else if taken.contains(id.as_str()) {
                RefusalReason::IdTaken
            } else if !self.batch.add_id(id.as_str()) {
                RefusalReason::DuplicateId
            } else {
                new.push(member);
                continue;
            };
            self.refuse(ApplicationTable::Members, &member.row, reason);
        }
        Ok(new)
    }

    /// Imports the sources of a vault. Returns the number behind those of a new vault.
    async fn import_sources(
        &mut self,
        vault: &VaultId,
        target: &mut Target,
    ) -> Result<Seq, ImportError> {
        let mut next = FIRST_SOURCE;
        loop {
            let page = self.take_sources(vault).await?;
            if page.is_empty() {
                return Ok(next);
            }
            let ids = page.iter().map(|source| source.imported.id.to_string());
            let mut present = self.service.source_vaults(ids.collect()).await?;
            if let (ImportMode::DryRun, Target::New { .. }) = (self.report.mode, &*target) {
                // Sources of an interrupted import, which would be deleted and copied again.
                present.retain(|_, of| of != vault.as_str());
            }
            for Candidate { row, imported } in page {
                let id = imported.id.as_str();
                let reason = match (present.get(id), &mut *target) {
                    (Some(of), Target::Extended(_) | Target::Closed(_)) if of == vault.as_str() => {
                        self.report.sources.present += 1;
                        continue;
                    }
                    (Some(_), _) => RefusalReason::IdTaken,
                    (None, Target::Closed(reason)) => reason.clone(),
                    (None, _) if !self.batch.add_id(id) => RefusalReason::DuplicateId,
                    (None, Target::New { .. }) => {
                        self.batch.sources.push(source_row(vault, imported, next));
                        next = next.next();
                        self.report.sources.new += 1;
                        continue;
                    }
                    (None, Target::Extended(extended)) => {
                        extended.add_source(&mut self.batch, imported);
                        self.report.sources.new += 1;
                        continue;
                    }
                };
                self.refuse(ApplicationTable::Sources, &row, reason);
            }
            self.write_if_full().await?;
        }
    }

    /// Takes sources of a vault that can be read, as many as are looked up at once; none after the last one.
    async fn take_sources(
        &mut self,
        vault: &VaultId,
    ) -> Result<Vec<Candidate<ImportedSource>>, ImportError> {
        let mut page = Vec::new();
        while page.len() < LOOKUP && is_next_of(self.sources.peek(&self.application).await?, vault)
        {
            let Some(row) = self.sources.next(&self.application).await? else {
                break;
            };
            self.progress.sources += 1;
            match self.mapping.source(&row) {
                Ok(imported) => page.push(Candidate { row, imported }),
                Err(refusal) => self.report.refusals.add(refusal),
            }
        }
        Ok(page)
    }

    /// Refuses the members and sources of a vault that was refused.
    async fn refuse_rest(&mut self, vault: Option<&str>) -> Result<(), ImportError> {
        let Some(vault) = vault else { return Ok(()) };
        self.refuse_rows(Bound::Through(vault), &RefusalReason::RefusedVault)
            .await
    }

    /// Refuses the next members and sources, up to a bound.
    async fn refuse_rows(
        &mut self,
        bound: Bound<'_>,
        reason: &RefusalReason,
    ) -> Result<(), ImportError> {
        for reader in [&mut self.members, &mut self.sources] {
            let table = reader.table;
            while let Some(row) = reader.peek(&self.application).await? {
                // A row without a vault belongs to none.
                let is_within = row.text(1).is_none_or(|vault| match bound {
                    Bound::Before(bound) => vault < bound,
                    Bound::Through(bound) => vault <= bound,
                    Bound::End => true,
                });
                if !is_within {
                    break;
                }
                let refusal = self.mapping.refusal(table, row, reason.clone());
                self.report.refusals.add(refusal);
                reader.next(&self.application).await?;
            }
        }
        Ok(())
    }

    fn refuse(&mut self, table: ApplicationTable, row: &RawRow, reason: RefusalReason) {
        let refusal: RowRefusal = self.mapping.refusal(table, row, reason);
        self.report.refusals.add(refusal);
    }

    fn refuse_members(&mut self, members: &[Candidate<ImportedMember>], reason: &RefusalReason) {
        for member in members {
            self.refuse(ApplicationTable::Members, &member.row, reason.clone());
        }
    }

    async fn write_if_full(&mut self) -> Result<(), ImportError> {
        match self.batch.is_full() {
            true => self.write().await,
            false => Ok(()),
        }
    }

    /// Writes the batch; a dry run forgets it.
    async fn write(&mut self) -> Result<(), ImportError> {
        let batch = std::mem::take(&mut self.batch);
        if self.report.mode == ImportMode::Write {
            self.service.write(batch).await?;
        }
        (self.on_progress)(self.progress);
        Ok(())
    }
}

/// Returns whether a member or a source belongs to the vault.
fn is_next_of(row: Option<&RawRow>, vault: &VaultId) -> bool {
    row.and_then(|row| row.text(1)) == Some(vault.as_str())
}
