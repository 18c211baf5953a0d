//! A single token: an HS256 JWT, signed with a secret that the service shares with the application.
//!
//! The signature is checked by jsonwebtoken; the claims are checked here, because the rules are
//! ours: the time is an argument, `exp` is required, clocks may differ by [`CLOCK_TOLERANCE`] and
//! no more, `aud` and `iss` are somebody else's business, and a name that is no text is no reason
//! to turn its owner away.

use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::crypto::{self, aws_lc};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, dangerous};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Secrets;
use crate::domain::{Principal, UserId};

/// How far our clock and that of whoever signed a token may be apart.
pub const CLOCK_TOLERANCE: Duration = Duration::from_secs(15);

/// Who is speaking, and until when.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// On whose behalf.
    pub principal: Principal,
    /// The moment from which the session is refused: the token's end and the tolerance after it.
    pub expires_at: SystemTime,
}

/// Why a token is refused. For logs only: whoever sent it learns nothing from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is no JWT, or its claims are no JSON object.
    #[error("malformed")]
    Malformed,
    /// It is not signed with HS256.
    #[error("algorithm not allowed")]
    Algorithm,
    /// None of the secrets has signed it.
    #[error("not authentic")]
    Forged,
    /// It does not say when it ends, or `exp` or `nbf` is no number.
    #[error("no end, or no number for a time")]
    Times,
    /// Its time is over.
    #[error("expired")]
    Expired,
    /// Its time has not come.
    #[error("not yet valid")]
    NotYetValid,
    /// Neither `id` nor `sub` is the id of a user.
    #[error("names no user")]
    NoUser,
}

/// Signs and verifies tokens.
#[derive(Clone)]
pub struct Tokens {
    signing: EncodingKey,
    verifying: Vec<DecodingKey>,
}

/// What a token of ours says.
#[derive(Serialize)]
struct Issued<'a> {
    sub: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    iat: u64,
    exp: u64,
}

/// The claims of a token, each as it stands there: what one of them is worth is decided when it is
/// needed, and one that is broken does not make the others unreadable.
#[derive(Deserialize)]
struct Claims(HashMap<String, Box<RawValue>>);

impl Tokens {
    /// Signs with the newest of the secrets, and verifies with all of them.
    pub fn new(secrets: &Secrets) -> Self {
        // An error says that a provider is installed already, which is all that is wanted.
        let _ = aws_lc::DEFAULT_PROVIDER.install_default();
        Self {
            signing: EncodingKey::from_secret(secrets.newest().as_bytes()),
            verifying: secrets
                .iter()
                .map(|secret| DecodingKey::from_secret(secret.as_bytes()))
                .collect(),
        }
    }

    /// A token for `principal` that ends `ttl` after `now`.
    pub fn issue(&self, principal: &Principal, now: SystemTime, ttl: Duration) -> String {
        let now = since_epoch(now);
        let claims = Issued {
            sub: principal.id.as_str(),
            name: principal.name.as_deref(),
            email: principal.email.as_deref(),
            iat: now.as_secs(),
            exp: now.saturating_add(ttl).as_secs(),
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.signing)
            .expect("texts and numbers are JSON, and any bytes are an HMAC key")
    }

    /// The session that `token` stands for at `now`.
    pub fn verify(&self, token: &str, now: SystemTime) -> Result<Session, TokenError> {
        let claims = self.authentic(token)?;
        let expires_at = claims.expires_at()?;
        if now >= expires_at {
            return Err(TokenError::Expired);
        }
        if now + CLOCK_TOLERANCE < claims.begins_at()? {
            return Err(TokenError::NotYetValid);
        }
        let id = claims.user().ok_or(TokenError::NoUser)?;
        let principal = Principal {
            id,
            name: claims.shown("name"),
            email: claims.shown("email"),
        };
        Ok(Session {
            principal,
            expires_at,
        })
    }

