//! The subscribers of a vault, by id, by user and by the sink that serves them.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::{Hash, Hasher},
};

use super::{
    ids::{SubscriberId, UserId},
    unordered_hash::hash_unordered,
};

/// A set of subscribers. `S` identifies the sink that serves a subscriber.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribers<S: Ord> {
    by_id: HashMap<SubscriberId, Subscriber<S>>,
    by_user: HashMap<UserId, BTreeSet<SubscriberId>>,
    /// The number of subscribers of each sink.
    by_sink: BTreeMap<S, usize>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Subscriber<S> {
    user: UserId,
    sink: S,
}

impl<S: Copy + Ord> Default for Subscribers<S> {
    fn default() -> Self {
        Self {
            by_id: HashMap::new(),
            by_user: HashMap::new(),
            by_sink: BTreeMap::new(),
        }
    }
}

impl<S: Ord + Hash> Hash for Subscribers<S> {
    /// The other indexes follow from the first.
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash_unordered(self.by_id.iter(), state);
    }
}

impl<S: Copy + Ord> Subscribers<S> {
    /// Adds a subscriber, or replaces the one with the same id.
    pub fn insert(&mut self, id: SubscriberId, user: UserId, sink: S) {
        self.remove(id);
        self.by_user.entry(user.clone()).or_default().insert(id);
        *self.by_sink.entry(sink).or_default() += 1;
        self.by_id.insert(id, Subscriber { user, sink });
    }

    /// Returns whether the set contains the subscriber.
    pub fn contains(&self, id: SubscriberId) -> bool {
        self.by_id.contains_key(&id)
    }

    /// Removes a subscriber and returns its sink.
    pub fn remove(&mut self, id: SubscriberId) -> Option<S> {
        let Subscriber { user, sink } = self.by_id.remove(&id)?;
        if let Some(ids) = self.by_user.get_mut(&user) {
            ids.remove(&id);
            if ids.is_empty() {
                self.by_user.remove(&user);
            }
        }
        if let Some(count) = self.by_sink.get_mut(&sink) {
            *count -= 1;
            if *count == 0 {
                self.by_sink.remove(&sink);
            }
        }
        if self.by_id.is_empty() {
            // Frees the tables, which do not shrink by themselves.
            *self = Self::default();
        }
        Some(sink)
    }

    /// Removes all subscribers of a user and returns them with their sinks.
    pub fn remove_user(&mut self, user: &UserId) -> Vec<(SubscriberId, S)> {
        let ids = self.by_user.get(user).cloned().unwrap_or_default();
        ids.into_iter()
            .filter_map(|id| self.remove(id).map(|sink| (id, sink)))
            .collect()
    }

    /// Removes all subscribers of a sink.
    pub fn remove_sink(&mut self, sink: S) {
        let ids: Vec<_> = self
            .by_id
            .iter()
            .filter(|(_, subscriber)| subscriber.sink == sink)
            .map(|(id, _)| *id)
            .collect();
        for id in ids {
            self.remove(id);
        }
    }

    /// Returns the sinks that serve at least one subscriber, in order.
    pub fn sinks(&self) -> impl Iterator<Item = S> + '_ {
        self.by_sink.keys().copied()
    }

    /// Returns the number of subscribers.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Returns whether there is no subscriber.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Compares the three indexes.
    ///
    /// # Panics
    /// If they disagree.
    #[cfg(test)]
    pub fn check_invariants(&self) {
        let users: usize = self.by_user.values().map(BTreeSet::len).sum();
        assert_eq!(users, self.by_id.len());
        assert_eq!(self.by_sink.values().sum::<usize>(), self.by_id.len());
        for (user, ids) in &self.by_user {
            assert!(!ids.is_empty());
            assert!(ids.iter().all(|id| self.by_id[id].user == *user));
        }
        for (sink, count) in &self.by_sink {
            let served = self.by_id.values().filter(|s| s.sink == *sink).count();
            assert_eq!(served, *count);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn user(n: u8) -> UserId {
        UserId::new(format!("u{n}")).unwrap()
    }

    proptest! {
        #[test]
        fn the_three_indexes_agree_after_any_sequence_of_steps(
            steps in prop::collection::vec((0..4u8, 0..6u64, 0..3u8, 0..2u8), 0..200)
        ) {
            let mut subscribers = Subscribers::default();
            for (step, id, name, sink) in steps {
                match step {
                    0 => subscribers.insert(SubscriberId(id), user(name), sink),
                    1 => { subscribers.remove(SubscriberId(id)); }
                    2 => {
                        subscribers.remove_user(&user(name));
                        prop_assert!(subscribers.remove_user(&user(name)).is_empty());
                    }
                    _ => {
                        subscribers.remove_sink(sink);
                        prop_assert!(subscribers.sinks().all(|other| other != sink));
                    }
                }
                subscribers.check_invariants();
            }
        }
    }
}
