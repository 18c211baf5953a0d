//! Detects that a SQLite file was moved, deleted or replaced while it is open.
//!
//! SQLite continues on the open file. What it commits there is durable, but the next start does not find it. The files
//! behind the paths are therefore compared with the open ones before each read and around each commit.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use sea_orm::{DbErr, RuntimeErr};

/// The files of an open SQLite database. Each connection of the process uses them.
#[derive(Debug)]
pub(super) struct DatabaseFile {
    database: OpenFile,
    /// The write-ahead log, which contains the commits since the last checkpoint. It exists as long as a connection is
    /// open.
    log: OpenFile,
}

/// A path, and the file that it led to when it was opened.
#[derive(Debug)]
struct OpenFile {
    path: PathBuf,
    id: FileId,
}

/// Identifies a file on this machine. The id of an open file is not reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
}

impl DatabaseFile {
    /// Returns the files of the database at this path, to which a connection is open.
    ///
    /// # Errors
    /// When one of them does not exist.
    pub(super) fn of_open_database(path: &Path) -> Result<Self, DbErr> {
        let files = || {
            let database = OpenFile::at(path.to_owned())?;
            // SQLite resolves symbolic links before it derives the name of the log.
            let mut log = fs::canonicalize(path)?.into_os_string();
            log.push("-wal");
            let log = OpenFile::at(log.into())?;
            Ok(Self { database, log })
        };
        files().map_err(|error: io::Error| unusable(path, error))
    }

    /// Checks that both paths still lead to the open files.
    ///
    /// # Errors
    /// When one of the files was moved, deleted or replaced.
    pub(super) fn check(&self) -> Result<(), DbErr> {
        for OpenFile { path, id } in [&self.database, &self.log] {
            match FileId::of(path) {
                Ok(current) if current == *id => {}
                Ok(_) => return Err(unusable(path, "it was replaced while it is open")),
                Err(error) => return Err(unusable(path, error)),
            }
        }
        Ok(())
    }
}

impl OpenFile {
    fn at(path: PathBuf) -> io::Result<Self> {
        let id = FileId::of(&path)?;
        Ok(Self { path, id })
    }
}

impl FileId {
    /// Returns the id of the file that a path leads to. The file is not opened: closing any descriptor of a SQLite file
    /// drops the locks that the process holds on it.
    fn of(path: &Path) -> io::Result<Self> {
        let found = fs::metadata(path)?;
        Ok(Self {
            device: found.dev(),
            inode: found.ino(),
        })
    }
}

fn unusable(path: &Path, problem: impl std::fmt::Display) -> DbErr {
    let path = path.display();
    DbErr::Conn(RuntimeErr::Internal(format!(
        "{path}: {problem}: put the file back, or restart the service"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_checked_by_identity() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("v.db");
        let log = directory.path().join("v.db-wal");
        fs::write(&path, "").unwrap();
        DatabaseFile::of_open_database(&path).unwrap_err();
        fs::write(&log, "").unwrap();
        let file = DatabaseFile::of_open_database(&path).unwrap();
        file.check().unwrap();

        for (path, name) in [(&path, "v.db:"), (&log, "v.db-wal:")] {
            let away = directory.path().join("away");
            fs::rename(path, &away).unwrap();
            let missing = file.check().unwrap_err().to_string();
            assert!(missing.contains(name), "{missing}");
            fs::write(path, "").unwrap();
            let replaced = file.check().unwrap_err().to_string();
            assert!(replaced.contains("replaced"), "{replaced}");
            fs::rename(&away, path).unwrap();
            file.check().unwrap();
        }
    }

    #[test]
    fn log_is_beside_the_file_that_a_symbolic_link_leads_to() {
        let directory = tempfile::tempdir().unwrap();
        let (path, link) = (directory.path().join("v.db"), directory.path().join("link"));
        fs::write(&path, "").unwrap();
        fs::write(directory.path().join("v.db-wal"), "").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let file = DatabaseFile::of_open_database(&link).unwrap();
        file.check().unwrap();
        fs::remove_file(&link).unwrap();
        file.check().unwrap_err();
    }
}
