//! The connected and the recoverable disconnected sockets, by pid.

use std::{
    collections::{BTreeMap, HashMap},
    hash::{BuildHasherDefault, DefaultHasher, Hash, Hasher},
};

use crate::{
    cluster::PidHash,
    domain::{MonotonicTime, UserId, hash_unordered, shrink_if_sparse},
    gateway::{recovery::state::RecoveryState, relay::machine::RelayId},
};

use super::{
    claim::HistoryNumber,
    disconnected::{DisconnectedSocket, DisconnectedSockets, Eviction, StateBounds},
    pid_index::{ClaimScope, PidIndex},
};

/// The sockets that have a pid. Each is connected or disconnected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RecoveryEntries {
    /// The relays of connected sockets. A tree would compare many random pids at each CONNECT. The hasher needs no random keys,
    /// because the service generates the pids.
    connected: HashMap<String, ConnectedSocket, BuildHasherDefault<DefaultHasher>>,
    /// The pids of the connected sockets.
    connected_pids: PidIndex,
    disconnected: DisconnectedSockets,
    history: HistoryNumber,
}

/// A connected socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct ConnectedSocket {
    relay: RelayId,
    /// The history in which it was connected.
    history: HistoryNumber,
}

impl Hash for RecoveryEntries {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash_unordered(self.connected.iter(), state);
        self.connected_pids.hash(state);
        self.disconnected.hash(state);
        self.history.hash(state);
    }
}

/// What [`RecoveryEntries::take`] found.
pub(super) enum TakenState {
    Found(Box<DisconnectedSocket>),
    /// The socket is connected or belongs to another user.
    Unavailable,
    /// There is no entry of this pid.
    NoEntry,
}

impl RecoveryEntries {
    /// Returns no entries. States over the bounds are removed.
    pub(super) fn new(bounds: StateBounds, scope: ClaimScope) -> Self {
        Self {
            connected: HashMap::default(),
            connected_pids: PidIndex::new(scope),
            disconnected: DisconnectedSockets::new(bounds, scope),
            history: HistoryNumber::default(),
        }
    }

    /// Returns the number of the present history.
    pub(super) fn history(&self) -> HistoryNumber {
        self.history
    }

    /// Begins another history: removes all states, and those of the sockets that are connected now are not kept.
    pub(super) fn invalidate(&mut self) {
        self.history.0 += 1;
        self.disconnected.clear();
    }

    /// Removes a connected socket of an earlier history. Returns whether it was one.
    pub(super) fn remove_outdated(&mut self, pid: &str) -> bool {
        let socket = self.connected.get(pid);
        let is_outdated = socket.is_some_and(|socket| socket.history != self.history);
        if is_outdated {
            self.forget_connected(pid);
        }
        is_outdated
    }

    /// Registers a connected socket.
    pub(super) fn insert_connected(&mut self, pid: &str, relay: RelayId) {
        self.disconnected.remove(pid);
        let history = self.history;
        let socket = ConnectedSocket { relay, history };
        self.connected.insert(pid.to_owned(), socket);
        self.connected_pids.insert(pid);
    }

    /// Stores the state of a disconnected socket until it expires. Returns which older states were removed, because
    /// the states of this user or of all users take too many bytes.
    pub(super) fn insert_disconnected(
        &mut self,
        pid: &str,
        expires: MonotonicTime,
        state: RecoveryState,
    ) -> Option<Eviction> {
        self.forget_connected(pid);
        self.disconnected.insert(pid, expires, state)
    }

    /// Restores a state that a claim has taken, with its original expiry.
    pub(super) fn put_back(
        &mut self,
        pid: &str,
        expires: MonotonicTime,
        state: RecoveryState,
        now: MonotonicTime,
    ) -> Option<Eviction> {
        if expires <= now {
            return None;
        }
        self.insert_disconnected(pid, expires, state)
    }

    /// Removes the entry of a socket that is connected on this relay.
    pub(super) fn remove_connected(&mut self, pid: &str, relay: RelayId) {
        if self.relay_of(pid) == Some(relay) {
            self.forget_connected(pid);
        }
    }

    fn forget_connected(&mut self, pid: &str) {
        if self.connected.remove(pid).is_some() {
            self.connected_pids.remove(pid);
            shrink_if_sparse(&mut self.connected);
        }
    }

    /// Returns the pid with this hash, if a socket has it.
    pub(super) fn pid_of(&self, hash: PidHash) -> Option<&str> {
        let connected = self.connected_pids.get(hash);
        connected.or_else(|| self.disconnected.pid_of(hash))
    }

    /// Returns the relay of a connected socket.
    pub(super) fn relay_of(&self, pid: &str) -> Option<RelayId> {
        self.connected.get(pid).map(|socket| socket.relay)
    }

    /// Takes the state of a disconnected socket of this user.
    pub(super) fn take(&mut self, pid: &str, user: &UserId, now: MonotonicTime) -> TakenState {
        self.remove_expired(now);
        match self.disconnected.user_of(pid) {
            Some(owner) if owner == user => {
                let taken = self.disconnected.remove(pid);
                taken.map_or(TakenState::NoEntry, |socket| {
                    TakenState::Found(Box::new(socket))
                })
            }
            Some(_) => TakenState::Unavailable,
            None if self.connected.contains_key(pid) => TakenState::Unavailable,
            None => TakenState::NoEntry,
        }
    }

