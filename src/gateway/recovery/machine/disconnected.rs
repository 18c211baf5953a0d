//! The states of disconnected sockets, within bounds of bytes.
//!
//! Over the bound of one user, the oldest states of this user are removed. Over the bound of all users, the oldest states of
//! the user with the most bytes are removed. Therefore a client that reconnects in a loop cannot evict the states of other
//! users.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    cluster::PidHash,
    domain::{MonotonicTime, UserId},
    gateway::recovery::state::RecoveryState,
};

use super::pid_index::{ClaimScope, PidIndex};

/// Approximate size of the map entries of one state, in bytes.
const ENTRY_BYTES: usize = 256;

/// How many bytes the states of all users and of one user may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StateBounds {
    pub total_bytes: usize,
    pub user_bytes: usize,
}

impl Default for StateBounds {
    fn default() -> Self {
        Self {
            total_bytes: 256 << 20,
            user_bytes: 16 << 20,
        }
    }
}

/// A state with what its removal needs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DisconnectedSocket {
    pub pid: String,
    pub state: RecoveryState,
    pub expires: MonotonicTime,
    /// Approximate size of the state.
    pub bytes: usize,
}

/// Identifies a state, and orders the states by their key. All are kept for the same time, so the oldest expires first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct StateKey {
    expires: MonotonicTime,
    /// Distinguishes states with the same expiry.
    number: u64,
}

/// States that were removed before they expired.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Eviction {
    /// The user of the last of them.
    pub user: UserId,
    pub states: u64,
}

/// The states of one user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct UserStates {
    /// Oldest first.
    keys: BTreeSet<StateKey>,
    bytes: usize,
}

/// The states of disconnected sockets, by pid.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct DisconnectedSockets {
    bounds: StateBounds,
    /// The number of the next state.
    next: u64,
    /// Oldest first.
    by_key: BTreeMap<StateKey, DisconnectedSocket>,
    keys: BTreeMap<String, StateKey>,
    pids: PidIndex,
    users: BTreeMap<UserId, UserStates>,
    /// The users by their bytes.
    by_bytes: BTreeSet<(usize, UserId)>,
    bytes: usize,
}

impl DisconnectedSockets {
    /// Returns an empty set with these bounds.
    pub(super) fn new(bounds: StateBounds, scope: ClaimScope) -> Self {
        Self {
            bounds,
            pids: PidIndex::new(scope),
            ..Self::default()
        }
    }

    /// Adds the state of a socket, replaces an earlier one of the same pid, and removes states over the bounds.
    /// Returns what was removed.
    pub(super) fn insert(
        &mut self,
        pid: &str,
        expires: MonotonicTime,
        state: RecoveryState,
    ) -> Option<Eviction> {
        self.remove(pid);
        let user = state.user.clone();
        let number = self.next;
        let key = StateKey { expires, number };
        self.next += 1;
        let bytes = state.size_bytes() + ENTRY_BYTES + pid.len();
        let socket = DisconnectedSocket {
            pid: pid.to_owned(),
            state,
            expires,
            bytes,
        };
        self.keys.insert(pid.to_owned(), key);
        self.pids.insert(pid);
        self.by_key.insert(key, socket);
        self.bytes += bytes;
        self.change_user(user.clone(), |states| {
            states.keys.insert(key);
            states.bytes += bytes;
        });
        self.remove_excess(&user)
    }

    /// Removes the states over the bounds after this user has got another one.
    fn remove_excess(&mut self, user: &UserId) -> Option<Eviction> {
        let mut eviction: Option<Eviction> = None;
        while let Some(user_over_bound) = self.user_over_bounds(user)
            && self.remove_oldest_of(&user_over_bound)
        {
            let states = eviction.map_or(0, |eviction| eviction.states) + 1;
            eviction = Some(Eviction {
                user: user_over_bound,
                states,
            });
        }
        eviction
    }

    /// Returns this user if its states are over the bound of one user, and the user with the most bytes if all states are
    /// over the bound of all users.
    fn user_over_bounds(&self, user: &UserId) -> Option<UserId> {
        let bytes = self.users.get(user).map_or(0, |states| states.bytes);
        if bytes > self.bounds.user_bytes {
            return Some(user.clone());
        }
        let (_, largest) = self.by_bytes.last()?;
        (self.bytes > self.bounds.total_bytes).then(|| largest.clone())
    }

    fn remove_oldest_of(&mut self, user: &UserId) -> bool {
        let states = self.users.get(user);
        let oldest = states.and_then(|states| states.keys.first().copied());
        oldest.is_some_and(|key| self.remove_key(key).is_some())
    }

    /// Returns the pid with this hash, if there is a state of it.
    pub(super) fn pid_of(&self, hash: PidHash) -> Option<&str> {
        self.pids.get(hash)
    }

    /// Returns the user of the state of this pid.
    pub(super) fn user_of(&self, pid: &str) -> Option<&UserId> {
        let key = self.keys.get(pid)?;
        self.by_key.get(key).map(|socket| &socket.state.user)
    }

    /// Removes the state of this pid and returns it.
    pub(super) fn remove(&mut self, pid: &str) -> Option<DisconnectedSocket> {
        let key = *self.keys.get(pid)?;
        self.remove_key(key)
    }

    fn remove_key(&mut self, key: StateKey) -> Option<DisconnectedSocket> {
        let socket = self.by_key.remove(&key)?;
        self.keys.remove(&socket.pid);
        self.pids.remove(&socket.pid);
        self.bytes -= socket.bytes;
        self.change_user(socket.state.user.clone(), |states| {
            states.keys.remove(&key);
            states.bytes -= socket.bytes;
        });
        Some(socket)
    }

