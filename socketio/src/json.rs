//! Reads JSON as JavaScript clients write it.
//!
//! JSON's grammar allows more than serde_json accepts: escapes of unpaired surrogates, numbers of any size and any
//! nesting. Such text is valid, so it must not end a connection, least of all in a field that the application ignores.
//! The functions here replace what a [`Value`] cannot hold and keep the rest:
//!
//! - An unpaired surrogate (`"\ud83d"`, which `String.prototype.slice` leaves of an emoji) becomes U+FFFD.
//! - A number beyond the range of an `f64` becomes `1e308` or `-1e308`.
//! - An array or object that is nested more than [`MAX_LEVELS`] levels deep becomes `null`.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Error, Map, Number, Value};

/// The levels of nesting that are kept at least. serde_json reads one level more before it reports an error.
const MAX_LEVELS: usize = 126;

/// The characters of a code unit's escape, such as `\u0041`.
const ESCAPE_LENGTH: usize = 6;

/// Reads one JSON value.
///
/// # Errors
/// If `text` is not JSON.
pub fn from_str(text: &str) -> Result<Value, Error> {
    serde_json::from_str(text).or_else(|_| read_repaired(text))
}

/// Reads one JSON value from UTF-8 bytes.
///
/// # Errors
/// If `bytes` are not JSON in UTF-8.
pub fn from_slice(bytes: &[u8]) -> Result<Value, Error> {
    serde_json::from_slice(bytes).or_else(|error| {
        let text = std::str::from_utf8(bytes).map_err(|_| error)?;
        read_repaired(text)
    })
}

/// Reads the first JSON value of `text`, whatever follows it.
pub(crate) fn first_value(text: &str) -> Option<Value> {
    let first = |text: &str| {
        let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
        values.next()?.ok()
    };
    first(text).or_else(|| first(&repair(text)))
}

fn read_repaired(text: &str) -> Result<Value, Error> {
    let repaired = repair(text);
    let mut deserializer = serde_json::Deserializer::from_str(&repaired);
    let value = PrunedValue { level: 0 }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// Replaces unpaired surrogates and numbers out of range. Other text, also if it is not JSON, is unchanged.
fn repair(text: &str) -> String {
    let mut repaired = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| matches!(c, '"' | '-' | '0'..='9')) {
        let (before, token) = rest.split_at(at);
        repaired.push_str(before);
        rest = match token.strip_prefix('"') {
            Some(content) => {
                repaired.push('"');
                repair_string(content, &mut repaired)
            }
            None => repair_number(token, &mut repaired),
        };
    }
    repaired.push_str(rest);
    repaired
}

/// Repairs the string that `text` begins with, behind its opening quote, and returns the text behind the string.
fn repair_string<'a>(text: &'a str, repaired: &mut String) -> &'a str {
    let mut rest = text;
    while let Some(at) = rest.find(['"', '\\']) {
        let (before, escape) = rest.split_at(at);
        repaired.push_str(before);
        let (replacement, length) = match (code_unit(escape), code_unit_behind(escape)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => (None, 2 * ESCAPE_LENGTH),
            (Some(0xd800..=0xdfff), _) => (Some(r"\ufffd"), ESCAPE_LENGTH),
            (Some(_), _) => (None, ESCAPE_LENGTH),
            (None, _) if escape.starts_with('"') => (None, 1),
            // The escaped character may be a quote or a backslash.
            (None, _) => (None, escape.chars().take(2).map(char::len_utf8).sum()),
        };
        let (token, behind) = escape.split_at(length);
        repaired.push_str(replacement.unwrap_or(token));
        rest = behind;
        if token == "\"" {
            return rest;
        }
    }
    repaired.push_str(rest);
    ""
}

/// Returns the code unit of the escape that `text` begins with, such as `\ud83d`.
fn code_unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix(r"\u")?.get(..4)?;
    let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_hex.then(|| u16::from_str_radix(digits, 16).ok())?
}

/// Returns the code unit of the second escape in `text`.
fn code_unit_behind(text: &str) -> Option<u16> {
    code_unit(text.get(ESCAPE_LENGTH..)?)
}

/// Repairs the number that `text` begins with, and returns the text behind it.
fn repair_number<'a>(text: &'a str, repaired: &mut String) -> &'a str {
    let is_part = |c: char| matches!(c, '0'..='9' | '-' | '+' | '.' | 'e' | 'E');
    let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    let value = number.parse::<f64>();
    // JSON allows fewer notations than Rust.
    let is_json = || serde_json::from_str::<IgnoredAny>(number).is_ok();
    repaired.push_str(match value {
        Ok(f64::INFINITY) if is_json() => "1e308",
        Ok(f64::NEG_INFINITY) if is_json() => "-1e308",
        Ok(_) | Err(_) => number,
    });
    rest
}

/// Reads a value inside of `level` arrays and objects, without those that are nested too deep.
struct PrunedValue {
    level: usize,
}

impl PrunedValue {
    /// Returns the reader of the items of this value, or `None` if they are not kept.
    fn items(&self) -> Option<Self> {
        let level = self.level + 1;
        (level <= MAX_LEVELS).then_some(Self { level })
    }
}

