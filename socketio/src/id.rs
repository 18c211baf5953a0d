//! Random ids for sockets and for connection state recovery.

use rand::Rng;

/// Returns an id that cannot be guessed: 120 random bits as 20 characters of the URL-safe base64 alphabet.
pub fn random_id() -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits = rand::rng().random::<u128>();
    (0..20)
        .map(|index| char::from(ALPHABET[(bits >> (6 * index)) as usize & 63]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_ids_have_twenty_characters_and_differ() {
        let (first, second) = (random_id(), random_id());
        assert_eq!(first.len(), 20);
        assert_ne!(first, second);
    }
}
