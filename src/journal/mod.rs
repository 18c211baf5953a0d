//! The journal: the ordered log of each vault's events, and all tables that are written in the same transactions.
//!
//! [`Journal::append`] writes a vault's batch. Its request waits in the queue of a committer (`committer.rs`). The committer
//! joins the requests of several vaults in one transaction (`transaction.rs`), decides each mutation by the rules of
//! [`domain`](crate::domain) (`decide.rs`), and writes events and rows together (`insert_rows.rs`, `update_rows.rs`). No event
//! is published before its transaction is committed. Reads (`reads.rs`, `listings.rs`) use connections of their own and never wait for a
//! writer. Expired rows are deleted in the background (`retention_sweeper.rs`). The recovery state of sockets is stored
//! here too (`stored_sockets.rs`). Every wait for PostgreSQL has a deadline (`writer_connection.rs`, `db_thread.rs`), and a
//! SQLite file that was moved is not used (`database_file.rs`).
//!
//! Other processes may write to the same database: a vault's head is moved only if it has the expected value.

mod batch_context;
mod batch_window;
mod commit;
mod commit_error;
mod commit_probe;
mod committer;
mod contended_writer;
mod current_epoch;
mod database;
mod database_clock;
mod database_error;
mod database_file;
mod db_connection;
mod db_thread;
mod deadlines;
mod decide;
mod error;
mod handle;
mod head_sweep;
mod health;
mod insert_rows;
mod listings;
mod lock_heads;
mod lookup;
mod metrics;
mod migration_checks;
mod migration_steps;
mod outage;
mod payload;
mod pending_rows;
mod pool_sizes;
mod purge;
mod reads;
mod record;
mod request;
mod retention;
mod retention_sweeper;
mod rows;
mod schema;
mod session_settings;
mod sharing;
mod single_connection;
mod socket_rows;
mod sql_executor;
mod sql_row;
mod sqlite_writer;
mod statements;
mod stored_sockets;
mod sweep_lock;
mod transaction;
mod transaction_group;
mod update_rows;
mod write_check;
mod write_queue;
mod writer_connection;

pub use batch_window::BatchWindow;
pub use database::{Database, DatabaseOptions, begin_read};
pub use database_error::DatabaseError;
pub use db_thread::DbThread;
pub use error::JournalError;
pub(crate) use error::report;
pub use handle::Journal;
pub use head_sweep::JournalHeads;
pub use listings::{Listing, MemberKey, Page};
pub use metrics::{JournalMetrics, register_gauges};
pub use migration_steps::{MigrationStatus, MigrationStep, migration_steps};
pub use payload::event_schema;
pub use reads::{EventRange, EventRows};
pub use record::JournalRecord;
pub use request::{
    BatchBase, CommitOutcome, CommittedEvent, MutationError, NewVault, StoredSocket,
};
pub use retention::Retention;
pub use retention_sweeper::{SweepOutcome, SweepStats};
pub use session_settings::{SearchOrder, SessionSettings};
pub use sharing::DatabaseSharing;
pub(crate) use single_connection::connect_once;
pub use stored_sockets::SubscriptionPosition;
