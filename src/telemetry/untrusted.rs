//! Text of a request in the log: bounded, and without characters that could forge a line or a field.

/// The maximum length of such a text in the log, in bytes.
const MAX_LENGTH: usize = 200;

/// Returns text of a request as it may be logged: at most 200 bytes, in which U+FFFD replaces everything but visible ASCII and
/// blanks. `…` marks a text that was cut.
pub fn loggable(text: &[u8]) -> String {
    let visible = |byte: &u8| match byte {
        b' '..=b'~' => char::from(*byte),
        _ => char::REPLACEMENT_CHARACTER,
    };
    let cut = (text.len() > MAX_LENGTH).then_some('…');
    text.iter()
        .take(MAX_LENGTH)
        .map(visible)
        .chain(cut)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn visible_ascii_is_kept() {
        let origin = "https://[::1]:3000";
        assert_eq!(loggable(origin.as_bytes()), origin);
        assert_eq!(loggable(b""), "");
    }

    #[test]
    fn control_characters_and_other_bytes_are_replaced() {
        assert_eq!(
            loggable(b"a\tb\r\nc\x1b[0m"),
            "a\u{fffd}b\u{fffd}\u{fffd}c\u{fffd}[0m"
        );
        assert_eq!(loggable("é".as_bytes()), "\u{fffd}\u{fffd}");
    }

    #[test]
    fn long_text_is_cut() {
        assert_eq!(loggable(&[b'a'; 200]), "a".repeat(200));
        assert_eq!(loggable(&[b'a'; 201]), "a".repeat(200) + "…");
    }
}
