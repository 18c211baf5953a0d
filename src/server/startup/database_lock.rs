//! Exclusive use of a SQLite file by one process.
//!
//! Two services on one file would block each other's writes and would not see each other's events. On PostgreSQL several
//! services may share a database, and no lock is taken.
//!
//! The lock is held on a separate file, `FILE.lock`, because closing any descriptor of the database file drops SQLite's
//! own locks. The kernel releases the lock when the process ends, in whatever way. The file is never deleted: a process
//! that deleted it could delete the lock of another.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process,
};

use thiserror::Error;

use crate::config::DatabaseUrl;

/// Exclusive use of the configured database. Dropping it releases the lock.
#[derive(Debug)]
pub struct DatabaseLock {
    _lock: Option<File>,
}

/// Why the database cannot be used exclusively.
#[derive(Debug, Error)]
pub enum DatabaseLockError {
    /// Another process uses it.
    #[error(
        "database.url: {} is in use by another vaultcast{}: stop that one first, or set DATABASE_URL to another file",
        file.display(), process_note(*pid)
    )]
    InUse {
        /// The database file.
        file: PathBuf,
        /// The other process, if its id could be read.
        pid: Option<u32>,
    },
    /// The file has another name (a hard link), under which another process may use it.
    #[error(
        "database.url: {} has another name (a hard link), by which another vaultcast may use it: remove that name, or copy the file",
        file.display()
    )]
    Linked {
        /// The database file.
        file: PathBuf,
    },
    /// The lock file cannot be opened or locked.
    #[error(
        "database.url: cannot lock {}: {source}: its directory must exist on a local disk, and this user must be allowed to write to it",
        lock.display()
    )]
    Lock {
        /// The lock file.
        lock: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
}

fn process_note(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (process {pid})"))
        .unwrap_or_default()
}

impl DatabaseLock {
    /// Locks a SQLite file; does nothing for a database server.
    ///
    /// # Errors
    /// When another process uses the file, the file has several names, or the lock file cannot be locked.
    pub fn acquire(database: &DatabaseUrl) -> Result<Self, DatabaseLockError> {
        let Some(file) = database.sqlite_file() else {
            return Ok(Self { _lock: None });
        };
        if fs::metadata(file).is_ok_and(|found| found.is_file() && found.nlink() > 1) {
            let file = file.to_owned();
            return Err(DatabaseLockError::Linked { file });
        }
        let path = lock_path(file);
        let lock_error = |source| DatabaseLockError::Lock {
            lock: path.clone(),
            source,
        };
        // Not truncated: until the lock is acquired the content belongs to another process.
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut lock = options.open(&path).map_err(lock_error)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let (file, pid) = (file.to_owned(), read_pid(&mut lock));
                return Err(DatabaseLockError::InUse { file, pid });
            }
            Err(TryLockError::Error(source)) => return Err(lock_error(source)),
        }
        // The id only improves the error message of another process, so a failure does not matter.
        let _ = write_pid(&mut lock);
        Ok(Self { _lock: Some(lock) })
    }
}

/// Returns the path of the lock file, beside the file that symbolic links lead to.
fn lock_path(file: &Path) -> PathBuf {
    let real = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let mut name = real.into_os_string();
    name.push(".lock");
    name.into()
}

fn write_pid(lock: &mut File) -> io::Result<()> {
    lock.set_len(0)?;
    lock.rewind()?;
    writeln!(lock, "{}", process::id())
}

fn read_pid(lock: &mut File) -> Option<u32> {
    let mut text = String::new();
    lock.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database(file: &Path) -> DatabaseUrl {
        format!("sqlite://{}", file.display()).parse().unwrap()
    }

    #[test]
    fn file_with_a_second_hard_link_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let (file, other) = (
            directory.path().join("v.db"),
            directory.path().join("other.db"),
        );
        fs::write(&file, "").unwrap();
        fs::hard_link(&file, &other).unwrap();
        let refused = DatabaseLock::acquire(&database(&other)).unwrap_err();
        assert!(
            refused.to_string().contains("has another name"),
            "{refused}"
        );
        fs::remove_file(&file).unwrap();
        assert!(DatabaseLock::acquire(&database(&other)).is_ok());
    }

    #[test]
    fn second_process_is_refused_and_the_error_names_the_first() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("v.db");
        let held = DatabaseLock::acquire(&database(&file)).unwrap();
        let refused = DatabaseLock::acquire(&database(&file))
            .unwrap_err()
            .to_string();
        assert!(
            refused.contains(&format!("(process {})", process::id())),
            "{refused}"
        );
        assert!(refused.contains("v.db is in use"), "{refused}");
        drop(held);
        DatabaseLock::acquire(&database(&file)).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn symbolic_link_leads_to_the_same_lock() {
        let directory = tempfile::tempdir().unwrap();
        let (file, link) = (
            directory.path().join("v.db"),
            directory.path().join("link.db"),
        );
        File::create(&file).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let _held = DatabaseLock::acquire(&database(&file)).unwrap();
        assert!(DatabaseLock::acquire(&database(&link)).is_err());
    }

    #[test]
    fn database_server_is_not_locked() {
        let server: DatabaseUrl = "postgres://db/v".parse().unwrap();
        let _one = DatabaseLock::acquire(&server).unwrap();
        assert!(DatabaseLock::acquire(&server).is_ok());
    }

    #[test]
    fn lock_file_that_cannot_be_created_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("nowhere").join("v.db");
        let refused = DatabaseLock::acquire(&database(&file))
            .unwrap_err()
            .to_string();
        assert!(
            refused.contains("nowhere/v.db.lock: No such file"),
            "{refused}"
        );
    }
}
