//! A vault's audience: who is subscribed, as which user, and where.

use std::{
    collections::{BTreeSet, HashMap},
    hash::Hash,
};

use super::{SubscriberId, UserId};

/// Subscribers by id and by user, grouped by the sink `S` that serves them.
#[derive(Debug)]
pub struct Subscribers<S> {
    by_id: HashMap<SubscriberId, (UserId, S)>,
    by_user: HashMap<UserId, BTreeSet<SubscriberId>>,
    by_sink: HashMap<S, usize>,
}

impl<S: Copy + Eq + Hash> Default for Subscribers<S> {
    fn default() -> Self {
        Self {
            by_id: HashMap::new(),
            by_user: HashMap::new(),
            by_sink: HashMap::new(),
        }
    }
}

impl<S: Copy + Eq + Hash> Subscribers<S> {
    /// Counts a subscriber in; one that is in already is replaced.
    pub fn insert(&mut self, id: SubscriberId, user: UserId, sink: S) {
        self.remove(id);
        self.by_user.entry(user.clone()).or_default().insert(id);
        *self.by_sink.entry(sink).or_default() += 1;
        self.by_id.insert(id, (user, sink));
    }

    /// Whether a subscriber is counted in.
    pub fn contains(&self, id: SubscriberId) -> bool {
        self.by_id.contains_key(&id)
    }

    /// Counts a subscriber out; where he was served, if he was in.
    pub fn remove(&mut self, id: SubscriberId) -> Option<S> {
        let (user, sink) = self.by_id.remove(&id)?;
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
        Some(sink)
    }

    /// Counts every subscriber of a user out, and tells which they were and where they were served.
    pub fn remove_user(&mut self, user: &UserId) -> Vec<(SubscriberId, S)> {
        let ids = self.by_user.get(user).cloned().unwrap_or_default();
        ids.into_iter()
            .filter_map(|id| self.remove(id).map(|sink| (id, sink)))
            .collect()
    }

    /// Counts everybody at an sink out.
    pub fn remove_sink(&mut self, sink: S) {
        let there: Vec<_> = self
            .by_id
            .iter()
            .filter(|(_, (_, at))| *at == sink)
            .map(|(id, _)| *id)
            .collect();
        for id in there {
            self.remove(id);
        }
    }

    /// The sinks that serve somebody.
    pub fn sinks(&self) -> impl Iterator<Item = S> + '_ {
        self.by_sink.keys().copied()
    }

    /// How many are in.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether nobody listens.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Holds the three views against each other.
    ///
    /// # Panics
    /// When they disagree.
    #[cfg(test)]
    pub fn check_invariants(&self) {
        let users: usize = self.by_user.values().map(BTreeSet::len).sum();
        assert_eq!(users, self.by_id.len());
        assert_eq!(self.by_sink.values().sum::<usize>(), self.by_id.len());
        for (user, ids) in &self.by_user {
            assert!(!ids.is_empty());
            assert!(ids.iter().all(|id| self.by_id[id].0 == *user));
        }
        for (sink, count) in &self.by_sink {
            let there = self.by_id.values().filter(|(_, at)| at == sink).count();
            assert_eq!(there, *count);
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
        fn the_three_views_agree_whatever_happens(
            steps in prop::collection::vec((0..4u8, 0..6u64, 0..3u8, 0..2u8), 0..200)
        ) {
            let mut subscribers = Subscribers::default();
            for (what, id, who, sink) in steps {
                match what {
                    0 => subscribers.insert(SubscriberId(id), user(who), sink),
                    1 => { subscribers.remove(SubscriberId(id)); }
                    2 => {
                        subscribers.remove_user(&user(who));
                        prop_assert!(subscribers.remove_user(&user(who)).is_empty());
                    }
                    _ => {
                        subscribers.remove_sink(sink);
                        prop_assert!(subscribers.sinks().all(|o| o != sink));
                    }
                }
                subscribers.check_invariants();
            }
        }
    }
}
