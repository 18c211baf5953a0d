//! How a single value is read: its form and its range, and one sentence for everything that does
//! not fit.
//!
//! The functions are named in [`sections`](super::sections) beside the fields they read
//! (`deserialize_with`), so that a key's range stands where the key does. A refusal reads `0 is not
//! a whole number from 1 to 10000`; the key's name and its origin are put around it by whoever
//! reports it.

use std::fmt::Display;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use figment::error::Actual;
use figment::value::Value;
use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::Serializer;

use super::database_url::without_password;

/// A day in milliseconds: the upper bound of most durations. It keeps every sum of times far from
/// overflow, and every timer of a client within its 31 bits.
pub(super) const DAY: u64 = 24 * 60 * 60 * 1000;

const ADDRESS: &str = r#"an address and a port, such as "127.0.0.1:3000""#;

/// Reads a whole number within `MIN..=MAX`.
pub(super) fn whole<'de, const MIN: u64, const MAX: u64, T, D>(from: D) -> Result<T, D::Error>
where
    T: TryFrom<u64>,
    D: Deserializer<'de>,
{
    let found = any(from)?;
    integer(&found)
        .and_then(|number| u64::try_from(number).ok())
        .filter(|number| (MIN..=MAX).contains(number))
        .and_then(|number| T::try_from(number).ok())
        .ok_or_else(|| refused(&found, format_args!("a whole number from {MIN} to {MAX}")))
}

/// Reads `true` or `false`.
pub(super) fn flag<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    let found = any(from)?;
    found
        .to_bool()
        .ok_or_else(|| refused(&found, "true or false"))
}

/// Reads a duration with its unit, within `MIN..=MAX` milliseconds.
pub(super) fn duration<'de, const MIN: u64, const MAX: u64, D>(
    from: D,
) -> Result<Duration, D::Error>
where
    D: Deserializer<'de>,
{
    let [min, max] = [MIN, MAX].map(Duration::from_millis);
    let found = any(from)?;
    found
        .as_str()
        .and_then(|text| humantime::parse_duration(text).ok())
        .filter(|duration| (min..=max).contains(duration))
        .ok_or_else(|| {
            let [min, max] = [min, max].map(humantime::format_duration);
            refused(
                &found,
                format_args!(r#"a duration from "{min}" to "{max}", with its unit"#),
            )
        })
}

/// Writes a duration as [`duration`] reads it.
pub(super) fn spelled<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&humantime::format_duration(*duration))
}

/// Reads what has one text form; the error of `T` says what is allowed.
pub(super) fn text<'de, T, D>(from: D) -> Result<T, D::Error>
where
    T: FromStr<Err = &'static str>,
    D: Deserializer<'de>,
{
    parse(&any(from)?)
}

/// Reads a list of what [`text`] reads.
pub(super) fn texts<'de, T, D>(from: D) -> Result<Vec<T>, D::Error>
where
    T: FromStr<Err = &'static str>,
    D: Deserializer<'de>,
{
    let found = any(from)?;
    let items = found
        .as_array()
        .ok_or_else(|| refused(&found, r#"a list, such as ["a", "b"]"#))?;
    items.iter().map(parse).collect()
}

/// Reads a list of what [`text`] reads, with at least one item.
pub(super) fn some_texts<'de, T, D>(from: D) -> Result<Vec<T>, D::Error>
where
    T: FromStr<Err = &'static str>,
    D: Deserializer<'de>,
{
    let items = texts(from)?;
    if items.is_empty() {
        Err(D::Error::custom("[] is not a list with at least one item"))
    } else {
        Ok(items)
    }
}

/// Reads a list of exactly `N` of what [`text`] reads.
pub(super) fn so_many<'de, const N: usize, T, D>(from: D) -> Result<[T; N], D::Error>
where
    T: FromStr<Err = &'static str>,
    D: Deserializer<'de>,
{
    let items: Vec<T> = texts(from)?;
    let found = items.len();
    let wrong = |_| D::Error::custom(format_args!("a list of {N} is needed, not of {found}"));
    items.try_into().map_err(wrong)
}

/// Reads what [`text`] reads, or `""` for none.
pub(super) fn optional_text<'de, T, D>(from: D) -> Result<Option<T>, D::Error>
where
    T: FromStr<Err = &'static str>,
    D: Deserializer<'de>,
{
    let found = any(from)?;
    match found.as_str() {
        Some("") => Ok(None),
        _ => parse(&found).map(Some),
    }
}

/// Reads an address with its port.
pub(super) fn address<'de, D: Deserializer<'de>>(from: D) -> Result<SocketAddr, D::Error> {
    let found = any(from)?;
    found
        .as_str()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| refused(&found, ADDRESS))
}

/// Reads an address with its port, or `""` for none.
pub(super) fn optional_address<'de, D>(from: D) -> Result<Option<SocketAddr>, D::Error>
where
    D: Deserializer<'de>,
{
    let found = any(from)?;
    match found.as_str() {
        Some("") => Ok(None),
        Some(text) if let Ok(address) = text.parse() => Ok(Some(address)),
        _ => Err(refused(
            &found,
            format_args!(r#"{ADDRESS}, or "" for none"#),
        )),
    }
}

/// Writes what there is as [`optional_address`] and [`optional_text`] read it.
pub(super) fn or_empty<T: Display, S: Serializer>(
    value: &Option<T>,
    to: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => to.collect_str(value),
        None => to.serialize_str(""),
    }
}

/// Reads whatever there is, so that a refusal can show it.
fn any<'de, D: Deserializer<'de>>(from: D) -> Result<Value, D::Error> {
    <Value as Deserialize>::deserialize(from)
}

fn parse<T: FromStr<Err = &'static str>, E: Error>(found: &Value) -> Result<T, E> {
    // What is no text at all is refused like the empty text, which no form of text here allows.
    found
        .as_str()
        .unwrap_or_default()
        .parse()
        .map_err(|allowed| refused(found, allowed))
}

fn refused<E: Error>(found: &Value, allowed: impl Display) -> E {
    E::custom(format_args!("{} is not {allowed}", shown(found)))
}

/// The number, however figment came to store it: TOML's are signed, the environment's are not.
fn integer(value: &Value) -> Option<i128> {
    match value.to_actual() {
        Actual::Unsigned(number) => i128::try_from(number).ok(),
        Actual::Signed(number) => Some(number),
        _ => None,
    }
}

/// A value as its author wrote it, in one line and without a password.
pub(super) fn shown(value: &Value) -> String {
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
                items.iter().map(shown).collect::<Vec<_>>().join(", ")
            )
        }
        Value::Dict(..) => "a table".to_owned(),
        Value::Empty(..) => "nothing".to_owned(),
    }
}
