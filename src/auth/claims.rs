//! Converts the claims of an authentic token to a session: the user, and the validity.
//!
//! The rules are the same for every kind of token: `exp` is required, clocks may differ by [`CLOCK_TOLERANCE`], and a
//! name or email that is not a string is ignored.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::session::UserSession;
use super::session_refusal::SessionRefusal;
use super::user_session_principal::user_session_principal;
use crate::config::{Audience, ClaimPath};
use crate::domain::{Principal, UserId};

/// The maximum difference between the clocks of the service and of the issuer of a token.
pub const CLOCK_TOLERANCE: Duration = Duration::from_secs(15);

/// The claims of a token, unparsed: each claim is parsed when it is needed, so that an invalid one does not affect the
/// others.
#[derive(Deserialize)]
pub(super) struct Claims(HashMap<String, Box<RawValue>>);

/// What a session needs of the claims of an authentic token, parsed.
#[derive(Clone)]
pub(super) struct SessionClaims {
    /// `None` without a valid user id.
    principal: Option<Principal>,
    issued_at: Option<SystemTime>,
    not_before: SystemTime,
    /// The expiry plus the clock tolerance.
    expires_at: SystemTime,
}

impl SessionClaims {
    /// Returns the session at `now`.
    pub(super) fn to_session(&self, now: SystemTime) -> Result<UserSession, SessionRefusal> {
        if now >= self.expires_at {
            return Err(SessionRefusal::Expired);
        }
        if now + CLOCK_TOLERANCE < self.not_before {
            return Err(SessionRefusal::NotYetValid);
        }
        let user = self.principal.clone().ok_or(SessionRefusal::NoUserId)?;
        Ok(UserSession {
            // A time in the future is wrong.
            issued_at: self.issued_at.filter(|at| *at <= now + CLOCK_TOLERANCE),
            ..UserSession::new(user, self.expires_at)
        })
    }
}

impl Claims {
    /// Parses the claims of an authentic token.
    pub(super) fn parse(json: &[u8]) -> Result<Self, SessionRefusal> {
        serde_json::from_slice(json).map_err(|_| SessionRefusal::Malformed)
    }

    /// Returns what a session needs of the claims. The user id is the first of the claims `ids` that is a string.
    pub(super) fn to_session_claims(
        &self,
        ids: &[ClaimPath],
    ) -> Result<SessionClaims, SessionRefusal> {
        let exp = self.time("exp")?.ok_or(SessionRefusal::InvalidTime)?;
        let issued_at = self.time("iat")?;
        let not_before = self.time("nbf")?.unwrap_or(UNIX_EPOCH);
        let principal = |id| user_session_principal(id, self.string("name"), self.string("email"));
        Ok(SessionClaims {
            principal: self.user_id(ids).map(principal),
            issued_at,
            not_before,
            expires_at: exp + CLOCK_TOLERANCE,
        })
    }

    /// Returns whether the audience is this one, or includes it.
    pub(super) fn has_audience(&self, audience: &Audience) -> bool {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum AudienceClaim {
            Single(String),
            List(Vec<String>),
        }
        let claim = self.0.get("aud").map(|aud| serde_json::from_str(aud.get()));
        match claim {
            Some(Ok(AudienceClaim::Single(single))) => single == audience.as_str(),
            Some(Ok(AudienceClaim::List(list))) => {
                list.iter().any(|item| item == audience.as_str())
            }
            Some(Err(_)) | None => false,
        }
    }

    /// Returns the user id. A claim that is not a string, or empty, is skipped. A string that is not a valid id is not
    /// skipped: otherwise the next claim could identify a different user.
    fn user_id(&self, ids: &[ClaimPath]) -> Option<UserId> {
        let mut ids = ids.iter().filter_map(|path| self.string(path.as_str()));
        UserId::new(ids.find(|id| !id.is_empty())?)
    }

    /// Returns the claim at this path, if it is a string of valid Unicode. (A name that was cut within an emoji may end
    /// in half of a surrogate pair.)
    fn string(&self, path: &str) -> Option<String> {
        if let Some(claim) = self.0.get(path) {
            return serde_json::from_str(claim.get()).ok();
        }
        let (outer, path) = path.split_once('.')?;
        let inner: Self = serde_json::from_str(self.0.get(outer)?.get()).ok()?;
        inner.string(path)
    }