impl<'de> DeserializeSeed<'de> for PrunedValue {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for PrunedValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        loop {
            match self.items() {
                Some(item) => match items.next_element_seed(item)? {
                    Some(item) => array.push(item),
                    None => return Ok(Value::Array(array)),
                },
                None => {
                    while items.next_element::<IgnoredAny>()?.is_some() {}
                    return Ok(Value::Null);
                }
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        loop {
            match self.items() {
                Some(item) => match fields.next_key::<String>()? {
                    Some(name) => object.insert(name, fields.next_value_seed(item)?),
                    None => return Ok(Value::Object(object)),
                },
                None => {
                    while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                    return Ok(Value::Null);
                }
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// Returns `value` inside of `levels` arrays.
    fn nested(levels: usize, value: &str) -> String {
        format!("{}{value}{}", "[".repeat(levels), "]".repeat(levels))
    }

    /// Returns how many arrays enclose the first value that is not an array.
    fn levels(value: &Value) -> usize {
        let first = value.as_array().map(|items| levels(&items[0]) + 1);
        first.unwrap_or_default()
    }

    #[test]
    fn unpaired_surrogate_is_read_as_the_replacement_character() {
        for (text, read) in [
            (r#""x\ud83d""#, "x\u{fffd}"),
            (r#""\ude00x""#, "\u{fffd}x"),
            (r#""\uD83D\uD83D\uDE00""#, "\u{fffd}\u{1f600}"),
            (r#""\ud83d\\ude00""#, "\u{fffd}\\ude00"),
            (r#""\ud83d\n""#, "\u{fffd}\n"),
            (r#""\ud83d\"""#, "\u{fffd}\""),
            (r#""\\\ud83d😀""#, "\\\u{fffd}😀"),
        ] {
            assert_eq!(from_str(text).unwrap(), json!(read), "{text}");
        }
        let name = from_str(r#"[{"\ud83d":{"\ude00":[7]}}]"#).unwrap();
        assert_eq!(name, json!([{"\u{fffd}": {"\u{fffd}": [7]}}]));
    }

    #[test]
    fn text_of_an_escaped_backslash_is_unchanged() {
        let text = r#"["\\ud83d","\ud83d",1.5,-7,"1e999",true,null]"#;
        let read = json!(["\\ud83d", "\u{fffd}", 1.5, -7, "1e999", true, null]);
        assert_eq!(from_str(text).unwrap(), read);
    }

    #[test]
    fn number_out_of_range_is_read_as_the_largest() {
        let integer = "9".repeat(400);
        let text = format!("[1e999,-{integer},{integer},1e-999,18446744073709551615]");
        let read = json!([1e308, -1e308, 1e308, 0.0, u64::MAX]);
        assert_eq!(from_str(&text).unwrap(), read);
    }

    #[test]
    fn deeply_nested_value_is_cut_and_the_rest_is_kept() {
        for depth in [128, 150, 500_000] {
            let text = format!(r#"{{"a":{},"b":["kept",{{"c":1}}]}}"#, nested(depth, "1"));
            let value = from_str(&text).unwrap();
            assert_eq!(value["b"], json!(["kept", {"c": 1}]), "{depth}");
            assert_eq!(levels(&value["a"]), MAX_LEVELS - 1, "{depth}");
        }
        let objects = format!("{}1{}", r#"{"a":"#.repeat(150), "}".repeat(150));
        assert!(from_str(&objects).unwrap().is_object());
        assert_eq!(levels(&from_str(&nested(126, "1")).unwrap()), 126);
    }

    #[test]
    fn malformed_text_is_refused() {
        let open = "[".repeat(150);
        for text in [
            "",
            "[",
            r#""\ud83d"#,
            r#""\ud83"#,
            r#""\ud8é""#,
            r#""\x""#,
            "01e999",
            "1e999x",
            "--1",
            "\"\\",
            "[\"\\ud83d\"] x",
            &open,
        ] {
            assert!(from_str(text).is_err(), "{text}");
            assert!(from_slice(text.as_bytes()).is_err(), "{text}");
        }
        assert!(from_slice(b"\"\\ud83d\xff\"").is_err());
        assert_eq!(from_slice(br#""\ud83d""#).unwrap(), json!("\u{fffd}"));
    }

    proptest! {
        #[test]
        fn repair_keeps_what_serde_json_accepts(text in r#"[\[\]{}":,\\ud8cf0-9eE+.\-a😀 ]{0,40}"#) {
            if let Ok(value) = serde_json::from_str::<Value>(&text) {
                prop_assert_eq!(read_repaired(&text).unwrap(), value);
            }
        }

        #[test]
        fn every_string_of_utf16_is_read_as_javascript_prints_it(units in prop::collection::vec(
            prop_oneof![any::<u16>(), 0xd800u16..0xe000], 0..12)
        ) {
            let escaped: String = units.iter().map(|unit| format!("\\u{unit:04x}")).collect();
            let read = from_str(&format!("\"{escaped}\"")).unwrap();
            prop_assert_eq!(read, json!(String::from_utf16_lossy(&units)));
        }
    }
}
