//! What is known of a vault at a place in its order: all of it when the journal is whole; when it was trimmed, what the
//! events that are kept tell. A member or source that none of them has named yet may be there or not.

use std::collections::HashMap;

use entity::vault;

use crate::domain::Role;

use super::payload;

/// What is known of one member.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    pub role: Role,
    /// Where the journal last spoke of it; 0 for the first owner.
    pub seq: i64,
    /// None when that was trimmed.
    pub created_at: Option<i64>,
    pub updated_at: Option<i64>,
}

/// What is known of one source.
#[derive(Debug)]
pub(super) struct Source {
    pub is: payload::Source,
    /// Place and time of the event that made it so.
    pub seq: i64,
    pub updated_at: i64,
    /// Place and time of the event that created it; none when that was trimmed.
    pub created: Option<(i64, i64)>,
}

/// Where a thing stands.
#[derive(Debug)]
pub(super) enum Standing<T> {
    Here(T),
    Gone,
    /// What was trimmed might tell.
    Unknown,
}

/// Things by id.
#[derive(Debug)]
pub(super) struct Things<T> {
    /// None for what is gone, which is noted only where others are unknown.
    named: HashMap<String, Option<T>>,
    unknown: bool,
}

impl<T> Things<T> {
    fn none() -> Self {
        Self {
            named: HashMap::new(),
            unknown: false,
        }
    }

    fn unknown() -> Self {
        Self {
            named: HashMap::new(),
            unknown: true,
        }
    }

    /// Where it stands.
    pub(super) fn standing(&self, id: &str) -> Standing<&T> {
        match self.named.get(id) {
            Some(Some(thing)) => Standing::Here(thing),
            None if self.unknown => Standing::Unknown,
            Some(None) | None => Standing::Gone,
        }
    }

    /// From now on it is there, and so.
    pub(super) fn put(&mut self, id: &str, thing: T) {
        self.named.insert(id.to_owned(), Some(thing));
    }

    /// From now on it is gone.
    pub(super) fn remove(&mut self, id: &str) {
        if self.unknown {
            self.named.insert(id.to_owned(), None);
        } else {
            self.named.remove(id);
        }
    }

    /// From now on there is none.
    pub(super) fn clear(&mut self) {
        *self = Self::none();
    }

    /// Whether every one is known.
    pub(super) fn is_whole(&self) -> bool {
        !self.unknown
    }

    /// Gives out what is known of it, once.
    pub(super) fn take(&mut self, id: &str) -> Standing<T> {
        match self.named.remove(id) {
            Some(Some(thing)) => Standing::Here(thing),
            None if self.unknown => Standing::Unknown,
            Some(None) => {
                self.named.insert(id.to_owned(), None);
                Standing::Gone
            }
            None => Standing::Gone,
        }
    }

    /// Those that are known to be there.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.named
            .iter()
            .filter_map(|(id, thing)| thing.as_ref().map(|thing| (id.as_str(), thing)))
    }
}

/// What is known of a vault.
#[derive(Debug)]
pub(super) struct State {
    /// Its name, and since when; none when that was trimmed.
    pub named: Option<(String, i64)>,
    /// When it was deleted.
    pub deleted_at: Option<i64>,
    pub members: Things<Member>,
    pub sources: Things<Source>,
}

impl State {
    /// As it was created: the first owner has no event of his own.
    pub(super) fn new(row: &vault::Model) -> Self {
        let owner = Member {
            role: Role::Owner,
            seq: 0,
            created_at: Some(row.created_at),
            updated_at: Some(row.created_at),
        };
        let mut members = Things::none();
        members.put(&row.created_by, owner);
        Self {
            named: Some((row.created_name.clone(), row.created_at)),
            deleted_at: None,
            members,
            sources: Things::none(),
        }
    }

    /// Before the first event that is kept.
    pub(super) fn trimmed() -> Self {
        Self {
            named: None,
            deleted_at: None,
            members: Things::unknown(),
            sources: Things::unknown(),
        }
    }

    /// The vault is no more.
    pub(super) fn delete(&mut self, at: i64) {
        self.deleted_at = Some(at);
        self.members.clear();
        self.sources.clear();
    }
}
