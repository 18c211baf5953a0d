//! Where a token is found: in a socket's auth payload, in the `Authorization` header, or in the
//! session's cookie (`auth.cookies`), whole or in chunks.
//!
//! These are pure functions over header values, which are bytes: a cookie header holds what other
//! applications of the same host have put there, and nothing of that may keep a session from being
//! found. Cookies are read as the JavaScript package `cookie` reads them, because it is their
//! author's.

use std::collections::HashMap;

use actix_web::http::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderValue};

use crate::config::CookieName;

/// Where a token came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The auth payload of a socket's CONNECT.
    Payload,
    /// `Authorization: Bearer`.
    Bearer,
    /// The session's cookie, with this place among its names: Auth.js makes its keys of the name.
    Cookie(usize),
}

/// The one token that decides who is speaking, not judged yet; or none.
#[derive(Clone, Default)]
pub struct Credentials(Option<(Source, String)>);

impl Credentials {
    /// What a request's headers bring, where the session's cookie may have these names.
    pub(super) fn of(headers: &HeaderMap, names: &[CookieName]) -> Self {
        Self::from_headers(
            headers.get(AUTHORIZATION).map(HeaderValue::as_bytes),
            headers.get_all(COOKIE).map(HeaderValue::as_bytes),
            names,
        )
    }

    /// What the headers bring: `Authorization`, where there is one, and every `Cookie` header.
    pub(super) fn from_headers<'a>(
        authorization: Option<&[u8]>,
        cookies: impl IntoIterator<Item = &'a [u8]>,
        names: &[CookieName],
    ) -> Self {
        let bearer = authorization
            .and_then(bearer)
            .map(|token| (Source::Bearer, token));
        Self(bearer.or_else(|| session_cookie(&Cookies::parse(cookies), names)))
    }

    /// The same with the `token` of a CONNECT's auth payload, which goes before any header.
    pub fn with_payload(self, token: Option<&str>) -> Self {
        match token {
            Some(token) if !token.is_empty() => Self(Some((Source::Payload, token.to_owned()))),
            _ => self,
        }
    }

    /// The token, and where it was found.
    pub(super) fn found(&self) -> Option<(Source, &str)> {
        let (source, token) = self.0.as_ref()?;
        Some((*source, token))
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let source = self.found().map(|(source, _)| source);
        f.debug_tuple("Credentials").field(&source).finish()
    }
}

/// The token after `Bearer`, if it is that.
fn bearer(authorization: &[u8]) -> Option<String> {
    let value = authorization.trim_ascii();
    let (scheme, token) = value.split_at(value.iter().position(|byte| *byte == b' ')?);
    let token = token.trim_ascii();
    let is_bearer = scheme.eq_ignore_ascii_case(b"bearer") && !token.is_empty();
    is_bearer.then(|| String::from_utf8_lossy(token).into_owned())
}

/// The first of the cookies with these names that is present.
fn session_cookie(cookies: &Cookies, names: &[CookieName]) -> Option<(Source, String)> {
    names.iter().enumerate().find_map(|(place, name)| {
        let name = name.as_str();
        let token = cookies.get(name).or_else(|| cookies.joined(name))?;
        Some((Source::Cookie(place), token))
    })
}

/// Cookies by name. Of several with one name the first counts, and one without a value is none.
struct Cookies<'a>(HashMap<&'a [u8], &'a [u8]>);

impl<'a> Cookies<'a> {
    fn parse(headers: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let pairs = headers
            .into_iter()
            .flat_map(|header| header.split(|byte| *byte == b';'));
        let mut cookies = HashMap::new();
        for pair in pairs {
            let Some(equals) = pair.iter().position(|byte| *byte == b'=') else {
                continue;
            };
            let value = unquoted(pair[equals + 1..].trim_ascii());
            if !value.is_empty() {
                cookies.entry(pair[..equals].trim_ascii()).or_insert(value);
            }
        }
        Self(cookies)
    }

    fn get(&self, name: &str) -> Option<String> {
        self.0.get(name.as_bytes()).map(|value| decoded(value))
    }

