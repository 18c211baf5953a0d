//! What the connection to the other nodes of the database reports to the vaults of this node, and what it asks of them.

use std::sync::Arc;

use crate::domain::{Epoch, VaultHead, VaultId};

use super::{
    directory::Directory,
    message::{HeadWentBack, HistoryReplaced, RemoteHead},
    params::VaultHost,
    vault_entry::VaultEntry,
};

impl Directory {
    /// Works with another epoch from now on: all vaults are loaded again, without their subscribers.
    pub(super) fn replace_epoch(&self, epoch: Epoch) {
        // First: a vault that is started meanwhile has the new epoch.
        self.journal().set_epoch(epoch);
        // Before the vaults close their sockets, which must not be recovered.
        self.history_replaced();
        for vault in self.lock().entries.values() {
            vault.send(HistoryReplaced);
        }
        // A socket that was connected in between may have joined a vault with its former state.
        self.history_replaced();
        self.epoch_replaced();
    }

    /// Reports to a vault's actor, if it is running, that the journal had a lower head.
    pub(super) fn head_went_back(&self, id: &VaultId) {
        if let Some(vault) = self.find(id).filter(|vault| vault.is_running()) {
            vault.send(HeadWentBack);
        }
    }

    /// Returns the vaults that have subscribers, with their heads.
    pub(super) fn subscribed(&self) -> Vec<VaultHead> {
        let loaded = self.lock();
        let running = loaded
            .entries
            .iter()
            .filter(|(_, vault)| vault.is_running());
        let subscribed = running.filter(|(_, vault)| vault.stats.subscribers() > 0);
        let with_head = subscribed.map(|(id, vault): (&VaultId, &Arc<VaultEntry>)| VaultHead {
            vault: id.clone(),
            head: vault.stats.head(),
        });
        with_head.collect()
    }

    /// Reports to a vault's actor, if it is running, that the journal has reached this head. At most one such message waits
    /// in its mailbox.
    pub(super) fn remote_head(&self, journal: &VaultHead) {
        let Some(vault) = self.find(&journal.vault) else {
            return;
        };
        let is_news = journal.head > vault.stats.head() && vault.stats.hint_head(journal.head);
        if is_news && vault.is_running() {
            vault.send(RemoteHead);
        }
    }

    /// Returns whether a vault is loaded and has not reached this head.
    pub(super) fn is_behind(&self, journal: &VaultHead) -> bool {
        let vault = self.find(&journal.vault);
        vault.is_some_and(|vault| vault.stats.head() < journal.head)
    }
}
