//! Finds the token of a request: in a socket's auth payload, in the `Authorization` header, or in the session cookies
//! (`auth.cookies`), whole or in chunks.
//!
//! A payload or header decides alone. Of several session cookies the first that is of an accepted kind decides, which only
//! the verifier can say: a browser also sends the cookies of other applications on the same host.

use actix_web::http::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderName, HeaderValue};

use super::cookie_jar::{CookieJar, is_chunk_suffix};
use crate::config::CookieName;

/// The maximum number of session cookies of one request that are kept. A browser sends few.
const MAX_COOKIES: usize = 16;

/// Where a token was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CredentialSource {
    /// The auth payload of a socket's CONNECT.
    Payload,
    /// `Authorization: Bearer`.
    Bearer,
    /// The session cookie, with the index of its name in `auth.cookies`: Auth.js derives its keys from the name.
    Cookie(usize),
}

/// The tokens that may authenticate a request, not verified yet: one of a payload or header, or those of the session
/// cookies in the order in which they decide.
#[derive(Clone, Default)]
pub struct Credentials(Vec<Credential>);

/// A token and where it was found.
#[derive(Clone, PartialEq)]
pub(super) struct Credential {
    pub(super) source: CredentialSource,
    pub(super) token: String,
}

impl Credentials {
    /// Returns the credentials in a request's headers. The session cookie has one of these names.
    pub(super) fn from_request_headers(headers: &HeaderMap, names: &[CookieName]) -> Self {
        Self::from_headers(
            headers.get(AUTHORIZATION).map(HeaderValue::as_bytes),
            headers.get_all(COOKIE).map(HeaderValue::as_bytes),
            names,
        )
    }

    /// Returns the credentials in these headers: an optional `Authorization` header and all `Cookie` headers.
    pub(super) fn from_headers<'a>(
        authorization: Option<&[u8]>,
        cookies: impl IntoIterator<Item = &'a [u8]>,
        names: &[CookieName],
    ) -> Self {
        let bearer = authorization
            .and_then(bearer_token)
            .map(|token| Credential {
                source: CredentialSource::Bearer,
                token,
            });
        match bearer {
            Some(bearer) => Self(vec![bearer]),
            None => Self(session_cookies(&CookieJar::parse(cookies), names)),
        }
    }

    /// Adds the `token` of a CONNECT's auth payload, which takes precedence over the headers.
    pub fn with_payload(self, token: Option<&str>) -> Self {
        match token {
            Some(token) if !token.is_empty() => Self(vec![Credential {
                source: CredentialSource::Payload,
                token: token.to_owned(),
            }]),
            _ => self,
        }
    }

    /// Returns the credentials in the order in which they decide.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Credential> {
        self.0.iter()
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sources = self.0.iter().map(|credential| credential.source);
        f.debug_list().entries(sources).finish()
    }
}

/// Returns the part of a header that may contain a credential: a `Bearer` authorization, or the cookies of a `Cookie` header
/// that have one of these names or are a chunk of one. `None` if there is no such part.
pub fn credential_part(name: &HeaderName, value: &[u8], names: &[CookieName]) -> Option<Vec<u8>> {
    match *name {
        AUTHORIZATION => bearer_token(value).map(|_| value.to_owned()),
        COOKIE => {
            let is_session = |cookie: &&[u8]| {
                let end = cookie.iter().position(|byte| *byte == b'=');
                let cookie_name = cookie[..end.unwrap_or(0)].trim_ascii();
                names.iter().any(|name| {
                    let rest = cookie_name.strip_prefix(name.as_str().as_bytes());
                    rest.is_some_and(|rest| rest.is_empty() || is_chunk_suffix(rest))
                })
            };
            let cookies = value.split(|byte| *byte == b';').filter(is_session);
            let kept = cookies.collect::<Vec<_>>().join(&b';');
            (!kept.is_empty()).then_some(kept)
        }
        _ => None,
    }
}