    /// The value that was cut into `NAME.0`, `NAME.1` and so on. Where one of them is missing, the
    /// cookie is present all the same, as the empty text, which is no token: nothing else decides in
    /// its place.
    fn joined(&self, name: &str) -> Option<String> {
        let is_chunk = |key: &&&[u8]| {
            let number = key
                .strip_prefix(name.as_bytes())
                .and_then(|rest| rest.strip_prefix(b"."));
            number.is_some_and(|number| !number.is_empty() && number.iter().all(u8::is_ascii_digit))
        };
        let count = self.0.keys().filter(is_chunk).count();
        let chunks = (0..count).map(|number| self.get(&format!("{name}.{number}")));
        (count > 0).then(|| chunks.collect::<Option<String>>().unwrap_or_default())
    }
}

/// The value without the quotes around it.
fn unquoted(value: &[u8]) -> &[u8] {
    value
        .strip_prefix(b"\"")
        .and_then(|value| value.strip_suffix(b"\""))
        .unwrap_or(value)
}

/// The value with its `%41` decoded, as `decodeURIComponent` does it: wholly, or not at all where
/// any of it is wrong. What is not Unicode cannot be a token, and becomes something that is
/// neither.
fn decoded(value: &[u8]) -> String {
    let decoded = percent_decoded(value).and_then(|bytes| String::from_utf8(bytes).ok());
    decoded.unwrap_or_else(|| String::from_utf8_lossy(value).into_owned())
}

