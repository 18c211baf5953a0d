//! Permits for everything that is on its way to a vault's actor or waits there. They bound the vault's queue, and they
//! show whether the actor is unused and may end.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The number of permits for subscriptions. Sockets bound subscriptions; this is more than there can be.
const SUBSCRIPTION_PERMITS: u32 = u32::MAX >> 3;

/// The number of permits for mutations: more than any configured queue. The configured capacity is compared when a slot
/// is reserved.
const MUTATION_PERMITS: u32 = u32::MAX >> 3;

/// The permits of one vault actor.
///
/// Queued mutations are counted beside their permits, because a task that acquires all permits holds the free ones while
/// it waits.
#[derive(Clone)]
pub(super) struct AdmissionPermits {
    mutations: Arc<Semaphore>,
    queued: Arc<AtomicUsize>,
    subscriptions: Arc<Semaphore>,
}

/// One slot of a vault's queue. Dropping it releases the slot.
pub(super) struct QueueSlot {
    queued: Arc<AtomicUsize>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for QueueSlot {
    fn drop(&mut self) {
        // A thread that reads the lower number also reads what was published before.
        self.queued.fetch_sub(1, Ordering::Release);
    }
}

impl AdmissionPermits {
    pub(super) fn new() -> Self {
        Self {
            mutations: Arc::new(Semaphore::new(MUTATION_PERMITS as usize)),
            queued: Arc::default(),
            subscriptions: Arc::new(Semaphore::new(SUBSCRIPTION_PERMITS as usize)),
        }
    }

    /// Returns the number of queued mutations, including those in flight.
    pub(super) fn depth(&self) -> usize {
        self.queued.load(Ordering::Acquire)
    }

    /// Reserves a slot if fewer than `capacity` are taken. The caller must hold the directory's lock, so that two callers
    /// cannot take the last slot; a concurrent release only makes room.
    pub(super) fn reserve_slot(&self, capacity: usize) -> Option<QueueSlot> {
        if self.depth() >= capacity {
            return None;
        }
        let permit = self.mutations.clone().try_acquire_owned().ok()?;
        self.queued.fetch_add(1, Ordering::Relaxed);
        Some(QueueSlot {
            queued: self.queued.clone(),
            _permit: permit,
        })
    }

    /// Takes a permit for a subscription. `None` if the permits are closed.
    pub(super) fn reserve_subscription(&self) -> Option<OwnedSemaphorePermit> {
        self.subscriptions.clone().try_acquire_owned().ok()
    }

    /// Closes the permits if none is in use. Returns whether they are closed; no permit can be taken then.
    pub(super) fn close_if_unused(&self) -> bool {
        let mutations = self.mutations.try_acquire_many(MUTATION_PERMITS);
        let subscriptions = self.subscriptions.try_acquire_many(SUBSCRIPTION_PERMITS);
        let is_unused = mutations.is_ok() && subscriptions.is_ok();
        if is_unused {
            self.mutations.close();
            self.subscriptions.close();
        }
        is_unused
    }

    /// Waits until every queued mutation is answered or the permits are closed.
    pub(super) async fn wait_until_queue_empty(&self) {
        // An error means that the permits are closed: the actor ended and had no mutation left.
        let _ = self.mutations.acquire_many(MUTATION_PERMITS).await;
    }

    /// Returns whether both are the permits of the same actor.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.mutations, &other.mutations)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_follow_the_capacity_of_each_reservation() {
        let permits = AdmissionPermits::new();
        let mut slots: Vec<_> = (0..3).map(|_| permits.reserve_slot(3).unwrap()).collect();
        assert!(permits.reserve_slot(3).is_none());
        slots.push(permits.reserve_slot(4).unwrap());
        assert_eq!(permits.depth(), 4);

        assert!(permits.reserve_slot(2).is_none());
        slots.truncate(2);
        assert!(permits.reserve_slot(2).is_none());
        slots.truncate(1);
        slots.push(permits.reserve_slot(2).unwrap());
        assert!(permits.reserve_slot(2).is_none());
    }

    #[test]
    fn permits_close_only_when_unused() {
        let permits = AdmissionPermits::new();
        let slot = permits.reserve_slot(1);
        assert!(!permits.close_if_unused());
        drop(slot);
        assert!(permits.close_if_unused());
        assert!(permits.reserve_slot(1).is_none());
    }
}
