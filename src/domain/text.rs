//! Texts that users write: titles, names, emails.

/// Returns the text without the blanks and line ends at both ends, as `String.prototype.trim` of ECMAScript removes them
/// (ECMA-262, `WhiteSpace` and `LineTerminator`). [`str::trim`] differs: it keeps U+FEFF and removes U+0085.
pub fn trim(text: &str) -> &str {
    text.trim_matches(is_blank)
}

/// Returns whether ECMAScript's `trim` removes the character.
pub fn is_blank(c: char) -> bool {
    match c {
        '\u{feff}' => true,
        '\u{85}' => false,
        _ => c.is_whitespace(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trim_removes_exactly_the_characters_that_ecmascript_removes() {
        let ecmascript = [
            0x9..=0xd,
            0x20..=0x20,
            0xa0..=0xa0,
            0x1680..=0x1680,
            0x2000..=0x200a,
            0x2028..=0x2029,
            0x202f..=0x202f,
            0x205f..=0x205f,
            0x3000..=0x3000,
            0xfeff..=0xfeff,
        ];
        for c in '\0'..=char::MAX {
            let is_trimmed = ecmascript.iter().any(|range| range.contains(&(c as u32)));
            assert_eq!(is_blank(c), is_trimmed, "{c:?}");
        }
        assert_eq!(trim("\u{feff} a\u{feff}b\u{3000}\n"), "a\u{feff}b");
        assert_eq!(trim("\u{85}"), "\u{85}");
    }
}
