//! Counts open sockets per key, up to a limit. A permit counts for its key until it is dropped.

use std::{
    collections::HashMap,
    fmt,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The number of open permits for each key. Permits are counted without a limit too, because one may be set later.
///
/// The counts are behind a mutex, because a permit can be dropped on any thread. It is held for one map operation.
#[derive(Debug)]
pub(super) struct PermitCounter<K>(Arc<Mutex<HashMap<K, u32>>>);

/// One open socket. It is counted until this is dropped.
pub struct SocketPermit(#[allow(dead_code, reason = "it is only dropped")] Box<dyn PermitGuard>);

/// A permit of any key type.
trait PermitGuard: Send {}

struct CountedPermit<K: Hash + Eq> {
    key: K,
    counts: Arc<Mutex<HashMap<K, u32>>>,
}

impl<K> Default for PermitCounter<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K: Hash + Eq + Clone + Send + 'static> PermitCounter<K> {
    /// Returns a permit if fewer than `limit` are open for the key. A limit of 0 allows any number.
    pub(super) fn acquire(&self, key: K, limit: u32) -> Option<SocketPermit> {
        let mut counts = lock(&self.0);
        let count = counts.get(&key).copied().unwrap_or(0);
        if limit > 0 && count >= limit {
            return None;
        }
        counts.insert(key.clone(), count + 1);
        let counts = self.0.clone();
        Some(SocketPermit(Box::new(CountedPermit { key, counts })))
    }
}

impl<K: Hash + Eq + Send> PermitGuard for CountedPermit<K> {}

impl<K: Hash + Eq> Drop for CountedPermit<K> {
    fn drop(&mut self) {
        let mut counts = lock(&self.counts);
        if let Some(count) = counts.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.key);
            }
        }
    }
}

impl fmt::Debug for SocketPermit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SocketPermit")
    }
}

fn lock<K>(counts: &Mutex<HashMap<K, u32>>) -> MutexGuard<'_, HashMap<K, u32>> {
    // No operation under the lock can panic between two writes.
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_its_own_count_and_dropped_permits_are_returned() {
        let counter = PermitCounter::default();
        let (first, second) = (counter.acquire("ana", 2), counter.acquire("ana", 2));
        assert!(first.is_some() && second.is_some());
        assert!(counter.acquire("ana", 2).is_none());
        assert!(counter.acquire("ben", 2).is_some());
        drop(first);
        assert!(counter.acquire("ana", 2).is_some());
    }

    #[test]
    fn permits_acquired_without_a_limit_count_against_a_later_limit() {
        let counter = PermitCounter::default();
        let mut open: Vec<_> = (0..3).map(|_| counter.acquire("ana", 0).unwrap()).collect();
        assert!(counter.acquire("ana", 3).is_none());
        assert!(counter.acquire("ana", 4).is_some());
        // A lower limit revokes no permit, and no further permit is granted until enough are dropped.
        assert!(counter.acquire("ana", 1).is_none());
        open.truncate(1);
        assert!(counter.acquire("ana", 1).is_none());
        open.clear();
        assert!(counter.acquire("ana", 1).is_some());
    }

    #[test]
    fn keys_without_open_permits_use_no_memory() {
        let counter = PermitCounter::default();
        let ana = counter.acquire("ana", 1);
        assert!(counter.acquire("ana", 1).is_none());
        drop(ana);
        assert!(lock(&counter.0).is_empty());
    }
}
