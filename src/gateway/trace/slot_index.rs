//! The slots of a trace's subscriptions by their ids.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::packet_log::TraceSlot;

/// The slots by the ids of the subscriptions, sorted. Most sockets have one subscription, so this is a vector of that length. It is
/// stored as a map.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "BTreeMap<u64, TraceSlot>", into = "BTreeMap<u64, TraceSlot>")]
pub(super) struct SlotIndex(Vec<IndexedSlot>);

/// A slot with the id of its subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct IndexedSlot {
    id: u64,
    slot: TraceSlot,
}

impl SlotIndex {
    pub(super) fn get(&self, id: u64) -> Option<TraceSlot> {
        let index = self.position(id).ok()?;
        Some(self.0[index].slot)
    }

    /// Adds a slot, or replaces the one of this id.
    pub(super) fn insert(&mut self, id: u64, slot: TraceSlot) {
        let indexed = IndexedSlot { id, slot };
        match self.position(id) {
            Ok(index) => self.0[index] = indexed,
            Err(index) => {
                if self.0.is_empty() {
                    self.0.reserve_exact(1);
                }
                self.0.insert(index, indexed);
            }
        }
    }

    /// Keeps the slots for which `keep` returns `true`.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(TraceSlot) -> bool) {
        self.0.retain(|indexed| keep(indexed.slot));
    }

    /// Returns the slots, that of the oldest subscription first.
    pub(super) fn into_slots(self) -> impl Iterator<Item = TraceSlot> {
        self.0.into_iter().map(|indexed| indexed.slot)
    }

    /// Returns how many bytes the index takes on the heap.
    pub(super) fn size_bytes(&self) -> usize {
        self.0.capacity() * size_of::<IndexedSlot>()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    fn position(&self, id: u64) -> Result<usize, usize> {
        self.0.binary_search_by_key(&id, |indexed| indexed.id)
    }
}

impl From<BTreeMap<u64, TraceSlot>> for SlotIndex {
    fn from(slots: BTreeMap<u64, TraceSlot>) -> Self {
        let indexed = slots.into_iter().map(|(id, slot)| IndexedSlot { id, slot });
        Self(indexed.collect())
    }
}

impl From<SlotIndex> for BTreeMap<u64, TraceSlot> {
    fn from(index: SlotIndex) -> Self {
        let slots = index.0.into_iter();
        slots.map(|IndexedSlot { id, slot }| (id, slot)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_stored_as_a_map() {
        let mut index = SlotIndex::default();
        for id in [7, 3, 9, 3] {
            index.insert(id, TraceSlot::new(id as usize));
        }
        let stored = serde_json::to_string(&index).unwrap();
        assert_eq!(stored, r#"{"3":3,"7":7,"9":9}"#);
        assert_eq!(serde_json::from_str::<SlotIndex>(&stored).unwrap(), index);
        assert_eq!(index.get(9), Some(TraceSlot::new(9)));
        index.retain(|slot| slot != TraceSlot::new(9));
        assert_eq!(index.get(9), None);
    }
}
