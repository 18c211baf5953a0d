//! The subscriptions of a trace.

use serde::{Deserialize, Serialize};

use crate::{
    domain::{Epoch, Seq, SubscriberId, VaultId},
    vault::Joined,
};

use super::{packet_log::TraceSlot, resumed::ResumePosition, slot_index::SlotIndex};

/// A subscription that the socket has or had.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct TracedSubscription {
    pub(super) vault: VaultId,
    /// The last event before the recorded packets. `None` until the socket has joined.
    pub(super) last_seen: Option<Seq>,
    /// The head of the vault when the socket joined it.
    pub(super) joined_at: Seq,
    /// The epoch of the position. Empty until the socket has joined.
    #[serde(default)]
    pub(super) epoch: Epoch,
    /// Whether the vault ended the subscription after the last packet.
    pub(super) ended: bool,
    /// Whether the client left the vault.
    pub(super) left: bool,
}

impl TracedSubscription {
    pub(super) fn new(vault: &VaultId) -> Self {
        Self {
            vault: vault.clone(),
            last_seen: None,
            joined_at: Seq::ZERO,
            epoch: Epoch::default(),
            ended: false,
            left: false,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.ended || self.left
    }

    /// Returns the position before the recorded packets, or `None` until the socket has joined.
    pub(super) fn position(&self) -> Option<ResumePosition> {
        self.last_seen.map(|last_seen| ResumePosition {
            last_seen,
            joined_at: self.joined_at,
            epoch: self.epoch.clone(),
        })
    }

    /// Moves the position past the next event.
    pub(super) fn pass_event(&mut self) {
        self.last_seen = self.last_seen.map(Seq::next);
    }

    /// Moves the position past a join.
    pub(super) fn pass_join(&mut self, joined: &Joined) {
        self.last_seen = Some(joined.last_known_seq());
        self.joined_at = joined.seq;
        self.epoch = joined.epoch.clone();
    }
}

/// The subscriptions of a trace, by slot and by id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct TracedSubscriptions {
    slots: Vec<Option<TracedSubscription>>,
    by_id: SlotIndex,
}

impl TracedSubscriptions {
    pub(super) fn slot(&self, id: SubscriberId) -> Option<TraceSlot> {
        self.by_id.get(id.0)
    }

    pub(super) fn get_mut(&mut self, id: SubscriberId) -> Option<&mut TracedSubscription> {
        let slot = self.slot(id)?;
        self.at_mut(slot)
    }

    pub(super) fn at_mut(&mut self, slot: TraceSlot) -> Option<&mut TracedSubscription> {
        self.slots.get_mut(slot.index())?.as_mut()
    }

    /// Adds a subscription and returns its slot.
    pub(super) fn insert(
        &mut self,
        id: SubscriberId,
        subscription: TracedSubscription,
    ) -> TraceSlot {
        let free = self.slots.iter().position(Option::is_none);
        let index = free.unwrap_or(self.slots.len());
        if index == self.slots.len() {
            if self.slots.is_empty() {
                // Most sockets have one subscription.
                self.slots.reserve_exact(1);
            }
            self.slots.push(None);
        }
        self.slots[index] = Some(subscription);
        let slot = TraceSlot::new(index);
        self.by_id.insert(id.0, slot);
        slot
    }

    /// Sets the epoch of the positions that were recorded without one.
    pub(super) fn complete_epochs(&mut self, epoch: &Epoch) {
        for subscription in self.slots.iter_mut().flatten() {
            if subscription.epoch.is_empty() {
                subscription.epoch = epoch.clone();
            }
        }
    }

    /// Returns all slots; those of removed subscriptions are empty.
    pub(super) fn slots(&self) -> &[Option<TracedSubscription>] {
        &self.slots
    }

    /// Removes the subscriptions for which `keep` returns `false`.
    pub(super) fn retain(&mut self, keep: impl Fn(TraceSlot, &TracedSubscription) -> bool) {
        let slots = &mut self.slots;
        self.by_id.retain(|slot| {
            let entry = &mut slots[slot.index()];
            let keeps = entry.as_ref().is_some_and(|entry| keep(slot, entry));
            if !keeps {
                *entry = None;
            }
            keeps
        });
    }

    /// Returns the subscriptions, the oldest first.
    pub(super) fn into_iter(self) -> impl Iterator<Item = (TraceSlot, TracedSubscription)> {
        let Self { mut slots, by_id } = self;
        by_id
            .into_slots()
            .filter_map(move |slot| Some((slot, slots.get_mut(slot.index())?.take()?)))
    }

    /// Returns about how many bytes the subscriptions take on the heap.
    pub(super) fn size_bytes(&self) -> usize {
        /// The text of a vault id.
        const PER_SUBSCRIPTION: usize = 48;
        self.slots.capacity() * size_of::<Option<TracedSubscription>>()
            + self.by_id.size_bytes()
            + self.by_id.len() * PER_SUBSCRIPTION
    }
}
