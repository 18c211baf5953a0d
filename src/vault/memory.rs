//! The memory that loaded vaults hold, and which of them are unloaded when it is too much.
//!
//! A vault keeps its last events for clients that resume, and its members. Vaults without subscribers can be loaded again at
//! any time, so those that were unused for longest are unloaded before `actors.vault_idle` when all vaults together exceed
//! `actors.vault_memory`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use crate::domain::VaultId;

/// A vault that was used less than this before is not unloaded early: its next request would load it again.
const MIN_IDLE: Duration = Duration::from_secs(3);

/// The memory that all vaults of a node hold, in bytes. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct HeldMemory(Arc<AtomicUsize>);

impl HeldMemory {
    /// Returns the bytes of all shares.
    pub(super) fn bytes(&self) -> usize {
        self.0.load(Relaxed)
    }

    /// Returns an empty share for one vault.
    pub(super) fn share(&self) -> HeldShare {
        HeldShare {
            total: self.clone(),
            bytes: AtomicUsize::new(0),
        }
    }
}

/// What one vault holds. It ends with the vault.
#[derive(Debug)]
pub(super) struct HeldShare {
    total: HeldMemory,
    bytes: AtomicUsize,
}

impl HeldShare {
    /// Returns the bytes of the vault.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Relaxed)
    }

    /// Sets the bytes of the vault. One thread at a time may call it.
    pub(super) fn set(&self, bytes: usize) {
        let before = self.bytes.swap(bytes, Relaxed);
        // Most inputs change nothing, and all threads share the sum. It wraps in between, and is right afterwards.
        if before != bytes {
            self.total.0.fetch_add(bytes.wrapping_sub(before), Relaxed);
        }
    }
}

impl Drop for HeldShare {
    fn drop(&mut self) {
        self.set(0);
    }
}

/// A loaded vault without subscribers and queued mutations.
#[derive(Debug)]
pub(super) struct UnusedVault {
    pub id: VaultId,
    pub bytes: usize,
    /// When it was last used: later is larger.
    pub last_used: Instant,
}

/// Returns the idle vaults to unload so that at least `excess` bytes are freed, if there are enough: those first that were unused
/// for longest. A vault that holds nothing stays.
pub(super) fn least_recently_used(
    mut unused: Vec<UnusedVault>,
    excess: usize,
    now: Instant,
) -> Vec<VaultId> {
    unused.retain(|vault| {
        vault.bytes > 0 && now.saturating_duration_since(vault.last_used) >= MIN_IDLE
    });
    unused.sort_by_key(|vault| vault.last_used);
    let mut freed = 0;
    let needed = unused.into_iter().take_while(|vault| {
        let is_needed = freed < excess;
        freed += vault.bytes;
        is_needed
    });
    needed.map(|vault| vault.id).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn shares_add_up_and_end_with_their_vaults() {
        let held = HeldMemory::default();
        let (first, second) = (held.share(), held.share());
        first.set(300);
        second.set(500);
        first.set(100);
        assert_eq!((held.bytes(), first.bytes()), (600, 100));
        drop(second);
        assert_eq!(held.bytes(), 100);
    }

    /// A vault that was last used so many seconds ago.
    fn unused(now: Instant, seconds: u64, bytes: usize) -> UnusedVault {
        UnusedVault {
            id: VaultId::generate(),
            bytes,
            last_used: now - Duration::from_secs(seconds),
        }
    }

    #[test]
    fn vaults_that_were_unused_for_longest_are_unloaded_until_enough_is_freed() {
        let now = Instant::now();
        let vaults = vec![
            unused(now, 10, 100),
            unused(now, 30, 100),
            unused(now, 20, 100),
        ];
        let oldest = [vaults[1].id.clone(), vaults[2].id.clone()];
        assert_eq!(least_recently_used(vaults, 150, now), oldest);
        assert_eq!(least_recently_used(vec![unused(now, 10, 100)], 0, now), []);
    }

    #[test]
    fn vault_that_is_in_use_or_holds_nothing_is_not_unloaded() {
        let now = Instant::now();
        let vaults = vec![unused(now, 1, 100), unused(now, 20, 0), unused(now, 10, 50)];
        let idle = [vaults[2].id.clone()];
        // More is held by vaults with subscribers than can be freed.
        assert_eq!(least_recently_used(vaults, 1_000_000, now), idle);
    }
}
