//! Statistics of loaded vaults. They are read without a message to the actor, which may be busy or blocked.
//!
//! The actor writes each value to an atomic of its own. A snapshot reads them one by one, so its values may differ by a
//! moment.

use std::{
    sync::atomic::{
        AtomicU64, AtomicUsize,
        Ordering::{AcqRel, Relaxed},
    },
    time::{Duration, Instant},
};

use crate::domain::{Seq, VaultId};

use super::memory::{HeldShare, UnusedVault};

/// The time value that means "none".
const NO_TIME: u64 = 0;

/// A snapshot of one loaded vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultStats {
    pub id: VaultId,
    pub head: Seq,
    pub subscribers: usize,
    /// The number of queued mutations, including those in flight.
    pub depth: usize,
    /// The capacity of the queue (`actors.vault_mailbox`).
    pub capacity: usize,
    /// How long the oldest queued mutation has waited.
    pub oldest_wait: Duration,
    /// The number of mutations in the transaction in flight.
    pub in_flight: usize,
    /// The time since the last request.
    pub idle: Duration,
    /// The number of the thread that runs the actor.
    pub arbiter: usize,
}

/// The sums and maxima over all loaded vaults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VaultTotals {
    pub vaults: usize,
    pub subscribers: usize,
    /// The number of queued mutations in all vaults.
    pub waiting: usize,
    /// The number of queued mutations in the vault that has the most.
    pub deepest: usize,
    /// The longest wait of a mutation that is still queued.
    pub oldest_wait: Duration,
}

/// The fill level of a vault's queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct QueueLevel {
    pub depth: usize,
    pub capacity: usize,
}

/// The values that the actor records.
#[derive(Debug)]
pub(super) struct VaultStatsRecorder {
    /// The zero of the time values, which are in microseconds.
    began: Instant,
    head: AtomicU64,
    subscribers: AtomicUsize,
    in_flight: AtomicUsize,
    /// When the oldest queued mutation was queued, or [`NO_TIME`].
    oldest: AtomicU64,
    /// When the vault was last used, or [`NO_TIME`].
    last_used: AtomicU64,
    /// What the vault holds in memory.
    held: HeldShare,
    /// The latest hint that waits for the actor, or 0. The call that changes it from 0 sends the message.
    hinted_head: AtomicU64,
}

impl VaultStatsRecorder {
    pub(super) fn new(held: HeldShare) -> Self {
        Self {
            held,
            began: Instant::now(),
            head: AtomicU64::new(0),
            subscribers: AtomicUsize::new(0),
            in_flight: AtomicUsize::new(0),
            oldest: AtomicU64::new(NO_TIME),
            last_used: AtomicU64::new(NO_TIME),
            hinted_head: AtomicU64::new(0),
        }
    }

    /// Returns the head that was set last.
    pub(super) fn head(&self) -> Seq {
        Seq(self.head.load(Relaxed))
    }

    /// Returns the number of subscribers that was set last.
    pub(super) fn subscribers(&self) -> usize {
        self.subscribers.load(Relaxed)
    }

    /// Records a hint. Returns whether no other hint waits for the actor, so that a message must be sent.
    pub(super) fn hint_head(&self, head: Seq) -> bool {
        self.hinted_head.fetch_max(head.0, AcqRel) == 0
    }

    /// Takes the latest hint.
    pub(super) fn take_hinted_head(&self) -> Seq {
        Seq(self.hinted_head.swap(0, AcqRel))
    }

    pub(super) fn set_head(&self, head: Seq) {
        self.head.store(head.0, Relaxed);
    }

    pub(super) fn set_subscribers(&self, subscribers: usize) {
        self.subscribers.store(subscribers, Relaxed);
    }

    pub(super) fn set_in_flight(&self, mutations: usize) {
        self.in_flight.store(mutations, Relaxed);
    }

    /// Sets what the vault holds in memory.
    pub(super) fn set_held_bytes(&self, bytes: usize) {
        self.held.set(bytes);
    }

