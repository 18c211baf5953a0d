//! The vaults that one socket has joined.

use std::vec;

use crate::domain::{SubscriberId, VaultId};

/// The subscriptions of one socket, sorted by vault. Most sockets have one, so this is a vector of that length and not a map.
#[derive(Default)]
pub(super) struct JoinedVaults(Vec<JoinedVault>);

/// A subscription.
pub(super) struct JoinedVault {
    pub(super) vault: VaultId,
    pub(super) subscriber: SubscriberId,
}

impl JoinedVaults {
    /// Returns the subscription of a vault.
    pub(super) fn get(&self, vault: &VaultId) -> Option<SubscriberId> {
        let index = self.position(vault).ok()?;
        Some(self.0[index].subscriber)
    }

    /// Adds a subscription, or replaces the one of its vault.
    pub(super) fn insert(&mut self, joined: JoinedVault) {
        match self.position(&joined.vault) {
            Ok(index) => self.0[index] = joined,
            Err(index) => {
                if self.0.is_empty() {
                    self.0.reserve_exact(1);
                }
                self.0.insert(index, joined);
            }
        }
    }

    /// Removes the subscription of a vault.
    pub(super) fn remove(&mut self, vault: &VaultId) -> Option<SubscriberId> {
        let index = self.position(vault).ok()?;
        Some(self.0.remove(index).subscriber)
    }

    /// Keeps the subscriptions for which `keep` returns `true`.
    pub(super) fn retain(&mut self, keep: impl Fn(&JoinedVault) -> bool) {
        self.0.retain(keep);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &JoinedVault> {
        self.0.iter()
    }

    fn position(&self, vault: &VaultId) -> Result<usize, usize> {
        self.0.binary_search_by(|joined| joined.vault.cmp(vault))
    }
}

impl IntoIterator for JoinedVaults {
    type Item = JoinedVault;
    type IntoIter = vec::IntoIter<JoinedVault>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vault_has_one_subscription() {
        let mut joined = JoinedVaults::default();
        let vaults: Vec<_> = (0..9).map(|_| VaultId::generate()).collect();
        for (number, vault) in vaults.iter().rev().chain(&vaults).enumerate() {
            joined.insert(JoinedVault {
                vault: vault.clone(),
                subscriber: SubscriberId(number as u64),
            });
        }
        assert_eq!(joined.len(), vaults.len());
        for (number, vault) in vaults.iter().enumerate() {
            let latest = SubscriberId((vaults.len() + number) as u64);
            assert_eq!(joined.get(vault), Some(latest));
            assert_eq!(joined.remove(vault), Some(latest));
            assert_eq!(joined.get(vault), None);
        }
    }
}
