//! What an import did, or would do.

use std::fmt;

use super::{application_table::ApplicationTable, refusal::RowRefusals};

/// Whether an import writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportMode {
    /// Rows are copied.
    Write,
    /// Nothing is written.
    DryRun,
}

/// The numbers of rows of one table that were not refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowCounts {
    /// Copied, or to be copied.
    pub new: u64,
    /// In the service's database already.
    pub present: u64,
}

/// What an import did, or would do.
#[derive(Debug)]
pub struct ImportReport {
    pub mode: ImportMode,
    pub users: RowCounts,
    pub vaults: RowCounts,
    pub members: RowCounts,
    pub sources: RowCounts,
    pub refusals: RowRefusals,
}

impl ImportReport {
    pub(super) fn new(mode: ImportMode) -> Self {
        Self {
            mode,
            users: RowCounts::default(),
            vaults: RowCounts::default(),
            members: RowCounts::default(),
            sources: RowCounts::default(),
            refusals: RowRefusals::default(),
        }
    }

    /// Returns the numbers of a table.
    pub fn counts(&self, table: ApplicationTable) -> RowCounts {
        match table {
            ApplicationTable::Users => self.users,
            ApplicationTable::Vaults => self.vaults,
            ApplicationTable::Members => self.members,
            ApplicationTable::Sources => self.sources,
        }
    }
}

/// One line for each table, then the refused rows.
impl fmt::Display for ImportReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let copied = match self.mode {
            ImportMode::Write => "copied",
            ImportMode::DryRun => "to copy",
        };
        for table in ApplicationTable::ALL {
            let RowCounts { new, present } = self.counts(table);
            let refused = self.refusals.of_table(table);
            let name = table.plural();
            writeln!(
                f,
                "{name}: {new} {copied}, {present} there already, {refused} refused"
            )?;
        }
        self.refusals.fmt(f)
    }
}

/// How many rows of the application an import has gone through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImportProgress {
    pub users: u64,
    pub vaults: u64,
    pub sources: u64,
}

impl fmt::Display for ImportProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            users,
            vaults,
            sources,
        } = self;
        write!(f, "{users} users, {vaults} vaults, {sources} sources")
    }
}
