//! The connected and the recoverable disconnected sockets, by pid.

use std::{collections::HashMap, time::Instant};

use crate::{domain::UserId, gateway::relay::RelayHandle};

use super::{
    disconnected::{DisconnectedSocket, DisconnectedSockets, Eviction},
    state::RecoveryState,
};

/// The sockets that have a pid. Each is connected or disconnected.
#[derive(Default)]
pub(super) struct RecoveryEntries {
    /// The relays of connected sockets.
    connected: HashMap<String, RelayHandle>,
    disconnected: DisconnectedSockets,
}

/// What [`RecoveryEntries::take`] found.
pub(super) enum TakenState {
    Found(Box<DisconnectedSocket>),
    /// The socket is connected or belongs to another user.
    Unavailable,
    /// There is no entry of this pid.
    NoEntry,
}

/// Some connected sockets of one relay.
pub(super) struct RelaySockets {
    pub(super) relay: RelayHandle,
    pub(super) pids: Vec<String>,
}

impl RecoveryEntries {
    /// Registers a connected socket.
    pub(super) fn insert_connected(&mut self, pid: &str, relay: RelayHandle) {
        self.disconnected.remove(pid);
        self.connected.insert(pid.to_owned(), relay);
    }

    /// Stores the state of a disconnected socket until it expires. Returns which older states were removed, because
    /// the states of this user or of all users take too many bytes.
    pub(super) fn insert_disconnected(
        &mut self,
        pid: &str,
        expires: Instant,
        state: RecoveryState,
    ) -> Option<Eviction> {
        self.connected.remove(pid);
        self.disconnected.insert(pid, expires, state)
    }

    /// Restores a state that a claim has taken, with its original expiry.
    pub(super) fn put_back(
        &mut self,
        pid: &str,
        expires: Instant,
        state: RecoveryState,
        now: Instant,
    ) -> Option<Eviction> {
        if expires <= now {
            return None;
        }
        self.insert_disconnected(pid, expires, state)
    }

    /// Removes the entry of a socket that is connected on this relay.
    pub(super) fn remove_connected(&mut self, pid: &str, relay: &RelayHandle) {
        if self.relay_of(pid) == Some(relay) {
            self.connected.remove(pid);
        }
    }

    /// Returns the relay of a connected socket.
    pub(super) fn relay_of(&self, pid: &str) -> Option<&RelayHandle> {
        self.connected.get(pid)
    }

    /// Takes the state of a disconnected socket of this user.
    pub(super) fn take(&mut self, pid: &str, user: &UserId) -> TakenState {
        self.remove_expired(Instant::now());
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

    /// Returns up to `limit` connected sockets, grouped by relay.
    pub(super) fn connected(&self, limit: usize) -> Vec<RelaySockets> {
        // There are as many relays as worker threads, so a linear search is fast enough.
        let mut groups: Vec<RelaySockets> = Vec::new();
        for (pid, relay) in self.connected.iter().take(limit) {
            match groups.iter_mut().find(|group| group.relay == *relay) {
                Some(group) => group.pids.push(pid.clone()),
                None => groups.push(RelaySockets {
                    relay: relay.clone(),
                    pids: vec![pid.clone()],
                }),
            }
        }
        groups
    }

    /// Returns the pids of up to `limit` disconnected sockets.
    pub(super) fn disconnected(&self, limit: usize) -> Vec<String> {
        self.disconnected.pids().take(limit).cloned().collect()
    }

    /// Removes the entries of these pids and returns those that have a state.
    pub(super) fn take_all<'a>(
        &mut self,
        pids: impl Iterator<Item = &'a String>,
    ) -> Vec<DisconnectedSocket> {
        let mut taken = Vec::new();
        for pid in pids {
            self.connected.remove(pid);
            taken.extend(self.disconnected.remove(pid));
        }
        taken
    }

    /// Removes expired states.
    pub(super) fn remove_expired(&mut self, now: Instant) {
        self.disconnected.remove_expired(now);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::gateway::trace::DeliveryTrace;

    const WINDOW: Duration = Duration::from_secs(120);

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
        matches!(entries.take(pid, &user(name)), TakenState::Found(_))
    }

    #[test]
    fn reconnects_of_one_user_evict_no_state_of_another_user() {
        let mut entries = RecoveryEntries::default();
        let expires = Instant::now() + WINDOW;
        entries.insert_disconnected("ana", expires, state("ana"));
        for number in 0..200_000 {
            entries.remove_expired(Instant::now());
            entries.insert_disconnected(&number.to_string(), expires, state("ben"));
        }
        assert!(is_kept(&mut entries, "ana", "ana"));
        assert!(is_kept(&mut entries, "199999", "ben"));
        assert!(!is_kept(&mut entries, "0", "ben"));
    }

    #[test]
    fn repeated_recoveries_of_one_socket_evict_no_other_state() {
        let mut entries = RecoveryEntries::default();
        let expires = Instant::now() + WINDOW;
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
        let (mut entries, now) = (RecoveryEntries::default(), Instant::now());
        let expires = now + WINDOW;
        entries.insert_disconnected("p", expires, state("ana"));
        entries.insert_disconnected("q", expires + WINDOW, state("ana"));
        for _ in 0..3 {
            let TakenState::Found(socket) = entries.take("p", &user("ana")) else {
                panic!("the state is there");
            };
            assert_eq!(socket.expires, expires);
            entries.put_back("p", socket.expires, socket.state, now);
        }
        assert_eq!(entries.disconnected(9), ["p", "q"], "oldest first");
        entries.remove_expired(expires);
        assert_eq!(entries.disconnected(9), ["q"]);
    }

    #[test]
    fn state_that_expired_while_it_was_taken_is_not_put_back() {
        let (mut entries, now) = (RecoveryEntries::default(), Instant::now());
        entries.put_back("p", now, state("ana"), now);
        assert!(entries.disconnected(9).is_empty());
    }
}
