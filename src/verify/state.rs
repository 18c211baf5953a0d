//! The state of a vault as far as the replayed events show it.
//!
//! When the journal is complete, the whole state is known. When it was trimmed, only those members and sources are known
//! that the remaining events name; others may or may not exist.

use std::collections::HashMap;

use entity::vault;

use crate::domain::Role;

use super::payload::ParsedSource;

/// The known state of a member.
#[derive(Clone, Copy, Debug)]
pub(super) struct MemberState {
    pub role: Role,
    /// The seq of the last event that named the member; 0 for the first owner.
    pub seq: i64,
    /// `None` when the event was trimmed.
    pub created_at: Option<i64>,
    /// `None` when the event was trimmed.
    pub updated_at: Option<i64>,
}

/// The known state of a source.
#[derive(Debug)]
pub(super) struct SourceState {
    pub content: ParsedSource,
    pub updated: EventRef,
    /// `None` when the event was trimmed.
    pub created: Option<EventRef>,
}

/// The seq and the time of an event.
#[derive(Clone, Copy, Debug)]
pub(super) struct EventRef {
    pub seq: i64,
    pub at: i64,
}

/// The name of a vault and the time when it was given.
#[derive(Debug)]
pub(super) struct VaultName {
    pub name: String,
    pub since: i64,
}

/// Whether an object exists, as far as the events show.
#[derive(Debug)]
pub(super) enum Presence<T> {
    Present(T),
    Absent,
    /// A trimmed event may have created or removed the object.
    Unknown,
}

/// Objects by id.
#[derive(Debug)]
pub(super) struct TrackedObjects<T> {
    /// `None` for an object that was removed; recorded only when the events are incomplete.
    objects: HashMap<String, Option<T>>,
    events: EventCoverage,
}

/// Whether the replayed events include the creation of all objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EventCoverage {
    Complete,
    Trimmed,
}

impl<T> TrackedObjects<T> {
    fn new(events: EventCoverage) -> Self {
        Self {
            objects: HashMap::new(),
            events,
        }
    }

    /// Looks an object up.
    pub(super) fn get(&self, id: &str) -> Presence<&T> {
        match self.objects.get(id) {
            Some(Some(object)) => Presence::Present(object),
            None if self.events == EventCoverage::Trimmed => Presence::Unknown,
            Some(None) | None => Presence::Absent,
        }
    }

    /// Sets the state of an object.
    pub(super) fn insert(&mut self, id: &str, object: T) {
        self.objects.insert(id.to_owned(), Some(object));
    }

    /// Removes an object.
    pub(super) fn remove(&mut self, id: &str) {
        match self.events {
            EventCoverage::Complete => drop(self.objects.remove(id)),
            EventCoverage::Trimmed => drop(self.objects.insert(id.to_owned(), None)),
        }
    }

    /// Removes all objects, including unknown ones.
    pub(super) fn clear(&mut self) {
        *self = Self::new(EventCoverage::Complete);
    }

    /// Returns whether all objects are known.
    pub(super) fn is_complete(&self) -> bool {
        self.events == EventCoverage::Complete
    }

    /// Looks an object up and removes its state.
    pub(super) fn take(&mut self, id: &str) -> Presence<T> {
        match self.objects.remove(id) {
            Some(Some(object)) => Presence::Present(object),
            None if self.events == EventCoverage::Trimmed => Presence::Unknown,
            Some(None) => {
                self.objects.insert(id.to_owned(), None);
                Presence::Absent
            }
            None => Presence::Absent,
        }
    }

    /// Iterates over the objects that are known to exist.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.objects
            .iter()
            .filter_map(|(id, object)| object.as_ref().map(|object| (id.as_str(), object)))
    }
}

/// The known state of a vault.
#[derive(Debug)]
pub(super) struct ReplayedState {
    /// `None` when the event that gave the name was trimmed.
    pub name: Option<VaultName>,
    pub deleted_at: Option<i64>,
    pub members: TrackedObjects<MemberState>,
    pub sources: TrackedObjects<SourceState>,
}

impl ReplayedState {
    /// Returns the state of a new vault. Its first owner has no event.
    pub(super) fn new(row: &vault::Model) -> Self {
        let owner = MemberState {
            role: Role::Owner,
            seq: 0,
            created_at: Some(row.created_at),
            updated_at: Some(row.created_at),
        };
        let mut members = TrackedObjects::new(EventCoverage::Complete);
        members.insert(&row.created_by, owner);
        Self {
            name: Some(VaultName {
                name: row.created_name.clone(),
                since: row.created_at,
            }),
            deleted_at: None,
            members,
            sources: TrackedObjects::new(EventCoverage::Complete),
        }
    }

    /// Returns the unknown state before the first event of a trimmed journal.
    pub(super) fn trimmed() -> Self {
        Self {
            name: None,
            deleted_at: None,
            members: TrackedObjects::new(EventCoverage::Trimmed),
            sources: TrackedObjects::new(EventCoverage::Trimmed),
        }
    }

    /// Marks the vault as deleted.
    pub(super) fn delete(&mut self, at: i64) {
        self.deleted_at = Some(at);
        self.members.clear();
        self.sources.clear();
    }
}
