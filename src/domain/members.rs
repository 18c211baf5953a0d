//! The members of one vault, packed: a loaded vault may have thousands, and each batch is decided on a copy.
//!
//! The ids stand in one text, sorted, and each entry knows where its id ends. So a member costs its id and 16 bytes, a copy is
//! two copies of memory, and a search is binary. Adding or removing a member moves what follows it, which takes
//! microseconds for ten thousand members.

use super::{
    ids::{USER_ID_LENGTH, UserId},
    member::Membership,
    role::Role,
    time::Timestamp,
};

/// The members of one vault, in the order of their ids.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Members {
    /// The ids, one after the other. They are ASCII.
    ids: String,
    entries: Vec<MemberEntry>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct MemberEntry {
    created_at: Timestamp,
    /// Where the id ends in the text. The next one begins there.
    id_end: u32,
    role: Role,
}

/// The most members of a vault: the ends of their ids fit into 32 bits.
const MAX_MEMBERS: usize = u32::MAX as usize / *USER_ID_LENGTH.end();

impl MemberEntry {
    fn new(membership: Membership, id_end: u32) -> Self {
        let Membership { role, created_at } = membership;
        Self {
            created_at,
            id_end,
            role,
        }
    }

    fn membership(self) -> Membership {
        Membership {
            role: self.role,
            created_at: self.created_at,
        }
    }
}

impl Members {
    /// Returns the membership of a user.
    pub fn get(&self, user: &UserId) -> Option<Membership> {
        let index = self.find(user).ok()?;
        Some(self.entries[index].membership())
    }

    /// Returns the memory of the members.
    pub fn bytes(&self) -> usize {
        self.ids.capacity() + self.entries.capacity() * size_of::<MemberEntry>()
    }

    /// Returns whether a user is a member.
    pub fn contains(&self, user: &UserId) -> bool {
        self.find(user).is_ok()
    }

    /// Adds a user as a member, or replaces their membership.
    ///
    /// # Panics
    /// If the vault has more than 33 million members.
    pub fn insert(&mut self, user: &UserId, membership: Membership) {
        match self.find(user) {
            Ok(index) => {
                let id_end = self.entries[index].id_end;
                self.entries[index] = MemberEntry::new(membership, id_end);
            }
            Err(index) => {
                assert!(self.entries.len() < MAX_MEMBERS, "too many members");
                let (start, length) = (self.id_start(index), id_length(user));
                self.ids.insert_str(start as usize, user.as_str());
                let entry = MemberEntry::new(membership, start + length);
                self.entries.insert(index, entry);
                for entry in &mut self.entries[index + 1..] {
                    entry.id_end += length;
                }
            }
        }
    }

    /// Removes a member.
    pub fn remove(&mut self, user: &UserId) {
        let Ok(index) = self.find(user) else {
            return;
        };
        let (start, length) = (self.id_start(index), id_length(user));
        let MemberEntry { id_end, .. } = self.entries.remove(index);
        self.ids.replace_range(start as usize..id_end as usize, "");
        for entry in &mut self.entries[index..] {
            entry.id_end -= length;
        }
    }

    /// Returns the number of members.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns whether there is no member. Only a deleted vault has none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the members in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Membership)> {
        (self.entries.iter().enumerate()).map(|(index, entry)| (self.id(index), entry.membership()))
    }

    /// Returns the position of a user, or the one where the user belongs.
    fn find(&self, user: &UserId) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.entries.len());
        while low < high {
            let middle = low.midpoint(high);
            match self.id(middle).cmp(user.as_str()) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return Ok(middle),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }

    fn id(&self, index: usize) -> &str {
        let end = self.entries[index].id_end;
        &self.ids[self.id_start(index) as usize..end as usize]
    }

    fn id_start(&self, index: usize) -> u32 {
        match index.checked_sub(1) {
            Some(before) => self.entries[before].id_end,
            None => 0,
        }
    }
}

fn id_length(user: &UserId) -> u32 {
    // A user id has at most 128 bytes.
    user.as_str().len() as u32
}

impl FromIterator<(UserId, Membership)> for Members {
    /// Collects members in any order. Of two memberships of one user the later one counts.
    fn from_iter<T: IntoIterator<Item = (UserId, Membership)>>(members: T) -> Self {
        let mut sorted: Vec<_> = members.into_iter().collect();
        // Stable, so that of equal ids the last one remains last.
        sorted.sort_by(|(one, _), (other, _)| one.cmp(other));
        let text = sorted.iter().map(|(user, _)| user.as_str().len()).sum();
        let mut collected = Self {
            ids: String::with_capacity(text),
            entries: Vec::with_capacity(sorted.len()),
        };
        for (user, membership) in &sorted {
            collected.insert(user, membership.to_owned());
        }
        collected
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn user() -> impl Strategy<Value = UserId> {
        "[a-c]{1,3}".prop_map(|text| UserId::new(text).unwrap())
    }

    fn membership(created_at: i64) -> Membership {
        Membership {
            role: Role::ALL[created_at as usize % 3],
            created_at: Timestamp(created_at),
        }
    }

    fn content(members: &Members) -> Vec<(String, Membership)> {
        let owned = |(user, membership): (&str, Membership)| (user.to_owned(), membership);
        members.iter().map(owned).collect()
    }

    proptest! {
        #[test]
        fn members_are_a_map_of_users(
            steps in prop::collection::vec((user(), any::<bool>(), 0..100_i64), 0..100)
        ) {
            let (mut members, mut expected) = (Members::default(), BTreeMap::new());
            for (user, is_added, time) in steps {
                if is_added {
                    members.insert(&user, membership(time));
                    expected.insert(user.clone(), membership(time));
                } else {
                    members.remove(&user);
                    expected.remove(&user);
                }
                prop_assert_eq!(members.get(&user), expected.get(&user).copied());
                prop_assert_eq!(members.contains(&user), expected.contains_key(&user));
                prop_assert_eq!(members.len(), expected.len());
                prop_assert_eq!(members.is_empty(), expected.is_empty());
            }
            let listed: Vec<_> = expected.iter().map(|(user, m)| (user.to_string(), *m)).collect();
            prop_assert_eq!(content(&members), listed);
            let collected: Members = expected.into_iter().rev().collect();
            prop_assert_eq!(collected, members);
        }
    }

    #[test]
    fn three_thousand_members_need_less_than_an_eighth_of_a_megabyte() {
        let id = |n| UserId::new(format!("cm3k2j1p50000{n:012}")).unwrap();
        let members: Members = (0..3000).map(|n| (id(n), membership(n))).collect();
        let bytes = members.ids.capacity() + members.entries.capacity() * size_of::<MemberEntry>();
        assert!(bytes < (1 << 20) / 8, "{bytes}");
    }
}
