//! Parses `Cookie` headers as the JavaScript package `cookie` does, which NextAuth writes them with.
//!
//! Header values are bytes: a cookie header may contain invalid cookies of other applications on the same host, which
//! must not hide the session cookie.

use std::collections::HashMap;

/// Cookies by name, those of one name in the order of the header. Cookies without a value are dropped.
pub(super) struct CookieJar<'a>(HashMap<&'a [u8], Vec<&'a [u8]>>);

impl<'a> CookieJar<'a> {
    /// Parses `Cookie` headers.
    pub(super) fn parse(headers: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let pairs = headers
            .into_iter()
            .flat_map(|header| header.split(|byte| *byte == b';'));
        let mut cookies: HashMap<_, Vec<_>> = HashMap::new();
        for pair in pairs {
            let Some(equals) = pair.iter().position(|byte| *byte == b'=') else {
                continue;
            };
            let value = unquote(pair[equals + 1..].trim_ascii());
            if !value.is_empty() {
                let name = pair[..equals].trim_ascii();
                cookies.entry(name).or_default().push(value);
            }
        }
        Self(cookies)
    }

    /// Returns the tokens of the session cookies with this name: of each whole cookie, then of the chunks.
    pub(super) fn tokens(&self, name: &str) -> impl Iterator<Item = String> {
        let whole = self.0.get(name.as_bytes()).into_iter().flatten();
        let whole = whole.map(|value| decode(value));
        whole.chain(self.join_chunks(name))
    }

    /// Joins the first values of the chunks `NAME.0`, `NAME.1` and so on. If a chunk is missing, returns the empty string, which
    /// is not a valid token: an incomplete cookie must not fall back to another credential.
    fn join_chunks(&self, name: &str) -> Option<String> {
        let is_chunk = |key: &&&[u8]| {
            let suffix = key.strip_prefix(name.as_bytes());
            suffix.is_some_and(is_chunk_suffix)
        };
        let count = self.0.keys().filter(is_chunk).count();
        let chunk = |number| self.0.get(format!("{name}.{number}").as_bytes())?.first();
        let chunks = (0..count).map(|number| chunk(number).map(|value| decode(value)));
        (count > 0).then(|| chunks.collect::<Option<String>>().unwrap_or_default())
    }
}

/// Removes the quotes around a value.
fn unquote(value: &[u8]) -> &[u8] {
    value
        .strip_prefix(b"\"")
        .and_then(|value| value.strip_suffix(b"\""))
        .unwrap_or(value)
}

/// Decodes percent escapes as `decodeURIComponent` does: the whole value, or nothing if any escape is invalid. A value
/// that is not Unicode cannot be a token, so a lossy conversion is sufficient.
fn decode(value: &[u8]) -> String {
    let decoded = percent_decode(value).and_then(|bytes| String::from_utf8(bytes).ok());
    decoded.unwrap_or_else(|| String::from_utf8_lossy(value).into_owned())
}

fn percent_decode(mut value: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(value.len());
    while let Some((first, rest)) = value.split_first() {
        value = rest;
        bytes.push(match first {
            b'%' => {
                let (digits, rest) = value.split_first_chunk::<2>()?;
                value = rest;
                let [high, low] = digits.map(|digit| char::from(digit).to_digit(16));
                u8::try_from(high? * 16 + low?).expect("two hexadecimal digits fit a byte")
            }
            byte => *byte,
        });
    }
    Some(bytes)
}

/// Returns whether the end of a cookie's name is that of a chunk: a dot and a number.
pub(super) fn is_chunk_suffix(suffix: &[u8]) -> bool {
    let number = suffix.strip_prefix(b".");
    number.is_some_and(|number| !number.is_empty() && number.iter().all(u8::is_ascii_digit))
}
