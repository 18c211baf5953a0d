//! Text from users and services in a form that is safe to print on a terminal.

use std::fmt::{self, Write};

/// A text in which characters that could change the terminal or the order of the line are escaped, as in `\u{1b}`.
pub(super) struct Printable<'a>(pub &'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| {
            if is_unsafe(c) {
                write!(f, "{}", c.escape_unicode())
            } else {
                f.write_char(c)
            }
        })
    }
}

/// Returns whether a character controls the terminal, breaks the line, or changes the direction of text (Unicode's
/// `Bidi_Control`, `Line_Separator`, `Paragraph_Separator`, deprecated format characters and tags).
pub(super) fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_all_languages_are_printed_as_they_are() {
        for text in [
            "Zoë \"quoted\" \\",
            "e\u{301}tude",
            "हिन्दी",
            "日本語",
            "عربي",
            "👩‍👩‍👧",
        ] {
            assert_eq!(Printable(text).to_string(), text);
        }
    }
}
