//! Characters that a value rarely has at its ends on purpose: `echo`, editors and files with secrets add them.

/// Returns whether the character ends a line.
pub fn is_line_break(char: char) -> bool {
    matches!(char, '\n' | '\r')
}

/// Returns whether the character is a blank, a line break, a byte order mark or a control character.
pub fn is_blank_or_control(char: char) -> bool {
    char.is_whitespace() || char.is_control() || char == '\u{feff}'
}
