//! One process to a SQLite file. Two would take turns with its lock, tell their sockets of each other's events only when
//! they next look, and wait for each other when they stop; on PostgreSQL all of that is provided for.
//!
//! The lock is on a file of its own beside the database, `FILE.lock`: to close any descriptor of the database itself would
//! drop SQLite's own locks on it. The system lets go of it with the process, however that ends; the file stays, for
//! whoever deleted it could delete another's.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process,
};

use thiserror::Error;

use crate::config::DatabaseUrl;

/// The lock of a database that no other process may have. Dropping it lets go.
#[derive(Debug)]
pub struct Sole {
    _lock: Option<File>,
}

/// Why this process cannot have the database for itself.
#[derive(Debug, Error)]
pub enum NotSole {
    /// Another one has it.
    #[error(
        "database.url: {} is in use by another vaultcast{}: stop that one first, or set DATABASE_URL to another file",
        file.display(), of(*pid)
    )]
    InUse {
        /// The database.
        file: PathBuf,
        /// Which process, where it said so.
        pid: Option<u32>,
    },
    /// It has another name, under which another process may have it.
    #[error(
        "database.url: {} has another name (a hard link), under which another vaultcast may have it: remove that, or copy the file",
        file.display()
    )]
    Linked {
        /// The database.
        file: PathBuf,
    },
    /// It cannot be known.
    #[error(
        "database.url: cannot lock {}: {source}: its directory has to be there, on a local disk, and this user has to have the right to write in it",
        lock.display()
    )]
    Unknown {
        /// The file of the lock.
        lock: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

fn of(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (process {pid})"))
        .unwrap_or_default()
}

impl Sole {
    /// Takes the database for this process, where it is a file.
    ///
    /// # Errors
    /// When another process has it, or the lock cannot be taken.
    pub fn take(database: &DatabaseUrl) -> Result<Self, NotSole> {
        let Some(file) = database.sqlite_file() else {
            return Ok(Self { _lock: None });
        };
        if fs::metadata(file).is_ok_and(|found| found.is_file() && found.nlink() > 1) {
            let file = file.to_owned();
            return Err(NotSole::Linked { file });
        }
        let path = lock_of(file);
        let unknown = |source| NotSole::Unknown {
            lock: path.clone(),
            source,
        };
        // What is in it is another's until it is ours.
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut lock = options.open(&path).map_err(unknown)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let (file, pid) = (file.to_owned(), pid_in(&mut lock));
                return Err(NotSole::InUse { file, pid });
            }
            Err(TryLockError::Error(source)) => return Err(unknown(source)),
        }
        // Only a help for whoever is refused: without it he is told less.
        let _ = sign(&mut lock);
        Ok(Self { _lock: Some(lock) })
    }
}

/// Beside the database itself, by whichever link it was named.
fn lock_of(file: &Path) -> PathBuf {
    let real = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let mut name = real.into_os_string();
    name.push(".lock");
    name.into()
}

fn sign(lock: &mut File) -> io::Result<()> {
    lock.set_len(0)?;
    lock.rewind()?;
    writeln!(lock, "{}", process::id())
}

fn pid_in(lock: &mut File) -> Option<u32> {
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
    fn a_file_with_another_name_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let (file, other) = (
            directory.path().join("v.db"),
            directory.path().join("other.db"),
        );
        fs::write(&file, "").unwrap();
        fs::hard_link(&file, &other).unwrap();
        let refused = Sole::take(&database(&other)).unwrap_err();
        assert!(
            refused.to_string().contains("has another name"),
            "{refused}"
        );
        fs::remove_file(&file).unwrap();
        assert!(Sole::take(&database(&other)).is_ok());
    }

    #[test]
    fn a_file_is_had_by_one_at_a_time_and_whoever_comes_second_is_told_by_whom() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("v.db");
        let held = Sole::take(&database(&file)).unwrap();
        let refused = Sole::take(&database(&file)).unwrap_err().to_string();
        assert!(
            refused.contains(&format!("(process {})", process::id())),
            "{refused}"
        );
        assert!(refused.contains("v.db is in use"), "{refused}");
        drop(held);
        Sole::take(&database(&file)).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn another_name_of_the_same_file_is_the_same_file() {
        let directory = tempfile::tempdir().unwrap();
        let (file, link) = (
            directory.path().join("v.db"),
            directory.path().join("link.db"),
        );
        File::create(&file).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let _held = Sole::take(&database(&file)).unwrap();
        assert!(Sole::take(&database(&link)).is_err());
    }

    #[test]
    fn a_server_is_shared_by_whoever_comes() {
        let server: DatabaseUrl = "postgres://db/v".parse().unwrap();
        let _one = Sole::take(&server).unwrap();
        assert!(Sole::take(&server).is_ok());
    }

    #[test]
    fn a_lock_that_cannot_be_made_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("nowhere").join("v.db");
        let refused = Sole::take(&database(&file)).unwrap_err().to_string();
        assert!(
            refused.contains("nowhere/v.db.lock: No such file"),
            "{refused}"
        );
    }
}
