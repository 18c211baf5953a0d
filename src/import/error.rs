//! Why an import stops. Rows that cannot be taken do not stop it: they are [`RowRefusals`](super::RowRefusals).

use thiserror::Error;

use crate::{domain::VaultId, journal::DatabaseError};

/// Why an import stopped. What was committed before stays, and the next run goes on from there.
#[derive(Debug, Error)]
pub enum ImportError {
    /// Tables or columns are missing in the application's database.
    #[error("--from: {}", .0.join("; "))]
    Shape(Vec<String>),
    /// The application's database cannot be read.
    #[error("--from: cannot read {url}: {source}")]
    Application { url: String, source: DatabaseError },
    /// The service's database cannot be read or written.
    #[error("database.url: cannot use {url}: {source}")]
    Service { url: String, source: DatabaseError },
    /// The service's database was migrated by a newer version.
    #[error(
        "database.url: {url} is newer than this program, which does not know migration {migration}"
    )]
    Newer { url: String, migration: String },
    /// Another import writes to the same database.
    #[error("another import into {0} is running: wait for its end")]
    AlreadyRunning(String),
    /// A user changed a vault through the service while the import was adding rows to it.
    #[error("vault {0} was changed through the service meanwhile: run the import again")]
    VaultChanged(VaultId),
}
