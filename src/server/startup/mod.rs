//! Checks before the service starts: exclusive use of the SQLite file, enough open files, free addresses. Each failure is one
//! line that says what to do.

mod database_lock;
mod listen_error;
mod open_files;

pub use database_lock::{DatabaseLock, DatabaseLockError};
pub use listen_error::ListenError;
pub use open_files::{check_open_files_limit, max_connections};
