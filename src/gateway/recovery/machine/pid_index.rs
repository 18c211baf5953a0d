//! Finds pids by their hashes: other nodes claim connections by the hash of the pid.

use std::collections::BTreeMap;

use crate::cluster::PidHash;

/// Which nodes may have the connection that a client claims.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ClaimScope {
    /// This one only.
    #[default]
    ThisNode,
    /// All nodes that the bus reaches.
    AllNodes,
}

/// Pids by their hashes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum PidIndex {
    /// No other node claims connections, so nothing is hashed.
    #[default]
    Unused,
    ByHash(BTreeMap<PidHash, Box<str>>),
}

impl PidIndex {
    /// Returns an empty index.
    pub(super) fn new(scope: ClaimScope) -> Self {
        match scope {
            ClaimScope::ThisNode => Self::Unused,
            ClaimScope::AllNodes => Self::ByHash(BTreeMap::new()),
        }
    }

    /// Adds a pid.
    pub(super) fn insert(&mut self, pid: &str) {
        match self {
            Self::Unused => {}
            Self::ByHash(pids) => drop(pids.insert(PidHash::of(pid), pid.into())),
        }
    }

    /// Removes a pid, if it is there.
    pub(super) fn remove(&mut self, pid: &str) {
        match self {
            Self::Unused => {}
            Self::ByHash(pids) => drop(pids.remove(&PidHash::of(pid))),
        }
    }

    /// Removes all pids.
    pub(super) fn clear(&mut self) {
        match self {
            Self::Unused => {}
            Self::ByHash(pids) => pids.clear(),
        }
    }

    /// Returns the pid with this hash.
    pub(super) fn get(&self, hash: PidHash) -> Option<&str> {
        match self {
            Self::Unused => None,
            Self::ByHash(pids) => pids.get(&hash).map(AsRef::as_ref),
        }
    }
}
