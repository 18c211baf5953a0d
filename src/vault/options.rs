//! The bounds of vaults, from the `actors` section of the configuration.

use std::time::Duration;

use crate::journal::Journal;

use super::machine::MachineOptions;

/// The bounds of vaults. All except `threads` can be changed at any time.
#[derive(Clone, Copy, Debug)]
pub struct VaultOptions {
    /// The maximum number of mutations that wait for one vault, including those in flight (`actors.vault_mailbox`).
    pub mailbox: usize,
    /// The maximum number of mutations in one transaction (`actors.commit_batch`).
    pub commit_batch: usize,
    /// A vault without subscribers and work is unloaded after this time (`actors.vault_idle`).
    pub idle: Duration,
    /// Vaults without subscribers are unloaded earlier when all vaults hold more bytes than this (`actors.vault_memory`).
    pub memory: usize,
    /// The number of threads that run the vault actors.
    pub threads: usize,
}

impl VaultOptions {
    /// Returns the bounds that concern one vault on this journal.
    pub(super) fn for_machine(&self, journal: &Journal) -> MachineOptions {
        MachineOptions {
            commit_batch: self.commit_batch,
            idle: self.idle,
            epoch: journal.epoch(),
            sharing: journal.sharing(),
        }
    }
}
