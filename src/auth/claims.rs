//! What a token says, once it was found authentic: who its user is, and when it begins and ends.
//!
//! The rules are ours and the same for every kind of token: the time is an argument, `exp` is required, clocks may
//! differ by [`CLOCK_TOLERANCE`] and no more, and a name that is no text is no reason to turn its owner away.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Session;
use crate::config::{Audience, ClaimPath};
use crate::domain::{Principal, UserId};

/// How far our clock and that of whoever made a session may be apart.
pub const CLOCK_TOLERANCE: Duration = Duration::from_secs(15);

/// Why a token is refused. For logs only: whoever sent it learns nothing from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is no token, or its claims are no JSON object.
    #[error("malformed")]
    Malformed,
    /// It is of a kind that is not accepted, or made in a way that is not allowed.
    #[error("algorithm not allowed")]
    Algorithm,
    /// None of the secrets has made it.
    #[error("not authentic")]
    Forged,
    /// It does not say when it ends, or `exp`, `nbf` or `iat` is no number.
    #[error("no end, or no number for a time")]
    Times,
    /// Its time is over.
    #[error("expired")]
    Expired,
    /// Its time has not come.
    #[error("not yet valid")]
    NotYetValid,
    /// It is meant for somebody else.
    #[error("for another audience")]
    Audience,
    /// None of the claims that may do so is the id of a user.
    #[error("names no user")]
    NoUser,
}

/// The claims of a token, each as it stands there: what one of them is worth is decided when it is
/// needed, and one that is broken does not make the others unreadable.
#[derive(Deserialize)]
pub(super) struct Claims(HashMap<String, Box<RawValue>>);

impl Claims {
    /// The claims of an authentic token.
    pub(super) fn parse(json: &[u8]) -> Result<Self, TokenError> {
        serde_json::from_slice(json).map_err(|_| TokenError::Malformed)
    }

    /// The session that they stand for at `now`, with the user's id in the first of these claims that is a text.
    pub(super) fn session(
        &self,
        ids: &[ClaimPath],
        now: SystemTime,
    ) -> Result<Session, TokenError> {
        let exp = self.time("exp")?.ok_or(TokenError::Times)?;
        self.time("iat")?;
        let begins = self.time("nbf")?.unwrap_or(UNIX_EPOCH);
        let expires_at = exp + CLOCK_TOLERANCE;
        if now >= expires_at {
            return Err(TokenError::Expired);
        }
        if now + CLOCK_TOLERANCE < begins {
            return Err(TokenError::NotYetValid);
        }
        let id = self.user(ids).ok_or(TokenError::NoUser)?;
        let (name, email) = (self.shown("name"), self.shown("email"));
        Ok(Session::new(Principal { id, name, email }, expires_at))
    }

    /// Whether they are meant for this audience, alone or among others.
    pub(super) fn are_for(&self, audience: &Audience) -> bool {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Audiences {
            One(String),
            Several(Vec<String>),
        }
        let said = self.0.get("aud").map(|aud| serde_json::from_str(aud.get()));
        match said {
            Some(Ok(Audiences::One(one))) => one == audience.as_str(),
            Some(Ok(Audiences::Several(all))) => all.iter().any(|one| one == audience.as_str()),
            Some(Err(_)) | None => false,
        }
    }

    /// What is not text, or empty, counts as absent; text that cannot be a user's id does not, so that nobody becomes
    /// somebody else by it.
    fn user(&self, ids: &[ClaimPath]) -> Option<UserId> {
        let mut ids = ids.iter().filter_map(|path| self.text(path.as_str()));
        UserId::new(ids.find(|id| !id.is_empty())?)
    }

    /// The claim's text as others are shown it; none where it holds U+0000, which not every database keeps.
    fn shown(&self, name: &str) -> Option<String> {
        self.text(name).filter(|text| !text.contains('\0'))
    }

    /// The claim's text, also of one inside another; none when it is something else, or not valid Unicode (half of a
    /// surrogate pair, where a name was cut within an emoji).
    fn text(&self, path: &str) -> Option<String> {
        if let Some(claim) = self.0.get(path) {
            return serde_json::from_str(claim.get()).ok();
        }
        let (outer, path) = path.split_once('.')?;
        let inner: Self = serde_json::from_str(self.0.get(outer)?.get()).ok()?;
        inner.text(path)
    }