    /// Returns the pids of up to `limit` connected sockets, by relay.
    pub(super) fn connected(&self, limit: usize) -> BTreeMap<RelayId, Vec<String>> {
        let mut groups: BTreeMap<RelayId, Vec<String>> = BTreeMap::new();
        let mut connected: Vec<_> = self.connected.iter().collect();
        // The order does not depend on the history of the map, so that a simulated run can be repeated.
        if limit < connected.len() {
            connected.select_nth_unstable(limit);
            connected.truncate(limit);
        }
        connected.sort_unstable();
        for (pid, socket) in connected {
            groups.entry(socket.relay).or_default().push(pid.clone());
        }
        groups
    }

    /// Returns the pids of the disconnected sockets.
    pub(super) fn disconnected(&self) -> Vec<String> {
        self.disconnected.pids().cloned().collect()
    }

    /// Removes the entries of these pids and returns those that have a state.
    pub(super) fn take_all<'a>(
        &mut self,
        pids: impl Iterator<Item = &'a String>,
    ) -> Vec<DisconnectedSocket> {
        let mut taken = Vec::new();
        for pid in pids {
            self.forget_connected(pid);
            taken.extend(self.disconnected.remove(pid));
        }
        taken
    }

    /// Removes expired states.
    pub(super) fn remove_expired(&mut self, now: MonotonicTime) {
        self.disconnected.remove_expired(now);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::gateway::trace::DeliveryTrace;

    const WINDOW: Duration = Duration::from_secs(120);
    const NOW: MonotonicTime = MonotonicTime::from_micros(0);

    fn user(name: &str) -> UserId {
        UserId::new(name).unwrap()
    }

    fn state(name: &str) -> RecoveryState {
        RecoveryState {
            user: user(name),
            id: "socket".to_owned(),
            trace: DeliveryTrace::new(64, None),
            pending_joins: Vec::new(),
        }
    }

    fn is_kept(entries: &mut RecoveryEntries, pid: &str, name: &str) -> bool {
        matches!(entries.take(pid, &user(name), NOW), TakenState::Found(_))
    }

    #[test]
    fn reconnects_of_one_user_evict_no_state_of_another_user() {
        let mut entries = RecoveryEntries::new(StateBounds::default(), ClaimScope::ThisNode);
        let expires = NOW + WINDOW;
        entries.insert_disconnected("ana", expires, state("ana"));
        for number in 0..200_000 {
            entries.remove_expired(NOW);
            entries.insert_disconnected(&number.to_string(), expires, state("ben"));
        }
        assert!(is_kept(&mut entries, "ana", "ana"));
        assert!(is_kept(&mut entries, "199999", "ben"));
        assert!(!is_kept(&mut entries, "0", "ben"));
    }

    #[test]
    fn table_of_connected_sockets_shrinks_with_them() {
        let mut entries = RecoveryEntries::new(StateBounds::default(), ClaimScope::ThisNode);
        let (relay, pids) = (RelayId(0), (0..100_000).map(|pid| pid.to_string()));
        let pids: Vec<_> = pids.collect();
        for pid in &pids {
            entries.insert_connected(pid, relay);
        }
        for pid in &pids[10..] {
            entries.remove_connected(pid, relay);
        }
        assert!(entries.connected.capacity() <= 1024);
        assert_eq!(entries.relay_of("9"), Some(relay));
    }

    #[test]
    fn repeated_recoveries_of_one_socket_evict_no_other_state() {
        let mut entries = RecoveryEntries::new(StateBounds::default(), ClaimScope::ThisNode);
        let expires = NOW + WINDOW;
        for pid in ["first", "second"] {
            entries.insert_disconnected(pid, expires, state("ana"));
        }
        for _ in 0..200_000 {
            assert!(is_kept(&mut entries, "second", "ana"));
            entries.insert_disconnected("second", expires, state("ana"));
        }
        assert!(is_kept(&mut entries, "first", "ana"));
    }

    #[test]
    fn state_that_is_put_back_expires_when_it_would_have_expired() {
        let (mut entries, now) = (
            RecoveryEntries::new(StateBounds::default(), ClaimScope::ThisNode),
            NOW,
        );
        let expires = now + WINDOW;
        entries.insert_disconnected("p", expires, state("ana"));
        entries.insert_disconnected("q", expires + WINDOW, state("ana"));
        for _ in 0..3 {
            let TakenState::Found(socket) = entries.take("p", &user("ana"), NOW) else {
                panic!("the state is there");
            };
            assert_eq!(socket.expires, expires);
            entries.put_back("p", socket.expires, socket.state, now);
        }
        assert_eq!(entries.disconnected(), ["p", "q"], "oldest first");
        entries.remove_expired(expires);
        assert_eq!(entries.disconnected(), ["q"]);
    }

    #[test]
    fn state_that_expired_while_it_was_taken_is_not_put_back() {
        let (mut entries, now) = (
            RecoveryEntries::new(StateBounds::default(), ClaimScope::ThisNode),
            NOW,
        );
        entries.put_back("p", now, state("ana"), now);
        assert!(entries.disconnected().is_empty());
    }
}
