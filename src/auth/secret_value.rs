//! The value of a variable that holds secrets: which secrets it may be, and what may be wrong with it.
//!
//! NextAuth uses a value to the letter, blanks and line breaks included. A comma is part of a secret for NextAuth, and
//! separates secrets for this service, so a value with commas is tried both ways.

use crate::config::{is_blank_or_control, is_line_break};

/// The shortest secret, in bytes, with which a service may listen on an address that other machines reach.
pub(super) const SHORTEST_SECRET: usize = 32;

/// Something in the value that is probably not intended. The secret is used as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SecretFlaw {
    /// The value begins or ends with a line break.
    #[error("has a line break at an end")]
    LineBreakAtEnd,
    /// The value begins or ends with another blank or control character.
    #[error("has a blank at an end")]
    BlankAtEnd,
    /// The value has quotes around it, which `docker --env-file` keeps.
    #[error("has quotes around it")]
    Quoted,
    /// The value has bytes that are not UTF-8, which Node.js reads as U+FFFD.
    #[error("is not UTF-8")]
    NotUtf8,
    /// A part between commas is too short to be used alone.
    #[error("has a part between commas of fewer than 32 bytes, which is not used alone")]
    ShortPart,
}

/// Returns the secrets that a value may be. Without a comma it is one, to the letter. With commas the secrets are, the one
/// that signs new tokens first: each part without the blanks around it, each part with those at either end, and the whole
/// value. Of a value that is long enough, shorter parts are left out: they could be guessed.
pub(super) fn split_list(value: &str) -> Vec<String> {
    if !value.contains(',') {
        return vec![value.to_owned()];
    }
    let trims: [fn(&str) -> &str; 4] = [str::trim, str::trim_start, str::trim_end, to_the_letter];
    let mut secrets: Vec<&str> = Vec::new();
    let mut add = |secret| {
        if !secrets.contains(&secret) {
            secrets.push(secret);
        }
    };
    for trim in trims {
        let parts = value.split(',').filter(|part| !part.trim().is_empty());
        let parts = parts.map(trim).filter(|part| !is_short_part(value, part));
        parts.for_each(&mut add);
    }
    add(value);
    secrets.into_iter().map(str::to_owned).collect()
}

/// Returns what is probably not intended in a value.
pub(super) fn flaws(value: &str) -> Vec<SecretFlaw> {
    let is_at_end =
        |is_match: fn(char) -> bool| value.starts_with(is_match) || value.ends_with(is_match);
    let is_quoted =
        |quote: char| value.len() > 1 && value.starts_with(quote) && value.ends_with(quote);
    let mut parts = value.split(',').map(str::trim);
    let checks = [
        (is_at_end(is_line_break), SecretFlaw::LineBreakAtEnd),
        (
            is_at_end(|char| is_blank_or_control(char) && !is_line_break(char)),
            SecretFlaw::BlankAtEnd,
        ),
        (is_quoted('"') || is_quoted('\''), SecretFlaw::Quoted),
        (value.contains('\u{fffd}'), SecretFlaw::NotUtf8),
        (
            parts.any(|part| !part.is_empty() && is_short_part(value, part)),
            SecretFlaw::ShortPart,
        ),
    ];
    let found = checks.into_iter().filter(|(is_found, _)| *is_found);
    found.map(|(_, flaw)| flaw).collect()
}

fn to_the_letter(part: &str) -> &str {
    part
}

fn is_short_part(value: &str, part: &str) -> bool {
    part.len() < SHORTEST_SECRET && value.len() >= SHORTEST_SECRET
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_without_a_comma_is_one_secret_to_the_letter() {
        for value in ["secret", " secret\n", "\n", "\"secret\""] {
            assert_eq!(split_list(value), [value]);
        }
    }

    #[test]
    fn value_with_commas_is_a_list_and_one_secret() {
        assert_eq!(split_list("new,old"), ["new", "old", "new,old"]);
        assert_eq!(
            split_list("new, old\n"),
            ["new", "old", "old\n", " old", " old\n", "new, old\n"]
        );
        assert_eq!(split_list("one,"), ["one", "one,"]);
        assert_eq!(split_list(" , "), [" , "]);
    }

    #[test]
    fn short_part_of_a_long_value_is_not_a_secret_of_its_own() {
        let long = "a secret of more than thirty-two bytes";
        let list = format!("{long},old");
        assert_eq!(split_list(&list), [long, &list]);
        let halves = "twenty bytes, no more,twenty bytes, no more";
        assert_eq!(split_list(halves), [halves]);
        assert_eq!(flaws(halves), [SecretFlaw::ShortPart]);
    }

    #[test]
    fn unintended_values_are_recognized() {
        for (value, flaw) in [
            ("secret\n", SecretFlaw::LineBreakAtEnd),
            ("secret\r\n", SecretFlaw::LineBreakAtEnd),
            ("\nsecret", SecretFlaw::LineBreakAtEnd),
            ("new,old\n", SecretFlaw::LineBreakAtEnd),
            ("secret ", SecretFlaw::BlankAtEnd),
            ("\tsecret", SecretFlaw::BlankAtEnd),
            ("secret\u{a0}", SecretFlaw::BlankAtEnd),
            ("\u{feff}secret", SecretFlaw::BlankAtEnd),
            ("secret\u{7f}", SecretFlaw::BlankAtEnd),
            ("\"secret\"", SecretFlaw::Quoted),
            ("'secret'", SecretFlaw::Quoted),
            ("secret\u{fffd}", SecretFlaw::NotUtf8),
        ] {
            assert_eq!(flaws(value), [flaw], "{value:?}");
        }
        for value in [
            "secret",
            "new,old",
            "new , old",
            "a secret\nof two lines",
            "\"",
            "k8K/+==",
        ] {
            assert_eq!(flaws(value), [], "{value:?}");
        }
    }
}
