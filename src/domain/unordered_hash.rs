//! Hashes of collections whose order of iteration is not part of their value.

use std::hash::{DefaultHasher, Hash, Hasher};

/// Feeds a hasher with items in any order: equal sets of items have equal hashes.
pub fn hash_unordered<T: Hash>(items: impl Iterator<Item = T>, state: &mut impl Hasher) {
    let (mut count, mut sum) = (0_u64, 0_u64);
    for item in items {
        let mut hasher = DefaultHasher::new();
        item.hash(&mut hasher);
        sum = sum.wrapping_add(hasher.finish());
        count += 1;
    }
    state.write_u64(count);
    state.write_u64(sum);
}
