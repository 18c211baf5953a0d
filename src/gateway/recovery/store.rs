//! The recovery store: the entries of all worker threads, and the locks of pids that are being claimed.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::OwnedMutexGuard;
use tracing::warn;

use crate::{
    gateway::{metrics::GatewayMetrics, relay::RelayHandle},
    journal::Journal,
    telemetry::throttle::LogThrottle,
};

use super::{disconnected::Eviction, entries::RecoveryEntries, state::RecoveryState};

/// How many pids can be claimed at the same time.
const CLAIM_LOCKS: usize = 64;

/// How long and how far back sockets are recoverable.
#[derive(Clone, Copy, Debug)]
pub struct RecoveryBounds {
    /// How long a disconnected socket is recoverable (`socketio.recovery_window`). Zero disables recovery.
    pub window: Duration,
    /// How many unconfirmed events are remembered for a socket (`socketio.recovery_events`).
    pub events: u64,
}

/// The connected and the recoverable sockets of all worker threads. Cheap to clone; clones share the entries.
#[derive(Clone)]
pub struct RecoveryStore {
    pub(super) journal: Journal,
    /// How long a disconnected socket is recoverable. Zero disables recovery.
    pub(super) window: Duration,
    traced_packets: u64,
    entries: Arc<Mutex<RecoveryEntries>>,
    pub(super) metrics: GatewayMetrics,
    pub(super) persist_failures: Arc<LogThrottle>,
    evictions: Arc<LogThrottle>,
    /// Locks by hash of the pid. A claim holds its lock until the new connection is registered, so a later claim of the
    /// same pid takes it over from that connection.
    claim_locks: Arc<[Arc<tokio::sync::Mutex<()>>]>,
}

impl RecoveryStore {
    /// Returns an empty store.
    pub fn new(journal: Journal, bounds: RecoveryBounds, metrics: GatewayMetrics) -> Self {
        let RecoveryBounds { window, events } = bounds;
        Self {
            journal,
            window,
            traced_packets: events,
            metrics,
            persist_failures: Arc::default(),
            evictions: Arc::default(),
            entries: Arc::default(),
            claim_locks: (0..CLAIM_LOCKS).map(|_| Arc::default()).collect(),
        }
    }

    /// Returns whether recovery is enabled.
    pub(in crate::gateway) fn is_enabled(&self) -> bool {
        !self.window.is_zero()
    }

    /// Returns how many unconfirmed packets the trace of a socket records.
    pub(in crate::gateway) fn traced_packets(&self) -> u64 {
        self.traced_packets
    }

    /// Registers a connected socket and the relay of its worker thread.
    pub(in crate::gateway) fn register(&self, pid: &str, relay: &RelayHandle) {
        self.entries().insert_connected(pid, relay.clone());
    }

    /// Removes a socket that is connected on this relay and cannot be recovered.
    pub(in crate::gateway) fn unregister(&self, pid: &str, relay: &RelayHandle) {
        self.entries().remove_connected(pid, relay);
    }

    /// Stores the state of a disconnected socket for the recovery window. Older states are evicted if the states of its
    /// user, or of all users, take too many bytes.
    pub(in crate::gateway) fn save(&self, pid: &str, state: RecoveryState) {
        let now = Instant::now();
        let eviction = {
            let mut entries = self.entries();
            entries.remove_expired(now);
            entries.insert_disconnected(pid, now + self.window, state)
        };
        self.report(eviction);
    }

    /// Restores a state that a claim has taken, with its original expiry.
    pub(super) fn put_back(&self, pid: &str, expires: Instant, state: RecoveryState) {
        let eviction = self.entries().put_back(pid, expires, state, Instant::now());
        self.report(eviction);
    }

    fn report(&self, eviction: Option<Eviction>) {
        if let Some(Eviction { user, states }) = eviction {
            self.metrics.states_evicted.inc_by(states);
            if let Some(suppressed) = self.evictions.allow() {
                warn!(user.id = %user, states, suppressed, "recovery states evicted: too many disconnected sockets");
            }
        }
    }

    /// Waits until no other claim of this pid is in progress.
    pub(super) async fn lock_claim(&self, pid: &str) -> OwnedMutexGuard<()> {
        let mut hasher = DefaultHasher::new();
        pid.hash(&mut hasher);
        let lock = &self.claim_locks[hasher.finish() as usize % CLAIM_LOCKS];
        lock.clone().lock_owned().await
    }

    pub(super) fn entries(&self) -> MutexGuard<'_, RecoveryEntries> {
        // No method of the entries leaves them inconsistent when it panics.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