    /// Returns the vault as one that could be unloaded, unless it has subscribers.
    pub(super) fn as_unused(&self, id: &VaultId) -> Option<UnusedVault> {
        (self.subscribers() == 0).then(|| UnusedVault {
            id: id.clone(),
            bytes: self.held.bytes(),
            last_used: self.began + Duration::from_micros(self.last_used.load(Relaxed)),
        })
    }

    /// Records a request to the vault.
    pub(super) fn record_use(&self, now: Instant) {
        self.last_used.store(self.micros(now), Relaxed);
    }

    /// Records a queued mutation. It becomes the oldest if there is no other.
    pub(super) fn mutation_queued(&self, queued_at: Instant) {
        let queued_at = self.micros(queued_at);
        let _previous = (self.oldest).compare_exchange(NO_TIME, queued_at, Relaxed, Relaxed);
    }

    /// Sets when the oldest mutation was queued that is still waiting.
    pub(super) fn set_oldest(&self, queued_at: Option<Instant>) {
        let queued_at = queued_at.map_or(NO_TIME, |queued_at| self.micros(queued_at));
        self.oldest.store(queued_at, Relaxed);
    }

    /// Returns a snapshot, completed by the values of the directory.
    pub(super) fn snapshot(&self, id: &VaultId, queue: QueueLevel, arbiter: usize) -> VaultStats {
        VaultStats {
            id: id.clone(),
            head: self.head(),
            subscribers: self.subscribers(),
            depth: queue.depth,
            capacity: queue.capacity,
            oldest_wait: self.oldest_wait(queue.depth),
            in_flight: self.in_flight.load(Relaxed),
            idle: self.elapsed_since(self.last_used.load(Relaxed)),
            arbiter,
        }
    }

    /// Adds this vault, which has `depth` queued mutations, to the totals.
    pub(super) fn add_to(&self, totals: &mut VaultTotals, depth: usize) {
        totals.vaults += 1;
        totals.subscribers += self.subscribers.load(Relaxed);
        totals.waiting += depth;
        totals.deepest = totals.deepest.max(depth);
        totals.oldest_wait = totals.oldest_wait.max(self.oldest_wait(depth));
    }

    fn oldest_wait(&self, depth: usize) -> Duration {
        match self.oldest.load(Relaxed) {
            NO_TIME => Duration::ZERO,
            _ if depth == 0 => Duration::ZERO,
            oldest => self.elapsed_since(oldest),
        }
    }

    fn elapsed_since(&self, micros: u64) -> Duration {
        Duration::from_micros(self.micros(Instant::now()).saturating_sub(micros))
    }

    /// Returns a time as a value that is never [`NO_TIME`].
    fn micros(&self, time: Instant) -> u64 {
        let micros = time.saturating_duration_since(self.began).as_micros();
        u64::try_from(micros).unwrap_or(u64::MAX).max(NO_TIME + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::memory::HeldMemory, *};

    fn snapshot(stats: &VaultStatsRecorder, depth: usize) -> VaultStats {
        stats.snapshot(&VaultId::generate(), QueueLevel { depth, capacity: 8 }, 1)
    }

    #[test]
    fn oldest_wait_is_that_of_the_first_queued_mutation() {
        let now = Instant::now();
        let stats = VaultStatsRecorder {
            began: now - Duration::from_secs(60),
            ..VaultStatsRecorder::new(HeldMemory::default().share())
        };
        stats.mutation_queued(now - Duration::from_secs(40));
        stats.mutation_queued(now - Duration::from_secs(20));
        assert_eq!(snapshot(&stats, 2).oldest_wait.as_secs(), 40);
        stats.set_oldest(Some(now - Duration::from_secs(20)));
        assert_eq!(snapshot(&stats, 1).oldest_wait.as_secs(), 20);
        stats.set_oldest(None);
        assert_eq!(snapshot(&stats, 1).oldest_wait, Duration::ZERO);
    }

    #[test]
    fn oldest_wait_of_an_empty_queue_is_zero() {
        let stats = VaultStatsRecorder::new(HeldMemory::default().share());
        stats.mutation_queued(stats.began);
        assert_eq!(snapshot(&stats, 0).oldest_wait, Duration::ZERO);
    }
}