    /// The claims, if any of the secrets has signed them.
    fn authentic(&self, token: &str) -> Result<Claims, TokenError> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Malformed)?;
        if header.alg != Algorithm::HS256 {
            return Err(TokenError::Algorithm);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let signed_with =
            |key| crypto::verify(signature, message.as_bytes(), key, Algorithm::HS256);
        if !self
            .verifying
            .iter()
            .any(|key| signed_with(key).unwrap_or(false))
        {
            return Err(TokenError::Forged);
        }
        // Dangerous only for those who have not verified the signature, as was done above. The
        // usual way does both, but reads the claims by its own rules too and stumbles over what we
        // ignore.
        dangerous::insecure_decode_claims(token).map_err(|_| TokenError::Malformed)
    }
}

impl Claims {
    fn expires_at(&self) -> Result<SystemTime, TokenError> {
        let exp = self.0.get("exp").ok_or(TokenError::Times)?;
        Ok(time(exp)? + CLOCK_TOLERANCE)
    }

    fn begins_at(&self) -> Result<SystemTime, TokenError> {
        self.0.get("nbf").map_or(Ok(UNIX_EPOCH), |nbf| time(nbf))
    }

    /// The user is the claim `id`, else `sub`. What is not text, or empty, counts as absent; text
    /// that cannot be a user's id does not, so that nobody becomes somebody else by it.
    fn user(&self) -> Option<UserId> {
        let mut ids = ["id", "sub"].into_iter().filter_map(|name| self.text(name));
        UserId::new(ids.find(|id| !id.is_empty())?)
    }

    /// The claim's text as others are shown it; none where it holds U+0000, which not every database keeps.
    fn shown(&self, name: &str) -> Option<String> {
        self.text(name).filter(|text| !text.contains('\0'))
    }

    /// The claim's text; none when it is something else, or not valid Unicode (half of a surrogate
    /// pair, where a name was cut within an emoji).
    fn text(&self, name: &str) -> Option<String> {
        self.0
            .get(name)
            .and_then(|claim| serde_json::from_str(claim.get()).ok())
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens")
            .field("secrets", &self.verifying.len())
            .finish_non_exhaustive()
    }
}

/// The claim's moment in seconds since 1970, fractions allowed; whatever lies outside of what a
/// clock can show is drawn to its end.
fn time(claim: &RawValue) -> Result<SystemTime, TokenError> {
    /// The last moment that JavaScript's clock can show, in milliseconds.
    const LAST: f64 = 8.64e15;
    let seconds: f64 = serde_json::from_str(claim.get()).map_err(|_| TokenError::Times)?;
    let milliseconds = (seconds * 1000.0).clamp(0.0, LAST);
    Ok(UNIX_EPOCH + Duration::from_millis(milliseconds as u64))
}

