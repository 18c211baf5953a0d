//! Frees the memory of a table most of whose entries have been removed. A `HashMap` does not shrink by itself.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash},
};

/// A table of this capacity is not shrunk.
const RETAINED_CAPACITY: usize = 1024;

/// Shrinks a table of which less than an eighth is used to twice what is used. Called after each removal, it costs little:
/// most of the table was removed since the last time.
pub fn shrink_if_sparse<K: Eq + Hash, V, S: BuildHasher>(table: &mut HashMap<K, V, S>) {
    if table.capacity() > RETAINED_CAPACITY && table.len() < table.capacity() / 8 {
        table.shrink_to(2 * table.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_shrinks_with_its_entries_and_keeps_the_others() {
        let mut table: HashMap<_, _> = (0..100_000).map(|key| (key, key)).collect();
        for key in 10..100_000 {
            table.remove(&key);
            shrink_if_sparse(&mut table);
        }
        assert!(
            table.capacity() <= RETAINED_CAPACITY,
            "{}",
            table.capacity()
        );
        assert!((0..10).all(|key| table.get(&key) == Some(&key)));
        assert_eq!(table.len(), 10);
    }
}
