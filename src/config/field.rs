//! Readers and writers for the value of a single key: its type, its range, and one error message.
//!
//! The sections name them beside their fields (`deserialize_with`, `serialize_with`), so that the range of a key is
//! written where the key is. An error reads `0 is not a whole number from 1 to 10000`; the caller adds the key and
//! the place where it was set.

use std::fmt::Display;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use figment::error::Actual;
use figment::value::Value;
use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::Serializer;

use super::blanks::{is_blank_or_control, is_line_break};
use super::database_url::without_password;

/// The number of bytes in a gibibyte.
pub(super) const MEBIBYTE: u64 = 1 << 20;
pub(super) const GIBIBYTE: u64 = 1 << 30;
pub(super) const TEBIBYTE: u64 = 1 << 40;

/// The maximum of most counts. No queue needs more, and a semaphore can count more.
pub(super) const MILLION: u64 = 1_000_000;

/// A day in milliseconds: the maximum of most durations. Sums of durations cannot overflow, and a client's timer of 31
/// bits can hold the value.
pub(super) const DAY_MS: u64 = 24 * 60 * 60 * 1000;

const ACCEPTED_ADDRESS: &str = r#"an address and a port, such as "127.0.0.1:3000""#;

/// Reads a whole number in `MIN..=MAX`.
pub(super) fn read_integer<'de, const MIN: u64, const MAX: u64, T, D>(
    from: D,
) -> Result<T, D::Error>
where
    T: TryFrom<u64>,
    D: Deserializer<'de>,
{
    let found = read_any(from)?;
    integer(&found)
        .and_then(|number| u64::try_from(number).ok())
        .filter(|number| (MIN..=MAX).contains(number))
        .and_then(|number| T::try_from(number).ok())
        .ok_or_else(|| invalid(&found, format_args!("a whole number from {MIN} to {MAX}")))
}

/// Reads `true` or `false`.
pub(super) fn read_boolean<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    let found = read_any(from)?;
    found
        .to_bool()
        .ok_or_else(|| invalid(&found, "true or false"))
}

/// Reads a duration with its unit, in `MIN..=MAX` milliseconds.
pub(super) fn read_duration<'de, const MIN: u64, const MAX: u64, D>(
    from: D,
) -> Result<Duration, D::Error>
where
    D: Deserializer<'de>,
{
    let [min, max] = [MIN, MAX].map(Duration::from_millis);
    let found = read_any(from)?;
    found
        .as_str()
        .and_then(|text| humantime::parse_duration(text).ok())
        .filter(|duration| (min..=max).contains(duration))
        .ok_or_else(|| {
            let [min, max] = [min, max].map(humantime::format_duration);
            invalid(
                &found,
                format_args!(r#"a duration from "{min}" to "{max}", with its unit"#),
            )
        })
}

/// Writes a duration in the form that [`read_duration`] reads.
pub(super) fn write_duration<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&humantime::format_duration(*duration))
}

/// Reads a string that `T` parses. The error of `T` names what is accepted.
pub(super) fn read_string<'de, T, D>(from: D) -> Result<T, D::Error>
where
    T: FromStr<Err = &'static str>,
    D: Deserializer<'de>,
{
    parse(&read_any(from)?)
}

