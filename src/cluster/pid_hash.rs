//! What a claim names: a hash of the pid, because the pid alone lets its holder continue the connection.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::domain::UserId;

/// What is hashed before the pid, so that no other hash of a pid is equal.
const HASH_PREFIX: &[u8] = b"vaultcast pid ";

/// A hash of the pid of a connection. A pid has 120 random bits, so it cannot be found from its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PidHash(pub u128);

/// A claim of a client of another node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PeerClaim {
    pub pid: PidHash,
    /// The user of the client. The connection of another user is not handed over.
    pub user: UserId,
}

impl PidHash {
    /// Returns the hash of a pid.
    pub fn of(pid: &str) -> Self {
        let digest = Sha256::new().chain_update(HASH_PREFIX).chain_update(pid);
        let digest: [u8; 32] = digest.finalize().into();
        let (first, _) = digest
            .split_first_chunk::<16>()
            .expect("a digest has 32 bytes");
        Self(u128::from_be_bytes(*first))
    }
}

impl fmt::Display for PidHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_of_a_pid_is_the_same_on_all_nodes_and_differs_between_pids() {
        let hash = PidHash::of("HwPdK1dYRjuZxZ9ZJzXg");
        assert_eq!(hash, PidHash::of("HwPdK1dYRjuZxZ9ZJzXg"));
        assert_ne!(hash, PidHash::of("HwPdK1dYRjuZxZ9ZJzXh"));
        assert_eq!(PidHash(7).to_string(), format!("{:0>32}", 7));
    }
}
