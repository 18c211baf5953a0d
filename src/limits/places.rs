//! Things that are counted while they are there.

use std::{
    collections::HashMap,
    fmt,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// How many are there, of each key. They are counted also while there is no limit, for one may be set later.
///
/// It is a map behind a lock that is held for one look-up, for whoever goes gives his place back from where he is.
#[derive(Debug)]
pub(super) struct Places<K>(Arc<Mutex<HashMap<K, u32>>>);

/// Something that is counted until this is dropped.
pub struct Place(
    #[allow(dead_code, reason = "gives the place back when it is dropped")] Box<dyn Held>,
);

trait Held: Send {}

struct One<K: Hash + Eq> {
    key: K,
    taken: Arc<Mutex<HashMap<K, u32>>>,
}

impl<K> Default for Places<K> {
    /// Nobody is there.
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K: Hash + Eq + Clone + Send + 'static> Places<K> {
    /// A place, if there are fewer taken than `limit`; 0 for as many as want to be there.
    pub(super) fn take(&self, key: K, limit: u32) -> Option<Place> {
        let mut taken = lock(&self.0);
        let count = taken.get(&key).copied().unwrap_or(0);
        if limit > 0 && count >= limit {
            return None;
        }
        taken.insert(key.clone(), count + 1);
        let taken = self.0.clone();
        Some(Place(Box::new(One { key, taken })))
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
        let places = Places::default();
        let (first, second) = (places.take("ana", 2), places.take("ana", 2));
        assert!(first.is_some() && second.is_some());
        assert!(places.take("ana", 2).is_none());
        assert!(places.take("ben", 2).is_some());
        drop(first);
        assert!(places.take("ana", 2).is_some());
    }

    #[test]
    fn who_came_while_there_was_no_limit_counts_when_there_is_one() {
        let places = Places::default();
        let mut there: Vec<_> = (0..3).map(|_| places.take("ana", 0).unwrap()).collect();
        assert!(places.take("ana", 3).is_none());
        assert!(places.take("ana", 4).is_some());
        // Nobody is sent away by a lower limit, and nobody comes until enough have left.
        assert!(places.take("ana", 1).is_none());
        there.truncate(1);
        assert!(places.take("ana", 1).is_none());
        there.clear();
        assert!(places.take("ana", 1).is_some());
    }

    #[test]
    fn who_is_gone_or_was_refused_is_not_remembered() {
        let places = Places::default();
        let ana = places.take("ana", 1);
        assert!(places.take("ana", 1).is_none());
        drop(ana);
        assert!(lock(&places.0).is_empty());
    }
}