    /// Changes the states of a user, and the order of the users with them.
    fn change_user(&mut self, user: UserId, change: impl FnOnce(&mut UserStates)) {
        let states = self.users.entry(user.clone()).or_default();
        let before = states.bytes;
        change(states);
        let (bytes, is_empty) = (states.bytes, states.keys.is_empty());
        self.by_bytes.remove(&(before, user.clone()));
        if is_empty {
            self.users.remove(&user);
        } else {
            self.by_bytes.insert((bytes, user));
        }
    }

    /// Removes all states.
    pub(super) fn clear(&mut self) {
        let mut pids = std::mem::take(&mut self.pids);
        pids.clear();
        *self = Self {
            bounds: self.bounds,
            next: self.next,
            pids,
            ..Self::default()
        };
    }

    /// Removes the states that have expired.
    pub(super) fn remove_expired(&mut self, now: MonotonicTime) {
        while let Some((key, _)) = self.by_key.first_key_value()
            && key.expires <= now
        {
            let key = *key;
            self.remove_key(key);
        }
    }

    /// Returns the pids, those of the oldest states first.
    pub(super) fn pids(&self) -> impl Iterator<Item = &String> {
        self.by_key.values().map(|socket| &socket.pid)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::{
        domain::{Seq, SubscriberId, VaultId},
        gateway::trace::{DeliveryTrace, ResumePosition},
    };

    fn user(index: usize) -> UserId {
        UserId::new(format!("u{index}")).unwrap()
    }

    /// Returns a state of this user with so many subscriptions.
    fn state(index: usize, subscriptions: u64) -> RecoveryState {
        let mut trace = DeliveryTrace::new(64, None);
        for id in 0..subscriptions {
            let position = ResumePosition {
                last_seen: Seq(1),
                joined_at: Seq(1),
                epoch: "epoch".into(),
            };
            trace.record_resume(SubscriberId(id), &VaultId::generate(), position);
        }
        RecoveryState {
            user: user(index),
            id: "socket".to_owned(),
            trace,
            pending_joins: Vec::new(),
        }
    }

    /// Returns an empty set whose bounds hold so many states without a subscription.
    fn sockets(total: usize, of_user: usize) -> DisconnectedSockets {
        let bytes = state(0, 0).size_bytes() + ENTRY_BYTES + 8;
        let bounds = StateBounds {
            total_bytes: total * bytes,
            user_bytes: of_user * bytes,
        };
        DisconnectedSockets::new(bounds, ClaimScope::AllNodes)
    }

    fn check(sockets: &DisconnectedSockets) {
        let sum = |user: Option<&UserId>| -> usize {
            let of_user =
                |socket: &&DisconnectedSocket| user.is_none_or(|user| socket.state.user == *user);
            let states = sockets.by_key.values().filter(of_user);
            states.map(|socket| socket.bytes).sum()
        };
        assert_eq!(sockets.bytes, sum(None));
        assert!(sockets.bytes <= sockets.bounds.total_bytes);
        assert_eq!(sockets.keys.len(), sockets.by_key.len());
        assert_eq!(sockets.by_bytes.len(), sockets.users.len());
        let PidIndex::ByHash(pids) = &sockets.pids else {
            panic!("the pids are indexed");
        };
        assert_eq!(pids.len(), sockets.keys.len());
        for pid in sockets.keys.keys() {
            assert_eq!(sockets.pid_of(PidHash::of(pid)), Some(pid.as_str()));
        }
        for (user, states) in &sockets.users {
            assert_eq!(states.bytes, sum(Some(user)));
            assert!(states.bytes <= sockets.bounds.user_bytes);
            assert!(sockets.by_bytes.contains(&(states.bytes, user.clone())));
        }
    }

    #[test]
    fn the_oldest_state_of_the_user_with_the_most_bytes_is_removed_when_all_are_full() {
        let mut sockets = sockets(10, 8);
        let expires = MonotonicTime::default();
        for number in 0..7 {
            assert_eq!(
                sockets.insert(&format!("a{number}"), expires, state(0, 0)),
                None
            );
        }
        for number in 0..3 {
            sockets.insert(&format!("b{number}"), expires, state(1, 0));
        }
        let eviction = Eviction {
            user: user(0),
            states: 1,
        };
        assert_eq!(sockets.insert("c0", expires, state(2, 0)), Some(eviction));
        assert_eq!(sockets.user_of("a0"), None);
        assert_eq!(sockets.user_of("b0"), Some(&user(1)));
        check(&sockets);
    }

    #[test]
    fn a_state_larger_than_the_bound_of_a_user_is_not_kept() {
        let mut sockets = sockets(10, 2);
        let expires = MonotonicTime::default();
        sockets.insert("large", expires, state(0, 100));
        assert_eq!(sockets.user_of("large"), None);
        check(&sockets);
    }

    proptest! {
        #[test]
        fn states_stay_within_the_bounds(operations in prop::collection::vec((0..4_usize, 0..30_u64, 0..6_u64), 1..200)) {
            let mut sockets = sockets(12, 5);
            let start = MonotonicTime::default();
            for (second, (index, pid, subscriptions)) in (0_u64..).zip(operations) {
                let now = start + Duration::from_secs(second);
                sockets.remove_expired(now);
                match subscriptions {
                    0 => drop(sockets.remove(&pid.to_string())),
                    _ => {
                        let expires = now + Duration::from_secs(10);
                        sockets.insert(&pid.to_string(), expires, state(index, subscriptions - 1));
                    }
                }
                check(&sockets);
                let is_live = |socket: &DisconnectedSocket| socket.expires > now;
                prop_assert!(sockets.by_key.values().all(is_live));
            }
        }
    }
}
