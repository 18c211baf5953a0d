//! What bounds the gateways of all worker threads, and can be set anew while they run: how much may wait for one of them,
//! and how long a join waits for its vault.
//!
//! [`Places`] counts what waits for one relay. It is a counter of its own and no semaphore, for its bound may change: who
//! comes compares with what it is now.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

/// The bounds of all gateways. A clone is the same bounds.
#[derive(Clone)]
pub struct Bounds(Arc<Set>);

struct Set {
    relay_mailbox: AtomicUsize,
    join_timeout_micros: AtomicU64,
}

impl Bounds {
    /// So many events wait for one worker thread (`actors.relay_mailbox`), and a join as long for its vault
    /// (`actors.join_timeout`).
    pub fn new(relay_mailbox: usize, join_timeout: Duration) -> Self {
        Self(Arc::new(Set {
            relay_mailbox: relay_mailbox.into(),
            join_timeout_micros: micros(join_timeout).into(),
        }))
    }

    /// Sets others. What waits already goes on waiting: a join for as long as was said when it came.
    pub fn retune(&self, relay_mailbox: usize, join_timeout: Duration) {
        let set = &self.0;
        set.relay_mailbox.store(relay_mailbox, Ordering::Relaxed);
        let micros = micros(join_timeout);
        set.join_timeout_micros.store(micros, Ordering::Relaxed);
    }

    /// How many events may wait for one worker thread.
    pub fn relay_mailbox(&self) -> usize {
        self.0.relay_mailbox.load(Ordering::Relaxed)
    }

    pub(super) fn join_timeout(&self) -> Duration {
        Duration::from_micros(self.0.join_timeout_micros.load(Ordering::Relaxed))
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// What waits for one relay.
pub(super) struct Places {
    bounds: Bounds,
    taken: AtomicUsize,
}

/// Some of the places, until this is dropped.
pub(super) struct Taken {
    places: Arc<Places>,
    many: usize,
    before: usize,
}

impl Places {
    pub(super) fn new(bounds: Bounds) -> Arc<Self> {
        let taken = AtomicUsize::new(0);
        Arc::new(Self { bounds, taken })
    }

    /// So many places, or all where there are fewer, if they are free.
    pub(super) fn take(self: &Arc<Self>, many: usize) -> Option<Taken> {
        let capacity = self.bounds.relay_mailbox();
        let many = many.min(capacity);
        let with = |taken| Some(taken + many).filter(|sum| *sum <= capacity);
        let taken = self
            .taken
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, with);
        taken.ok().map(|before| Taken {
            places: self.clone(),
            many,
            before,
        })
    }
}

#[cfg(test)]
impl Places {
    /// How many are taken.
    pub(super) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }
}

impl Taken {
    /// How many were taken before these.
    pub(super) fn before(&self) -> usize {
        self.before
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.places.taken.fetch_sub(self.many, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_heavier_than_all_places_takes_all_of_them() {
        let places = Places::new(Bounds::new(4, Duration::ZERO));
        let one = places.take(1).unwrap();
        assert!(places.take(9).is_none());
        drop(one);
        let all = places.take(9).unwrap();
        assert!(places.take(1).is_none());
        drop(all);
        assert!(places.take(4).is_some());
    }

    #[test]
    fn another_bound_holds_at_once_and_takes_nothing_away() {
        let bounds = Bounds::new(4, Duration::ZERO);
        let places = Places::new(bounds.clone());
        let mut waiting: Vec<_> = (0..4).map(|_| places.take(1).unwrap()).collect();
        bounds.retune(6, Duration::ZERO);
        waiting.extend([places.take(2).unwrap()]);
        assert!(places.take(1).is_none());

        bounds.retune(2, Duration::ZERO);
        waiting.truncate(2);
        assert!(places.take(1).is_none());
        waiting.truncate(1);
        assert!(places.take(1).is_some());
    }
}