    /// Returns the time in a claim: seconds since 1970, with fractions, clamped to the range of a JavaScript `Date`.
    fn time(&self, name: &str) -> Result<Option<SystemTime>, SessionRefusal> {
        /// The latest time of a JavaScript `Date`, in milliseconds.
        const MAX_TIME: f64 = 8.64e15;
        let Some(claim) = self.0.get(name) else {
            return Ok(None);
        };
        let seconds: f64 =
            serde_json::from_str(claim.get()).map_err(|_| SessionRefusal::InvalidTime)?;
        let milliseconds = (seconds * 1000.0).clamp(0.0, MAX_TIME);
        Ok(Some(
            UNIX_EPOCH + Duration::from_millis(milliseconds as u64),
        ))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn unix_time(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn claims(claims: Value) -> Claims {
        Claims::parse(claims.to_string().as_bytes()).unwrap()
    }

    fn session_with_ids(ids: &[&str], json: Value) -> Result<UserSession, SessionRefusal> {
        let ids: Vec<_> = ids.iter().map(|id| id.parse().unwrap()).collect();
        let claims = claims(json).to_session_claims(&ids)?;
        claims.to_session(unix_time(NOW))
    }

    fn session(json: Value) -> Result<UserSession, SessionRefusal> {
        session_with_ids(&["id", "sub"], json)
    }

    #[test]
    fn expiry_outside_the_range_of_the_clock_is_clamped() {
        assert!(session(json!({ "sub": "ana", "exp": 1e300 })).is_ok());
        let expired = session(json!({ "sub": "ana", "exp": -1e300 }));
        assert_eq!(expired, Err(SessionRefusal::Expired));
    }

    #[test]
    fn token_is_accepted_from_nbf_minus_the_tolerance() {
        let not_before = |nbf: Value| session(json!({ "sub": "ana", "exp": NOW + 60, "nbf": nbf }));
        assert!(not_before(json!(NOW + 15)).is_ok());
        assert_eq!(
            not_before(json!(NOW + 16)),
            Err(SessionRefusal::NotYetValid)
        );
        let half_a_second = json!((NOW + 15) as f64 + 0.5);
        assert_eq!(not_before(half_a_second), Err(SessionRefusal::NotYetValid));
        assert_eq!(not_before(json!("now")), Err(SessionRefusal::InvalidTime));
        assert_eq!(not_before(json!(null)), Err(SessionRefusal::InvalidTime));
    }

    #[test]
    fn exp_is_required_and_must_be_a_number() {
        assert_eq!(
            session(json!({ "sub": "ana" })),
            Err(SessionRefusal::InvalidTime)
        );
        for exp in [json!(null), json!("4102444800"), json!(true), json!([NOW])] {
            let refused = session(json!({ "sub": "ana", "exp": exp }));
            assert_eq!(refused, Err(SessionRefusal::InvalidTime));
        }
        let session = session(json!({ "sub": "ana", "exp": NOW as f64 + 0.5 })).unwrap();
        assert_eq!(
            session.expires_at,
            unix_time(NOW + 15) + Duration::from_millis(500)
        );
    }

    #[test]
    fn iat_must_be_a_number_and_dates_the_session_unless_it_is_in_the_future() {
        let issued_at = |iat: Value| {
            let session = session(json!({ "sub": "ana", "exp": NOW, "iat": iat }));
            session.map(|session| session.issued_at)
        };
        assert_eq!(issued_at(json!(NOW - 5)), Ok(Some(unix_time(NOW - 5))));
        assert_eq!(issued_at(json!(NOW + 15)), Ok(Some(unix_time(NOW + 15))));
        assert_eq!(issued_at(json!(NOW + 86_400)), Ok(None));
        assert_eq!(issued_at(json!("now")), Err(SessionRefusal::InvalidTime));
    }

    #[test]
    fn user_id_is_the_id_claim_or_else_the_subject() {
        let user = |id: Value, sub: Value| {
            session(json!({ "id": id, "sub": sub, "exp": NOW }))
                .map(|session| session.principal.id.to_string())
        };
        assert_eq!(user(json!("ana"), json!("ben")).as_deref(), Ok("ana"));
        assert_eq!(user(json!(null), json!("ben")).as_deref(), Ok("ben"));
        assert_eq!(user(json!(""), json!("ben")).as_deref(), Ok("ben"));
        assert_eq!(user(json!(42), json!("42")).as_deref(), Ok("42"));
        assert_eq!(
            user(json!("not an id"), json!("ben")),
            Err(SessionRefusal::NoUserId)
        );
        assert_eq!(
            user(json!("a".repeat(129)), json!("ben")),
            Err(SessionRefusal::NoUserId)
        );
        assert_eq!(user(json!(null), json!("")), Err(SessionRefusal::NoUserId));
        assert_eq!(user(json!(42), json!(42)), Err(SessionRefusal::NoUserId));
    }

    #[test]
    fn user_id_may_be_a_nested_claim() {
        let nested = json!({
            "sub": "s", "uid": "u", "user": { "id": "i", "org": { "id": "o" } }, "a.b": "dotted",
            "exp": NOW,
        });
        for (path, id) in [
            ("uid", "u"),
            ("user.id", "i"),
            ("user.org.id", "o"),
            ("a.b", "dotted"),
        ] {
            let session = session_with_ids(&[path], nested.clone()).unwrap();
            assert_eq!(session.principal.id.as_str(), id);
        }
        for path in ["user", "user.name", "sub.id", "nobody.id"] {
            let refused = session_with_ids(&[path], nested.clone());
            assert_eq!(refused, Err(SessionRefusal::NoUserId), "{path}");
        }
    }

    #[test]
    fn name_or_email_that_is_not_a_string_is_ignored() {
        let session = session(json!({ "sub": "ana", "name": 5, "email": null, "exp": NOW }));
        let principal = session.unwrap().principal;
        assert_eq!((principal.name, principal.email), (None, None));
    }

    #[test]
    fn other_claims_are_ignored_whatever_their_type() {
        for value in [json!("app"), json!(["a"]), json!({ "a": [null] }), json!(5)] {
            let mut claims = json!({ "id": "ana", "exp": NOW });
            for name in ["sub", "aud", "iss", "jti"] {
                claims[name] = value.clone();
            }
            assert!(session(claims).is_ok(), "{value}");
        }
    }

    #[test]
    fn audience_may_be_a_string_or_a_list() {
        let audience = "vaults".parse().unwrap();
        let matches = |aud: Value| claims(json!({ "aud": aud })).has_audience(&audience);
        assert!(matches(json!("vaults")));
        assert!(matches(json!(["app", "vaults"])));
        for other in [
            json!("app"),
            json!([]),
            json!(["app"]),
            json!(5),
            json!(["vaults", 5]),
        ] {
            assert!(!matches(other.clone()), "{other}");
        }
        assert!(!claims(json!({})).has_audience(&audience));
    }

    #[test]
    fn claims_must_be_an_object() {
        for text in ["", "[1]", "\"ana\"", "null", "{", "{\"sub\":\"\u{7f}"] {
            assert!(Claims::parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(Claims::parse(b"{\"sub\":\"\xff\"}").is_err());
    }
}
