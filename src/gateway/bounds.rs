//! The bounds of the gateways of all worker threads: how many events wait for one relay, and how long a join waits for
//! its vault. Both can be reconfigured while the gateways run.
//!
//! [`RelayCapacity`] counts the events that wait for one relay. It is a counter and not a semaphore because its bound can
//! change: every acquisition compares with the current bound.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

/// The bounds of all gateways. Clones share one set of values.
#[derive(Clone)]
pub struct GatewayBounds(Arc<GatewayBoundsState>);

struct GatewayBoundsState {
    relay_mailbox: AtomicUsize,
    join_timeout_micros: AtomicU64,
}

impl GatewayBounds {
    /// Returns bounds with the values of `actors.relay_mailbox` (events that wait for one relay) and
    /// `actors.join_timeout` (how long a join waits for its vault).
    pub fn new(relay_mailbox: usize, join_timeout: Duration) -> Self {
        Self(Arc::new(GatewayBoundsState {
            relay_mailbox: relay_mailbox.into(),
            join_timeout_micros: micros(join_timeout).into(),
        }))
    }

    /// Replaces the values. Events that already wait stay queued, and a join that already waits keeps its timeout.
    pub fn reconfigure(&self, relay_mailbox: usize, join_timeout: Duration) {
        let state = &self.0;
        state.relay_mailbox.store(relay_mailbox, Ordering::Relaxed);
        let micros = micros(join_timeout);
        state.join_timeout_micros.store(micros, Ordering::Relaxed);
    }

    /// Returns how many events may wait for one relay.
    pub fn relay_mailbox(&self) -> usize {
        self.0.relay_mailbox.load(Ordering::Relaxed)
    }

    /// Returns how long a join waits for its vault.
    pub(super) fn join_timeout(&self) -> Duration {
        Duration::from_micros(self.0.join_timeout_micros.load(Ordering::Relaxed))
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Counts the events that wait for one relay.
pub(super) struct RelayCapacity {
    bounds: GatewayBounds,
    used: AtomicUsize,
}

/// A share of a relay's capacity. Dropping it returns the share.
pub(super) struct RelayPermit {
    capacity: Arc<RelayCapacity>,
    weight: usize,
    used_before: usize,
}

impl RelayCapacity {
    pub(super) fn new(bounds: GatewayBounds) -> Arc<Self> {
        let used = AtomicUsize::new(0);
        Arc::new(Self { bounds, used })
    }

    /// Acquires `weight` events of capacity, or `None` if less is free. A weight above the bound acquires the whole
    /// capacity.
    pub(super) fn try_acquire(self: &Arc<Self>, weight: usize) -> Option<RelayPermit> {
        let bound = self.bounds.relay_mailbox();
        let weight = weight.min(bound);
        let add = |used| Some(used + weight).filter(|sum| *sum <= bound);
        let used = self
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
        used.ok().map(|used_before| RelayPermit {
            capacity: self.clone(),
            weight,
            used_before,
        })
    }
}

#[cfg(test)]
impl RelayCapacity {
    /// Returns how many events hold a permit.
    pub(super) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }
}

impl RelayPermit {
    /// Returns how much capacity was in use before this permit.
    pub(super) fn used_before(&self) -> usize {
        self.used_before
    }
}

impl Drop for RelayPermit {
    fn drop(&mut self) {
        self.capacity.used.fetch_sub(self.weight, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_above_the_bound_acquires_the_whole_capacity() {
        let capacity = RelayCapacity::new(GatewayBounds::new(4, Duration::ZERO));
        let one = capacity.try_acquire(1).unwrap();
        assert!(capacity.try_acquire(9).is_none());
        drop(one);
        let all = capacity.try_acquire(9).unwrap();
        assert!(capacity.try_acquire(1).is_none());
        drop(all);
        assert!(capacity.try_acquire(4).is_some());
    }

    #[test]
    fn a_new_bound_applies_at_once_and_revokes_no_permit() {
        let bounds = GatewayBounds::new(4, Duration::ZERO);
        let capacity = RelayCapacity::new(bounds.clone());
        let mut permits: Vec<_> = (0..4).map(|_| capacity.try_acquire(1).unwrap()).collect();
        bounds.reconfigure(6, Duration::ZERO);
        permits.extend([capacity.try_acquire(2).unwrap()]);
        assert!(capacity.try_acquire(1).is_none());

        bounds.reconfigure(2, Duration::ZERO);
        permits.truncate(2);
        assert!(capacity.try_acquire(1).is_none());
        permits.truncate(1);
        assert!(capacity.try_acquire(1).is_some());
    }
}