fn since_epoch(time: SystemTime) -> Duration {
    // A clock before 1970 is broken, and a token of its time is expired, as it should be.
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn tokens(secrets: &str) -> Tokens {
        Tokens::new(&Secrets::from_list(secrets).unwrap())
    }

    /// A token with these claims, as another application would sign it.
    fn signed(claims: Value) -> String {
        let key = EncodingKey::from_secret(b"secret");
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap()
    }

    fn verify(claims: Value) -> Result<Session, TokenError> {
        tokens("secret").verify(&signed(claims), at(NOW))
    }

    fn ana() -> Principal {
        Principal {
            id: UserId::new("ana").unwrap(),
            name: Some("Ana 🚀".to_owned()),
            email: Some("ana@example.com".to_owned()),
        }
    }

    #[test]
    fn a_token_brings_back_whom_it_was_issued_to() {
        let tokens = tokens("secret");
        let token = tokens.issue(&ana(), at(NOW), Duration::from_secs(60));
        let session = tokens.verify(&token, at(NOW)).unwrap();
        assert_eq!(
            session,
            Session {
                principal: ana(),
                expires_at: at(NOW + 75)
            }
        );
    }

    #[test]
    fn a_token_is_refused_from_the_moment_on_that_its_session_names() {
        let tokens = tokens("secret");
        let token = tokens.issue(&ana(), at(NOW), Duration::from_secs(60));
        let last = at(NOW + 75) - Duration::from_millis(1);
        assert!(tokens.verify(&token, last).is_ok());
        assert_eq!(
            tokens.verify(&token, at(NOW + 75)),
            Err(TokenError::Expired)
        );
    }

    #[test]
    fn a_token_for_longer_than_any_clock_runs_does_not_end() {
        let tokens = tokens("secret");
        let token = tokens.issue(&ana(), at(NOW), Duration::MAX);
        assert!(tokens.verify(&token, at(NOW)).is_ok());
        assert!(verify(json!({ "sub": "ana", "exp": 1e300 })).is_ok());
        assert_eq!(
            verify(json!({ "sub": "ana", "exp": -1e300 })),
            Err(TokenError::Expired)
        );
    }

    #[test]
    fn a_token_is_taken_up_to_the_tolerance_before_its_time() {
        let not_before = |nbf: Value| verify(json!({ "sub": "ana", "exp": NOW + 60, "nbf": nbf }));
        assert!(not_before(json!(NOW + 15)).is_ok());
        assert_eq!(not_before(json!(NOW + 16)), Err(TokenError::NotYetValid));
        assert_eq!(
            not_before(json!((NOW + 15) as f64 + 0.5)),
            Err(TokenError::NotYetValid)
        );
        assert_eq!(not_before(json!("now")), Err(TokenError::Times));
        assert_eq!(not_before(json!(null)), Err(TokenError::Times));
    }

    #[test]
    fn an_end_is_a_number_and_there_has_to_be_one() {
        assert_eq!(verify(json!({ "sub": "ana" })), Err(TokenError::Times));
        for exp in [json!(null), json!("4102444800"), json!(true), json!([NOW])] {
            assert_eq!(
                verify(json!({ "sub": "ana", "exp": exp })),
                Err(TokenError::Times)
            );
        }
        let session = verify(json!({ "sub": "ana", "exp": NOW as f64 + 0.5 })).unwrap();
        assert_eq!(
            session.expires_at,
            at(NOW + 15) + Duration::from_millis(500)
        );
    }

    #[test]
    fn the_user_is_the_id_else_the_subject() {
        let user = |id: Value, sub: Value| {
            verify(json!({ "id": id, "sub": sub, "exp": NOW }))
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
    fn a_name_or_email_that_is_no_text_is_left_out() {
        let session =
            verify(json!({ "sub": "ana", "name": 5, "email": null, "exp": NOW })).unwrap();
        assert_eq!(
            (session.principal.name, session.principal.email),
            (None, None)
        );
    }

    #[test]
    fn what_a_token_says_beside_is_ignored_whatever_it_is() {
        for beside in [
            json!("app"),
            json!(["a", "b"]),
            json!({ "a": [null] }),
            json!(5),
        ] {
            let mut claims = json!({ "id": "ana", "exp": NOW });
            for name in ["sub", "aud", "iss", "iat", "jti"] {
                claims[name] = beside.clone();
            }
            assert!(verify(claims).is_ok(), "{beside}");
        }
    }

    #[test]
    fn every_secret_verifies_and_the_newest_signs() {
        let token = tokens("new,old").issue(&ana(), at(NOW), Duration::from_secs(60));
        assert!(tokens("newer,new").verify(&token, at(NOW)).is_ok());
        assert_eq!(
            tokens("old").verify(&token, at(NOW)),
            Err(TokenError::Forged)
        );
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for token in ["", ".", "..", "a.b", "a.b.c", "a.b.c.d", "zoë.b.c"] {
            assert_eq!(
                tokens("secret").verify(token, at(NOW)),
                Err(TokenError::Malformed),
                "{token}"
            );
        }
        assert_eq!(verify(json!([1])), Err(TokenError::Malformed));
        assert_eq!(verify(json!("ana")), Err(TokenError::Malformed));
    }

    #[test]
    fn tokens_do_not_show_their_secrets() {
        assert_eq!(
            format!("{:?}", tokens("hunter2,hunter3")),
            "Tokens { secrets: 2, .. }"
        );
    }
}
