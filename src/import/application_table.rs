//! The tables of the application, and the columns of each that the import reads.

use crate::config::{ColumnName, ImportConfig, TableName};

/// A table of the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ApplicationTable {
    Users,
    Vaults,
    Members,
    Sources,
}

/// Whether an import needs a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ColumnNeed {
    Required,
    /// A table without the column is read as if each row had NULL in it.
    Optional,
}

use ColumnNeed::{Optional, Required};

impl ApplicationTable {
    /// Every table, in the order in which reports name them.
    pub const ALL: [Self; 4] = [Self::Users, Self::Vaults, Self::Members, Self::Sources];

    /// Returns what the rows of the table are called in reports.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Vaults => "vaults",
            Self::Members => "members",
            Self::Sources => "sources",
        }
    }

    /// Returns the name of the section's keys without `_table` or `_columns`.
    fn key(self) -> &'static str {
        match self {
            Self::Users => "user",
            Self::Vaults => "vault",
            Self::Members => "member",
            Self::Sources => "source",
        }
    }

    /// Returns the configured name of the table.
    pub(super) fn name(self, config: &ImportConfig) -> &TableName {
        match self {
            Self::Users => &config.user_table,
            Self::Vaults => &config.vault_table,
            Self::Members => &config.member_table,
            Self::Sources => &config.source_table,
        }
    }

    /// Returns the configured names of the columns.
    pub(super) fn columns(self, config: &ImportConfig) -> &[ColumnName] {
        match self {
            Self::Users => &config.user_columns,
            Self::Vaults => &config.vault_columns,
            Self::Members => &config.member_columns,
            Self::Sources => &config.source_columns,
        }
    }

    fn needs(self) -> &'static [ColumnNeed] {
        match self {
            Self::Users => &[Required, Optional, Optional, Optional],
            Self::Vaults => &[Required, Required, Optional, Optional],
            Self::Members => &[Optional, Required, Required, Required, Optional, Optional],
            Self::Sources => &[
                Required, Required, Required, Required, Optional, Optional, Optional, Optional,
                Optional,
            ],
        }
    }

    /// Returns the positions of the columns by which the rows are read in order: the vault, the time of creation, the id.
    pub(super) fn order(self) -> &'static [usize] {
        match self {
            Self::Users | Self::Vaults => &[0],
            Self::Members => &[1, 4, 0],
            Self::Sources => &[1, 7, 0],
        }
    }

    /// Returns the position of the column with the time of creation.
    pub(super) fn created_at(self) -> usize {
        match self {
            Self::Users => 3,
            Self::Vaults => 2,
            Self::Members => 4,
            Self::Sources => 7,
        }
    }

    /// Returns the columns as the table has them, `None` for an optional one that it lacks.
    ///
    /// # Errors
    /// What is missing, with the key that names it.
    pub(super) fn resolve(
        self,
        config: &ImportConfig,
        found: &[String],
        names: NameComparison,
    ) -> Result<Vec<Option<String>>, Vec<String>> {
        let (table, key) = (self.name(config), self.key());
        if found.is_empty() {
            return Err(vec![format!(
                "there is no table {table} (import.{key}_table)"
            )]);
        }
        let columns = self.columns(config).iter().zip(self.needs());
        let (mut resolved, mut missing) = (Vec::new(), Vec::new());
        for (column, need) in columns {
            let column = column.as_str();
            let is_named = |name: &&String| match names {
                NameComparison::Exact => name.as_str() == column,
                NameComparison::IgnoringCase => name.eq_ignore_ascii_case(column),
            };
            let present = found.iter().find(is_named).cloned();
            if present.is_none() && *need == Required {
                missing.push(format!(
                    "the table {table} has no column {column} (import.{key}_columns)"
                ));
            }
            resolved.push(present);
        }
        if missing.is_empty() {
            Ok(resolved)
        } else {
            Err(missing)
        }
    }
}

/// How a database compares the names of columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NameComparison {
    /// PostgreSQL, for quoted names.
    Exact,
    /// SQLite.
    IgnoringCase,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(
        table: ApplicationTable,
        found: &[&str],
        names: NameComparison,
    ) -> Result<Vec<Option<String>>, Vec<String>> {
        let found: Vec<_> = found.iter().map(|name| (*name).to_owned()).collect();
        table.resolve(&ImportConfig::default(), &found, names)
    }

    #[test]
    fn every_column_has_its_need() {
        let config = ImportConfig::default();
        for table in ApplicationTable::ALL {
            assert_eq!(table.needs().len(), table.columns(&config).len());
            let created_at = &table.columns(&config)[table.created_at()];
            assert_eq!(created_at.as_str(), "createdAt");
        }
    }

    #[test]
    fn absent_optional_column_is_read_as_null() {
        let resolved = resolve(ApplicationTable::Users, &["id"], NameComparison::Exact).unwrap();
        assert_eq!(resolved, [Some("id".to_owned()), None, None, None]);
    }

    #[test]
    fn missing_table_and_missing_columns_are_named_with_their_keys() {
        let missing = resolve(ApplicationTable::Sources, &[], NameComparison::Exact);
        assert_eq!(
            missing.unwrap_err(),
            ["there is no table Source (import.source_table)"]
        );
        let found = ["id", "vault_id", "userId"];
        let missing = resolve(ApplicationTable::Members, &found, NameComparison::Exact);
        assert_eq!(
            missing.unwrap_err(),
            [
                "the table VaultUser has no column vaultId (import.member_columns)",
                "the table VaultUser has no column role (import.member_columns)",
            ]
        );
    }

    #[test]
    fn sqlite_ignores_the_case_of_a_name_and_postgresql_does_not() {
        let found = ["ID", "Name"];
        assert!(
            resolve(
                ApplicationTable::Vaults,
                &found,
                NameComparison::IgnoringCase
            )
            .is_ok()
        );
        assert!(resolve(ApplicationTable::Vaults, &found, NameComparison::Exact).is_err());
    }
}