/// Returns the token of a `Bearer` authorization.
fn bearer_token(authorization: &[u8]) -> Option<String> {
    let value = authorization.trim_ascii();
    let (scheme, token) = value.split_at(value.iter().position(|byte| *byte == b' ')?);
    let token = token.trim_ascii();
    let is_bearer = scheme.eq_ignore_ascii_case(b"bearer") && !token.is_empty();
    is_bearer.then(|| String::from_utf8_lossy(token).into_owned())
}

/// Returns the session cookies in the order of their names; of one name the whole cookies come before the chunks.
fn session_cookies(cookies: &CookieJar, names: &[CookieName]) -> Vec<Credential> {
    let mut found = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let source = CredentialSource::Cookie(index);
        let tokens = cookies.tokens(name.as_str());
        found.extend(tokens.map(|token| Credential { source, token }));
    }
    found.truncate(MAX_COOKIES);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::AuthConfig;

    const V4: &str = "next-auth.session-token";
    const V5: &str = "authjs.session-token";
    /// The source with the index of `V5`.
    const SECOND: CredentialSource = CredentialSource::Cookie(1);

    fn cookie_names() -> Vec<CookieName> {
        AuthConfig::default().cookies
    }

    type SourceAndToken = (CredentialSource, String);

    fn source_and_token(credentials: &Credentials) -> Option<SourceAndToken> {
        let Credential { source, token } = credentials.iter().next()?;
        Some((*source, token.clone()))
    }

    fn found(authorization: Option<&str>, cookies: &[&str]) -> Option<SourceAndToken> {
        let authorization = authorization.map(str::as_bytes);
        let cookies = cookies.iter().map(|header| header.as_bytes());
        let credentials = Credentials::from_headers(authorization, cookies, &cookie_names());
        source_and_token(&credentials)
    }

    fn cookie(header: &str) -> Option<String> {
        found(None, &[header]).map(|(_, token)| token)
    }

    fn some(token: &str) -> Option<String> {
        Some(token.to_owned())
    }

    #[test]
    fn payload_takes_precedence_over_header_and_header_over_cookie() {
        let headers = || {
            Credentials::from_headers(
                Some(b"Bearer b"),
                [&b"authjs.session-token=c"[..]],
                &cookie_names(),
            )
        };
        assert_eq!(
            source_and_token(&headers().with_payload(Some("p"))),
            Some((CredentialSource::Payload, "p".to_owned()))
        );
        assert_eq!(
            source_and_token(&headers().with_payload(Some(""))),
            Some((CredentialSource::Bearer, "b".to_owned()))
        );
        assert_eq!(
            source_and_token(&headers().with_payload(None)),
            Some((CredentialSource::Bearer, "b".to_owned()))
        );
        assert_eq!(
            found(None, &["authjs.session-token=c"]),
            Some((SECOND, "c".to_owned()))
        );
        let none = Credentials::default().with_payload(None);
        assert_eq!(source_and_token(&none), None);
    }

    #[test]
    fn only_credentials_are_kept_of_the_headers() {
        let names = cookie_names();
        let part = |name: HeaderName, value: &str| {
            let part = credential_part(&name, value.as_bytes(), &names);
            part.map(|part| String::from_utf8(part).unwrap())
        };
        let bearer = "Bearer a.b.c".to_owned();
        assert_eq!(part(AUTHORIZATION, &bearer), Some(bearer.clone()));
        assert_eq!(part(AUTHORIZATION, "Basic YTpi"), None);
        assert_eq!(part(HeaderName::from_static("x-other"), &bearer), None);
        let junk = "j".repeat(60_000);
        let cookies =
            format!("a={junk}; {V5}.0=x; b{V5}=1; {V5}.1=y ;{V5}.x=1; {V4}s=2;{V4}=\"z\"; c");
        let kept = format!(" {V5}.0=x; {V5}.1=y ;{V4}=\"z\"");
        assert_eq!(part(COOKIE, &cookies), Some(kept.clone()));
        assert_eq!(cookie(&kept), cookie(&cookies));
        assert_eq!(part(COOKIE, &junk), None);
    }

    #[test]
    fn bearer_scheme_is_case_insensitive() {
        for header in ["Bearer abc", "bearer abc", "BEARER   abc ", " Bearer abc"] {
            assert_eq!(
                found(Some(header), &[]),
                Some((CredentialSource::Bearer, "abc".to_owned()))
            );
        }
    }

    #[test]
    fn authorization_without_a_bearer_token_is_ignored() {
        for header in ["", "Bearer", "Bearer ", "Basic YTpi", "Bearertoken abc"] {
            assert_eq!(
                found(Some(header), &["authjs.session-token=c"]).unwrap().1,
                "c",
                "{header}"
            );
        }
    }

    #[test]
    fn order_of_the_names_decides_and_not_the_order_of_the_header() {
        let mut header = String::new();
        for (index, name) in cookie_names().into_iter().enumerate().rev() {
            header = format!("{header}; {name}=of-{name}");
            assert_eq!(
                found(None, &[&header]),
                Some((CredentialSource::Cookie(index), format!("of-{name}")))
            );
        }
    }

    #[test]
    fn cookie_names_match_exactly() {
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
    fn malformed_cookies_are_skipped() {
        let header = b"\xff\xfe=x; bad=%E0%A4%A; ;novalue; =noname;next-auth.session-token=a;  t = u ; x=a=b";
        let credentials = Credentials::from_headers(None, [&header[..]], &cookie_names());
        assert_eq!(credentials.iter().next().unwrap().token, "a");
    }

    #[test]
    fn several_cookie_headers_are_merged() {
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
    fn first_of_two_cookies_with_one_name_is_used() {
        assert_eq!(cookie(&format!("{V4}=a; {V4}=b")), some("a"));
        assert_eq!(cookie(&format!("{V4}=; {V4}=b")), some("b"));
    }

    #[test]
    fn empty_cookie_is_ignored() {
        assert_eq!(cookie(""), None);
        assert_eq!(cookie(&format!("{V5}=; {V4}=a")), some("a"));
        assert_eq!(cookie(&format!("{V5}=\"\"; {V4}=a")), some("a"));
        assert_eq!(cookie(&format!("{V5}.0=; {V5}.1=; {V4}=a")), some("a"));
    }

    #[test]
    fn cookie_values_are_unquoted_and_decoded() {
        assert_eq!(cookie(&format!("{V4}=\"a%2Eb\"")), some("a.b"));
        assert_eq!(cookie(&format!("{V4}=%c3%AB")), some("ë"));
        assert_eq!(cookie(&format!("{V4}=a+b")), some("a+b"));
    }

    #[test]
    fn value_with_an_invalid_escape_is_not_decoded() {
        for value in ["%", "a%2", "%zz", "a%2E%E0%A4%A", "%ff", "%+1"] {
            assert_eq!(cookie(&format!("{V4}={value}")), some(value));
        }
    }

    #[test]
    fn chunks_are_joined_in_numeric_order() {
        let chunks: Vec<_> = (0..12)
            .rev()
            .map(|number| format!("{V4}.{number}=<{number}>"))
            .collect();
        let whole: String = (0..12).map(|number| format!("<{number}>")).collect();
        assert_eq!(cookie(&chunks.join("; ")), Some(whole));
    }

    #[test]
    fn whole_cookie_takes_precedence_over_chunks() {
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
    fn cookie_with_missing_chunks_does_not_fall_back_to_another_cookie() {
        assert_eq!(cookie(&format!("{V5}.1=y; {V4}=a")), some(""));
        assert_eq!(cookie(&format!("{V5}.0=x; {V5}.2=z; {V4}=a")), some(""));
    }

    #[test]
    fn debug_output_contains_no_token() {
        let credentials = Credentials::default().with_payload(Some("hunter2"));
        assert_eq!(format!("{credentials:?}"), "[Payload]");
    }
}
