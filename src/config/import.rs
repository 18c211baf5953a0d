//! The section `import`: the tables and columns of the application that `vaultcast import` reads.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::external_names::{ColumnName, TableName};
use super::field::{read_string, read_string_array};

/// The tables of an application, by default as Prisma names them. The columns of a table have a fixed order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImportConfig {
    /// The table of vaults.
    #[serde(deserialize_with = "read_string")]
    pub vault_table: TableName,
    /// Its columns: id, name, time of creation, time of the last change.
    #[serde(deserialize_with = "read_string_array")]
    pub vault_columns: [ColumnName; 4],
    /// The table of memberships.
    #[serde(deserialize_with = "read_string")]
    pub member_table: TableName,
    /// Its columns: id, vault, user, role, time of creation, time of the last change.
    #[serde(deserialize_with = "read_string_array")]
    pub member_columns: [ColumnName; 6],
    /// The table of sources.
    #[serde(deserialize_with = "read_string")]
    pub source_table: TableName,
    /// Its columns: id, vault, title, URL, key, size and media type of the file, time of creation, time of the last change.
    #[serde(deserialize_with = "read_string_array")]
    pub source_columns: [ColumnName; 9],
    /// The table of users.
    #[serde(deserialize_with = "read_string")]
    pub user_table: TableName,
    /// Its columns: id, name, email, time of creation.
    #[serde(deserialize_with = "read_string_array")]
    pub user_columns: [ColumnName; 4],
}

impl Default for ImportConfig {
    fn default() -> Self {
        Self {
            vault_table: built_in("Vault"),
            vault_columns: ["id", "name", "createdAt", "updatedAt"].map(built_in),
            member_table: built_in("VaultUser"),
            member_columns: ["id", "vaultId", "userId", "role", "createdAt", "updatedAt"]
                .map(built_in),
            source_table: built_in("Source"),
            source_columns: [
                "id",
                "vaultId",
                "title",
                "fileUrl",
                "fileKey",
                "fileSize",
                "mimeType",
                "createdAt",
                "updatedAt",
            ]
            .map(built_in),
            user_table: built_in("User"),
            user_columns: ["id", "name", "email", "createdAt"].map(built_in),
        }
    }
}

/// Parses a name that is part of the defaults.
fn built_in<T: FromStr<Err = &'static str>>(name: &str) -> T {
    name.parse().expect("a built-in name is valid")
}
