//! Copies vaults, members, sources and users from an application's own tables, for `vaultcast import`.
//!
//! `application.rs` reads the rows in the order of their vaults, `mapping` checks them without I/O, `importer.rs` decides
//! what becomes of each, `service_rows.rs` says which rows of the service that are, and `service_database.rs` writes them in
//! transactions of some thousand rows. Rows that are there already are passed over, so an import may run again, also after it
//! was killed. Rows that cannot be taken are counted and named (`refusal.rs`).

mod application;
mod application_table;
mod batch;
mod error;
mod importer;
mod mapping;
mod raw_row;
mod refusal;
mod report;
mod select;
mod service_database;
mod service_rows;

use crate::{
    config::{Config, DatabaseUrl},
    domain::Timestamp,
};

use application::Application;
use importer::Importer;
use mapping::Mapping;
use service_database::ServiceDatabase;

pub use application_table::ApplicationTable;
pub use error::ImportError;
pub use refusal::{RefusalReason, RowRefusal, RowRefusals};
pub use report::{ImportMode, ImportProgress, ImportReport, RowCounts};

/// Copies the application's rows from the database `from` into the configured database, which must be migrated unless nothing is
/// written. Calls `on_progress` after each transaction.
///
/// # Errors
/// When one of the databases cannot be used, or the application's tables lack what is needed. Refused rows are no error.
pub async fn import(
    config: &Config,
    from: &DatabaseUrl,
    mode: ImportMode,
    on_progress: impl FnMut(ImportProgress),
) -> Result<ImportReport, ImportError> {
    let application = Application::open(from, &config.import).await?;
    let service = match mode {
        ImportMode::Write => ServiceDatabase::open_to_write(&config.database).await?,
        ImportMode::DryRun => ServiceDatabase::open_to_read(&config.database).await?,
    };
    let mapping = Mapping {
        config: &config.import,
        now: Timestamp::now(),
    };
    Importer::new(mapping, application, service, mode, on_progress)
        .run()
        .await
}
