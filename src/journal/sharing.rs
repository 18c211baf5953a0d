//! Which processes write a database.

/// Which processes write the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DatabaseSharing {
    /// This one only, with one journal: the head of a loaded vault is the journal's.
    ThisProcess,
    /// Others may have moved a head.
    SeveralProcesses,
}

impl DatabaseSharing {
    /// Returns the sharing of the database at this URL. A SQLite file belongs to one process; a lock file keeps others off.
    pub fn of_url(url: &str) -> Self {
        if url.starts_with("sqlite:") {
            Self::ThisProcess
        } else {
            Self::SeveralProcesses
        }
    }
}
