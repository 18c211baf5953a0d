//! The hints that wait to be sent: the newest head of each vault. A hint may be dropped, because the sweep of the other nodes
//! finds the head.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use crate::{
    domain::{Seq, VaultHead, VaultId},
    vault::HeadListener,
};

/// The largest number of vaults whose hints wait. More commit within a few milliseconds only when the bus is stuck.
pub const HINT_QUEUE_CAPACITY: usize = 16_384;

/// The hints that wait, between the threads of the vaults and that of the cluster.
#[derive(Debug, Default)]
pub struct HintQueue {
    waiting: Mutex<QueuedHints>,
    is_waiting: Notify,
}

/// The newest head of each vault, at most 16,384 of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct QueuedHints {
    heads: BTreeMap<VaultId, Seq>,
    /// How many hints found no room.
    dropped: u64,
}

impl QueuedHints {
    /// Adds a hint. It replaces an earlier one of the same vault. It is dropped if there is no room.
    pub fn add(&mut self, VaultHead { vault, head }: VaultHead) {
        if let Some(waiting) = self.heads.get_mut(&vault) {
            *waiting = head.max(*waiting);
        } else if self.heads.len() < HINT_QUEUE_CAPACITY {
            self.heads.insert(vault, head);
        } else {
            self.dropped += 1;
        }
    }

    /// Returns how many hints found no room.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Returns the hints.
    pub fn into_hints(self) -> Vec<VaultHead> {
        let hint = |(vault, head)| VaultHead { vault, head };
        self.heads.into_iter().map(hint).collect()
    }
}

impl HintQueue {
    /// Waits until there are hints. Only one task may wait.
    pub(super) async fn wait(&self) {
        self.is_waiting.notified().await;
    }

    /// Takes all hints.
    pub fn take(&self) -> QueuedHints {
        std::mem::take(&mut self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, QueuedHints> {
        // Nothing panics under this lock.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HeadListener for HintQueue {
    fn head_moved(&self, moved: VaultHead) {
        let mut waiting = self.lock();
        let was_empty = waiting.heads.is_empty();
        waiting.add(moved);
        drop(waiting);
        if was_empty {
            self.is_waiting.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(vault: &VaultId, head: u64) -> VaultHead {
        VaultHead {
            vault: vault.clone(),
            head: Seq(head),
        }
    }

    #[test]
    fn newest_head_of_a_vault_replaces_the_others() {
        let (a, b) = (VaultId::generate(), VaultId::generate());
        let queue = HintQueue::default();
        for moved in [hint(&a, 1), hint(&b, 9), hint(&a, 3), hint(&a, 2)] {
            queue.head_moved(moved);
        }
        assert_eq!(queue.take().into_hints(), [hint(&a, 3), hint(&b, 9)]);
        assert!(queue.take().into_hints().is_empty());
    }

    #[test]
    fn hint_without_room_is_dropped_and_counted() {
        let mut waiting = QueuedHints::default();
        let first = VaultId::generate();
        waiting.add(hint(&first, 1));
        for _ in 0..HINT_QUEUE_CAPACITY {
            waiting.add(hint(&VaultId::generate(), 1));
        }
        waiting.add(hint(&first, 2));
        assert_eq!(waiting.dropped(), 1);
        assert_eq!(waiting.into_hints().len(), HINT_QUEUE_CAPACITY);
    }
}
