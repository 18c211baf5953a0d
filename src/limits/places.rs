//! Things that are counted while they are there.

use std::{
    collections::HashMap,
    fmt,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// How many may be there at a time, of each key. A clone counts together with it.
///
/// It is a map behind a lock that is held for one look-up, for whoever goes gives his place back from where he is.
#[derive(Clone, Debug)]
pub(super) struct Places<K> {
    limit: u32,
    taken: Arc<Mutex<HashMap<K, u32>>>,
}

/// Something that is counted, where there is a limit, until this is dropped.
pub struct Place(
    #[allow(dead_code, reason = "gives the place back when it is dropped")] Option<Box<dyn Held>>,
);

trait Held: Send {}

struct One<K: Hash + Eq> {
    key: K,
    taken: Arc<Mutex<HashMap<K, u32>>>,
}

impl<K: Hash + Eq + Clone + Send + 'static> Places<K> {
    /// Nobody is there; 0 for as many as want to be.
    pub(super) fn new(limit: u32) -> Self {
        let taken = Arc::default();
        Self { limit, taken }
    }

    /// A place, if there is one.
    pub(super) fn take(&self, key: K) -> Option<Place> {
        if self.limit == 0 {
            return Some(Place(None));
        }
        let mut taken = lock(&self.taken);
        let count = taken.entry(key.clone()).or_default();
        if *count >= self.limit {
            return None;
        }
        *count += 1;
        let taken = self.taken.clone();
        Some(Place(Some(Box::new(One { key, taken }))))
    }
}

impl<K: Hash + Eq + Send> Held for One<K> {}

impl<K: Hash + Eq> Drop for One<K> {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        if let Some(count) = taken.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.key);
            }
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Place")
    }
}

fn lock<K>(taken: &Mutex<HashMap<K, u32>>) -> MutexGuard<'_, HashMap<K, u32>> {
    // Nothing in here can panic half-way.
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_its_places_and_gets_them_back() {
        let places = Places::new(2);
        let (first, second) = (places.take("ana"), places.take("ana"));
        assert!(first.is_some() && second.is_some());
        assert!(places.take("ana").is_none());
        assert!(places.take("ben").is_some());
        drop(first);
        assert!(places.take("ana").is_some());
    }

    #[test]
    fn who_is_gone_is_not_remembered() {
        let places = Places::new(1);
        drop(places.take("ana"));
        assert!(lock(&places.taken).is_empty());
    }
}