/// Reads a list of strings that `T` parses.
pub(super) fn read_string_list<'de, T, D>(from: D) -> Result<Vec<T>, D::Error>
where
    T: FromStr<Err = &'static str>,
    D: Deserializer<'de>,
{
    let found = read_any(from)?;
    let items = found
        .as_array()
        .ok_or_else(|| invalid(&found, r#"a list, such as ["a", "b"]"#))?;
    items.iter().map(parse).collect()
}

/// Reads a list of one or more strings that `T` parses.
pub(super) fn read_nonempty_string_list<'de, T, D>(from: D) -> Result<Vec<T>, D::Error>
where
    T: FromStr<Err = &'static str>,
    D: Deserializer<'de>,
{
    let items = read_string_list(from)?;
    if items.is_empty() {
        Err(D::Error::custom("[] is not a list with at least one item"))
    } else {
        Ok(items)
    }
}

/// Reads a list of exactly `N` strings that `T` parses.
pub(super) fn read_string_array<'de, const N: usize, T, D>(from: D) -> Result<[T; N], D::Error>
where
    T: FromStr<Err = &'static str>,
    D: Deserializer<'de>,
{
    let items: Vec<T> = read_string_list(from)?;
    let count = items.len();
    let wrong_count =
        |_| D::Error::custom(format_args!("expected a list of {N} items, found {count}"));
    items.try_into().map_err(wrong_count)
}

/// Reads a string that `T` parses, or `""` for `None`.
pub(super) fn read_optional_string<'de, T, D>(from: D) -> Result<Option<T>, D::Error>
where
    T: FromStr<Err = &'static str>,
    D: Deserializer<'de>,
{
    let found = read_any(from)?;
    match found.as_str() {
        Some("") => Ok(None),
        _ => parse(&found).map(Some),
    }
}

/// Reads an address with a port.
pub(super) fn read_socket_address<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<SocketAddr, D::Error> {
    let found = read_any(from)?;
    found
        .as_str()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| invalid(&found, ACCEPTED_ADDRESS))
}

/// Reads an address with a port, or `""` for `None`.
pub(super) fn read_optional_socket_address<'de, D>(from: D) -> Result<Option<SocketAddr>, D::Error>
where
    D: Deserializer<'de>,
{
    let found = read_any(from)?;
    match found.as_str() {
        Some("") => Ok(None),
        Some(text) if let Ok(address) = text.parse() => Ok(Some(address)),
        _ => Err(invalid(
            &found,
            format_args!(r#"{ACCEPTED_ADDRESS}, or "" for none"#),
        )),
    }
}

/// Writes an optional value in the form that [`read_optional_socket_address`] and [`read_optional_string`] read.
pub(super) fn write_optional<T: Display, S: Serializer>(
    value: &Option<T>,
    to: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => to.collect_str(value),
        None => to.serialize_str(""),
    }
}

/// Reads a value of any type, so that an error message can display it.
fn read_any<'de, D: Deserializer<'de>>(from: D) -> Result<Value, D::Error> {
    let value = <Value as Deserialize>::deserialize(from)?;
    match flawed_text(&value) {
        Some((text, flaw)) => Err(D::Error::custom(format_args!("{text} {flaw}"))),
        None => Ok(value),
    }
}

/// Returns the first text in a value that is probably not as intended, for display, and what is wrong with it.
fn flawed_text(value: &Value) -> Option<(String, &'static str)> {
    match value {
        Value::String(_, text) => Some((display_value(value), flaw(text)?)),
        Value::Array(_, items) => items.iter().find_map(flawed_text),
        _ => None,
    }
}

/// Returns what is probably not intended in a text: blanks at an end, as `echo` and files with secrets add them, or control
/// characters.
fn flaw(text: &str) -> Option<&'static str> {
    let has_control = || text.contains(char::is_control);
    let problem = "contains a control character: remove it";
    flaw_at_end(text).or_else(|| has_control().then_some(problem))
}

/// Returns what is probably not intended at the ends of a text.
pub(super) fn flaw_at_end(text: &str) -> Option<&'static str> {
    let ends = || {
        text.chars()
            .next()
            .into_iter()
            .chain(text.chars().next_back())
    };
    if ends().any(is_line_break) {
        Some("begins or ends with a line break: remove it")
    } else if ends().any(is_blank_or_control) {
        Some("begins or ends with a blank or a control character: remove it")
    } else {
        None
    }
}

fn parse<T: FromStr<Err = &'static str>, E: Error>(found: &Value) -> Result<T, E> {
    // A value that is not a string gets the error of the empty string, which no `T` here accepts.
    found
        .as_str()
        .unwrap_or_default()
        .parse()
        .map_err(|accepted| invalid(found, accepted))
}

fn invalid<E: Error>(found: &Value, accepted: impl Display) -> E {
    E::custom(format_args!("{} is not {accepted}", display_value(found)))
}

/// Returns a whole number of either sign. figment stores numbers from TOML as signed, those of variables as unsigned.
fn integer(value: &Value) -> Option<i128> {
    match value.to_actual() {
        Actual::Unsigned(number) => i128::try_from(number).ok(),
        Actual::Signed(number) => Some(number),
        _ => None,
    }
}

/// Returns a value in the syntax of the file, in one line and without a password.
pub(super) fn display_value(value: &Value) -> String {
    match value {
        Value::String(_, text) => format!("{:?}", without_password(text)),
        Value::Char(_, char) => format!("{:?}", char.to_string()),
        Value::Bool(_, flag) => flag.to_string(),
        Value::Num(_, number) => match number.to_actual() {
            Actual::Unsigned(number) => number.to_string(),
            Actual::Signed(number) => number.to_string(),
            Actual::Float(number) => number.to_string(),
            other => other.to_string(),
        },
        Value::Array(_, items) => {
            format!(
                "[{}]",
                items
                    .iter()
                    .map(display_value)
                    .collect::<Vec<_>>()
                    .join(", ")
            )
        }
        Value::Dict(..) => "a table".to_owned(),
        Value::Empty(..) => "nothing".to_owned(),
    }
}