    /// The claim's moment in seconds since 1970, fractions allowed; whatever lies outside of what a clock can show is
    /// drawn to its end.
    fn time(&self, name: &str) -> Result<Option<SystemTime>, TokenError> {
        /// The last moment that JavaScript's clock can show, in milliseconds.
        const LAST: f64 = 8.64e15;
        let Some(claim) = self.0.get(name) else {
            return Ok(None);
        };
        let seconds: f64 = serde_json::from_str(claim.get()).map_err(|_| TokenError::Times)?;
        let milliseconds = (seconds * 1000.0).clamp(0.0, LAST);
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

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn claims(claims: Value) -> Claims {
        Claims::parse(claims.to_string().as_bytes()).unwrap()
    }

    fn session_by(ids: &[&str], said: Value) -> Result<Session, TokenError> {
        let ids: Vec<_> = ids.iter().map(|id| id.parse().unwrap()).collect();
        claims(said).session(&ids, at(NOW))
    }

    fn session(said: Value) -> Result<Session, TokenError> {
        session_by(&["id", "sub"], said)
    }

    #[test]
    fn a_token_for_longer_than_any_clock_runs_does_not_end() {
        assert!(session(json!({ "sub": "ana", "exp": 1e300 })).is_ok());
        let ended = session(json!({ "sub": "ana", "exp": -1e300 }));
        assert_eq!(ended, Err(TokenError::Expired));
    }

    #[test]
    fn a_token_is_taken_up_to_the_tolerance_before_its_time() {
        let not_before = |nbf: Value| session(json!({ "sub": "ana", "exp": NOW + 60, "nbf": nbf }));
        assert!(not_before(json!(NOW + 15)).is_ok());
        assert_eq!(not_before(json!(NOW + 16)), Err(TokenError::NotYetValid));
        let half_a_second = json!((NOW + 15) as f64 + 0.5);
        assert_eq!(not_before(half_a_second), Err(TokenError::NotYetValid));
        assert_eq!(not_before(json!("now")), Err(TokenError::Times));
        assert_eq!(not_before(json!(null)), Err(TokenError::Times));
    }

    #[test]
    fn an_end_is_a_number_and_there_has_to_be_one() {
        assert_eq!(session(json!({ "sub": "ana" })), Err(TokenError::Times));
        for exp in [json!(null), json!("4102444800"), json!(true), json!([NOW])] {
            let refused = session(json!({ "sub": "ana", "exp": exp }));
            assert_eq!(refused, Err(TokenError::Times));
        }
        let session = session(json!({ "sub": "ana", "exp": NOW as f64 + 0.5 })).unwrap();
        assert_eq!(
            session.expires_at,
            at(NOW + 15) + Duration::from_millis(500)
        );
    }

    #[test]
    fn when_a_token_was_made_is_a_number_and_otherwise_of_no_interest() {
        let made = |iat: Value| session(json!({ "sub": "ana", "exp": NOW, "iat": iat }));
        assert!(made(json!(NOW + 86_400)).is_ok());
        assert_eq!(made(json!("now")), Err(TokenError::Times));
    }

    #[test]
    fn the_user_is_the_id_else_the_subject() {
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
            Err(TokenError::NoUser)
        );
        assert_eq!(
            user(json!("a".repeat(129)), json!("ben")),
            Err(TokenError::NoUser)
        );
        assert_eq!(user(json!(null), json!("")), Err(TokenError::NoUser));
        assert_eq!(user(json!(42), json!(42)), Err(TokenError::NoUser));
    }

    #[test]
    fn the_user_may_stand_elsewhere_also_inside_an_object() {
        let said = json!({
            "sub": "s", "uid": "u", "user": { "id": "i", "org": { "id": "o" } }, "a.b": "dotted",
            "exp": NOW,
        });
        for (path, id) in [
            ("uid", "u"),
            ("user.id", "i"),
            ("user.org.id", "o"),
            ("a.b", "dotted"),
        ] {
            let session = session_by(&[path], said.clone()).unwrap();
            assert_eq!(session.principal.id.as_str(), id);
        }
        for path in ["user", "user.name", "sub.id", "nobody.id"] {
            let refused = session_by(&[path], said.clone());
            assert_eq!(refused, Err(TokenError::NoUser), "{path}");
        }
    }

    #[test]
    fn a_name_or_email_that_is_no_text_is_left_out() {
        let session = session(json!({ "sub": "ana", "name": 5, "email": null, "exp": NOW }));
        let principal = session.unwrap().principal;
        assert_eq!((principal.name, principal.email), (None, None));
    }

    #[test]
    fn what_a_token_says_beside_is_ignored_whatever_it_is() {
        for beside in [json!("app"), json!(["a"]), json!({ "a": [null] }), json!(5)] {
            let mut claims = json!({ "id": "ana", "exp": NOW });
            for name in ["sub", "aud", "iss", "jti"] {
                claims[name] = beside.clone();
            }
            assert!(session(claims).is_ok(), "{beside}");
        }
    }

    #[test]
    fn an_audience_is_named_alone_or_among_others() {
        let audience = "vaults".parse().unwrap();
        let is_for = |aud: Value| claims(json!({ "aud": aud })).are_for(&audience);
        assert!(is_for(json!("vaults")));
        assert!(is_for(json!(["app", "vaults"])));
        for other in [
            json!("app"),
            json!([]),
            json!(["app"]),
            json!(5),
            json!(["vaults", 5]),
        ] {
            assert!(!is_for(other.clone()), "{other}");
        }
        assert!(!claims(json!({})).are_for(&audience));
    }

    #[test]
    fn claims_are_an_object() {
        for text in ["", "[1]", "\"ana\"", "null", "{", "{\"sub\":\"\u{7f}"] {
            assert!(Claims::parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(Claims::parse(b"{\"sub\":\"\xff\"}").is_err());
    }
}
