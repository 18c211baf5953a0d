//! What is told of a live vault without asking its actor, which may be busy or held up: that is when somebody looks.
//!
//! The actor writes, whoever looks reads; each figure is an atomic of its own, and together they are as exact as a
//! glance.

use std::{
    sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    time::{Duration, Instant},
};

use crate::domain::{Seq, VaultId};

/// Nobody waits.
const NOBODY: u64 = 0;

/// A live vault, at a glance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vital {
    pub id: VaultId,
    /// Where it stands.
    pub head: Seq,
    pub subscribers: usize,
    /// Mutations in its queue, those in flight included.
    pub depth: usize,
    /// How many may be (`actors.vault_mailbox`).
    pub capacity: usize,
    /// How long the one that came first has waited.
    pub oldest_wait: Duration,
    /// Mutations in the transaction that is in flight.
    pub in_flight: usize,
    /// For how long nobody has asked it for anything.
    pub idle: Duration,
    /// The thread that it lives on.
    pub arbiter: usize,
}

/// All live vaults, at a glance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub vaults: usize,
    pub subscribers: usize,
    /// Mutations in all queues, and in the deepest of them.
    pub waiting: usize,
    pub deepest: usize,
    /// How long the mutation has waited that waits longest.
    pub oldest_wait: Duration,
}

/// The figures that only the actor knows.
#[derive(Debug)]
pub(super) struct Vitals {
    /// From when on times are counted, in microseconds.
    began: Instant,
    head: AtomicU64,
    subscribers: AtomicUsize,
    in_flight: AtomicUsize,
    /// When the mutation came that waits longest, or [`NOBODY`].
    oldest: AtomicU64,
    used: AtomicU64,
}

impl Vitals {
    pub(super) fn new() -> Self {
        Self {
            began: Instant::now(),
            head: AtomicU64::new(0),
            subscribers: AtomicUsize::new(0),
            in_flight: AtomicUsize::new(0),
            oldest: AtomicU64::new(NOBODY),
            used: AtomicU64::new(NOBODY),
        }
    }

    pub(super) fn stands_at(&self, head: Seq) {
        self.head.store(head.0, Relaxed);
    }

    pub(super) fn is_heard_by(&self, subscribers: usize) {
        self.subscribers.store(subscribers, Relaxed);
    }

    pub(super) fn has_in_flight(&self, mutations: usize) {
        self.in_flight.store(mutations, Relaxed);
    }

    /// Somebody asked for something.
    pub(super) fn is_used(&self, now: Instant) {
        self.used.store(self.at(now), Relaxed);
    }

    /// A mutation came; it is the oldest where no other waits.
    pub(super) fn waits(&self, since: Instant) {
        let since = self.at(since);
        let _other = (self.oldest).compare_exchange(NOBODY, since, Relaxed, Relaxed);
    }

    /// Those who waited longest are answered; now this one has, if anybody.
    pub(super) fn waits_now(&self, since: Option<Instant>) {
        let since = since.map_or(NOBODY, |since| self.at(since));
        self.oldest.store(since, Relaxed);
    }

    /// The figures, beside those that others know.
    pub(super) fn glance(
        &self,
        id: &VaultId,
        (depth, capacity): (usize, usize),
        arbiter: usize,
    ) -> Vital {
        Vital {
            id: id.clone(),
            head: Seq(self.head.load(Relaxed)),
            subscribers: self.subscribers.load(Relaxed),
            depth,
            capacity,
            oldest_wait: self.oldest_wait(depth),
            in_flight: self.in_flight.load(Relaxed),
            idle: self.since(self.used.load(Relaxed)),
            arbiter,
        }
    }

    /// Adds them to those of other vaults.
    pub(super) fn add_to(&self, totals: &mut Totals, depth: usize) {
        totals.vaults += 1;
        totals.subscribers += self.subscribers.load(Relaxed);
        totals.waiting += depth;
        totals.deepest = totals.deepest.max(depth);
        totals.oldest_wait = totals.oldest_wait.max(self.oldest_wait(depth));
    }

    fn oldest_wait(&self, depth: usize) -> Duration {
        match self.oldest.load(Relaxed) {
            NOBODY => Duration::ZERO,
            _ if depth == 0 => Duration::ZERO,
            oldest => self.since(oldest),
        }
    }

    fn since(&self, at: u64) -> Duration {
        Duration::from_micros(self.at(Instant::now()).saturating_sub(at))
    }

    fn at(&self, time: Instant) -> u64 {
        let micros = time.saturating_duration_since(self.began).as_micros();
        u64::try_from(micros).unwrap_or(u64::MAX).max(NOBODY + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn glance(vitals: &Vitals, depth: usize) -> Vital {
        vitals.glance(&VaultId::generate(), (depth, 8), 1)
    }

    #[test]
    fn the_one_that_came_first_is_the_one_that_has_waited_longest() {
        let now = Instant::now();
        let vitals = Vitals {
            began: now - Duration::from_secs(60),
            ..Vitals::new()
        };
        vitals.waits(now - Duration::from_secs(40));
        vitals.waits(now - Duration::from_secs(20));
        assert_eq!(glance(&vitals, 2).oldest_wait.as_secs(), 40);
        vitals.waits_now(Some(now - Duration::from_secs(20)));
        assert_eq!(glance(&vitals, 1).oldest_wait.as_secs(), 20);
        vitals.waits_now(None);
        assert_eq!(glance(&vitals, 1).oldest_wait, Duration::ZERO);
    }

    #[test]
    fn nobody_has_waited_where_the_queue_is_empty() {
        let vitals = Vitals::new();
        vitals.waits(vitals.began);
        assert_eq!(glance(&vitals, 0).oldest_wait, Duration::ZERO);
    }
}