fn percent_decoded(mut value: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(value.len());
    while let Some((first, rest)) = value.split_first() {
        value = rest;
        bytes.push(match first {
            b'%' => {
                let (digits, rest) = value.split_first_chunk::<2>()?;
                value = rest;
                let [high, low] = digits.map(|digit| char::from(digit).to_digit(16));
                u8::try_from(high? * 16 + low?).expect("two hexadecimal digits are a byte")
            }
            byte => *byte,
        });
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4: &str = "next-auth.session-token";
    const V5: &str = "authjs.session-token";
    /// The place of `V5`.
    const SECOND: Source = Source::Cookie(1);

    fn names() -> Vec<CookieName> {
        crate::config::Auth::default().cookies
    }

    fn found(authorization: Option<&str>, cookies: &[&str]) -> Option<(Source, String)> {
        let cookies = cookies.iter().map(|header| header.as_bytes());
        Credentials::from_headers(authorization.map(str::as_bytes), cookies, &names()).0
    }

    fn cookie(header: &str) -> Option<String> {
        found(None, &[header]).map(|(_, token)| token)
    }

    fn some(token: &str) -> Option<String> {
        Some(token.to_owned())
    }

    #[test]
    fn the_payload_goes_before_the_header_and_the_header_before_the_cookie() {
        let headers = || {
            Credentials::from_headers(
                Some(b"Bearer b"),
                [&b"authjs.session-token=c"[..]],
                &names(),
            )
        };
        assert_eq!(
            headers().with_payload(Some("p")).0,
            Some((Source::Payload, "p".to_owned()))
        );
        assert_eq!(
            headers().with_payload(Some("")).0,
            Some((Source::Bearer, "b".to_owned()))
        );
        assert_eq!(
            headers().with_payload(None).0,
            Some((Source::Bearer, "b".to_owned()))
        );
        assert_eq!(
            found(None, &["authjs.session-token=c"]),
            Some((SECOND, "c".to_owned()))
        );
        assert_eq!(Credentials::default().with_payload(None).found(), None);
    }

    #[test]
    fn the_scheme_may_be_written_in_any_case() {
        for header in ["Bearer abc", "bearer abc", "BEARER   abc ", " Bearer abc"] {
            assert_eq!(
                found(Some(header), &[]),
                Some((Source::Bearer, "abc".to_owned()))
            );
        }
    }

    #[test]
    fn an_authorization_that_is_no_bearer_token_counts_as_absent() {
        for header in ["", "Bearer", "Bearer ", "Basic YTpi", "Bearertoken abc"] {
            assert_eq!(
                found(Some(header), &["authjs.session-token=c"]).unwrap().1,
                "c",
                "{header}"
            );
        }
    }

    #[test]
    fn cookies_are_looked_for_in_their_order_not_in_that_of_the_header() {
        let mut header = String::new();
        for (place, name) in names().into_iter().enumerate().rev() {
            header = format!("{header}; {name}=of-{name}");
            assert_eq!(
                found(None, &[&header]),
                Some((Source::Cookie(place), format!("of-{name}")))
            );
        }
    }

    #[test]
    fn names_are_exact() {
        for header in [
            "next-auth.session-tokens=a",
            "my-next-auth.session-token=a",
            "Next-Auth.Session-Token=a",
            "next-auth.session-token.=a",
            "next-auth.session-token.x=a",
            "next-auth.session-token-0=a",
        ] {
            assert_eq!(cookie(header), None, "{header}");
        }
        assert_eq!(cookie(&format!("{V4}-backup=junk; {V4}=a")), some("a"));
    }

    #[test]
    fn malformed_neighbours_are_passed_over() {
        let header = b"\xff\xfe=x; bad=%E0%A4%A; ;novalue; =noname;next-auth.session-token=a;  t = u ; x=a=b";
        let credentials = Credentials::from_headers(None, [&header[..]], &names());
        assert_eq!(credentials.found().map(|(_, token)| token), Some("a"));
    }

    #[test]
    fn several_cookie_headers_are_one() {
        assert_eq!(
            found(
                None,
                &[
                    "a=b",
                    "next-auth.session-token.1=y",
                    "next-auth.session-token.0=x"
                ]
            )
            .unwrap()
            .1,
            "xy"
        );
    }

    #[test]
    fn of_two_cookies_with_one_name_the_first_with_a_value_counts() {
        assert_eq!(cookie(&format!("{V4}=a; {V4}=b")), some("a"));
        assert_eq!(cookie(&format!("{V4}=; {V4}=b")), some("b"));
    }

    #[test]
    fn an_empty_cookie_counts_as_absent() {
        assert_eq!(cookie(""), None);
        assert_eq!(cookie(&format!("{V5}=; {V4}=a")), some("a"));
        assert_eq!(cookie(&format!("{V5}=\"\"; {V4}=a")), some("a"));
        assert_eq!(cookie(&format!("{V5}.0=; {V5}.1=; {V4}=a")), some("a"));
    }

    #[test]
    fn values_are_unquoted_and_decoded() {
        assert_eq!(cookie(&format!("{V4}=\"a%2Eb\"")), some("a.b"));
        assert_eq!(cookie(&format!("{V4}=%c3%AB")), some("ë"));
        assert_eq!(cookie(&format!("{V4}=a+b")), some("a+b"));
    }

    #[test]
    fn a_value_that_cannot_be_decoded_stays_as_it_is() {
        for value in ["%", "a%2", "%zz", "a%2E%E0%A4%A", "%ff", "%+1"] {
            assert_eq!(cookie(&format!("{V4}={value}")), some(value));
        }
    }

    #[test]
    fn chunks_are_joined_by_their_numbers() {
        let chunks: Vec<_> = (0..12)
            .rev()
            .map(|number| format!("{V4}.{number}=<{number}>"))
            .collect();
        let whole: String = (0..12).map(|number| format!("<{number}>")).collect();
        assert_eq!(cookie(&chunks.join("; ")), Some(whole));
    }

    #[test]
    fn a_whole_cookie_goes_before_its_chunks() {
        assert_eq!(
            cookie(&format!("{V4}=whole; {V4}.0=x; {V4}.1=y")),
            some("whole")
        );
        assert_eq!(
            cookie(&format!("{V4}=whole; {V4}.0=; {V4}.1=")),
            some("whole")
        );
        assert_eq!(
            cookie(&format!("{V4}=; {V4}.0=x; {V4}.1=y; {V4}.2=")),
            some("xy")
        );
    }

    #[test]
    fn a_cookie_with_missing_chunks_is_present_and_nothing_decides_in_its_place() {
        assert_eq!(cookie(&format!("{V5}.1=y; {V4}=a")), some(""));
        assert_eq!(cookie(&format!("{V5}.0=x; {V5}.2=z; {V4}=a")), some(""));
    }

    #[test]
    fn credentials_do_not_show_the_token() {
        let credentials = Credentials::default().with_payload(Some("hunter2"));
        assert_eq!(format!("{credentials:?}"), "Credentials(Some(Payload))");
    }
}
