//! Signs and verifies HS256 JWTs with the secrets that are shared with the application.
//!
//! The crate jsonwebtoken checks the signature; [`Claims`] checks the claims. Only the audience is checked here, because
//! it applies to signed tokens only: encrypted sessions have no other recipient.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::crypto;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use serde::Serialize;

use super::claims::Claims;
use super::hs256;
use super::secrets::Secrets;
use super::session_refusal::SessionRefusal;
use crate::config::{Audience, AuthConfig};
use crate::domain::Principal;

/// The keys that sign and verify JWTs, and their audience.
#[derive(Clone)]
pub struct JwtKeys {
    signing: EncodingKey,
    verifying: Vec<DecodingKey>,
    audience: Option<Audience>,
}

/// The claims of an issued token.
#[derive(Serialize)]
struct IssuedClaims<'a> {
    sub: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<&'a str>,
    iat: u64,
    exp: u64,
}

impl JwtKeys {
    /// Returns keys that sign with the newest of the secrets and verify with all of them.
    pub fn new(secrets: &Secrets) -> Self {
        hs256::install();
        Self {
            signing: EncodingKey::from_secret(secrets.newest().as_bytes()),
            verifying: secrets
                .iter()
                .map(|secret| DecodingKey::from_secret(secret.as_bytes()))
                .collect(),
            audience: None,
        }
    }

    /// Returns the keys for the configured audience.
    pub(super) fn for_config(config: &AuthConfig, secrets: &Secrets) -> Self {
        Self::new(secrets).for_audience(config.jwt_audience.clone())
    }

    /// Returns the keys with an audience: issued tokens have it, and verified tokens must have it.
    pub fn for_audience(self, audience: Option<Audience>) -> Self {
        Self { audience, ..self }
    }

    /// Returns a token for `principal` that expires `ttl` after `now`.
    pub fn issue(&self, principal: &Principal, now: SystemTime, ttl: Duration) -> String {
        let now = since_epoch(now);
        let claims = IssuedClaims {
            sub: principal.id.as_str(),
            name: principal.name.as_deref(),
            email: principal.email.as_deref(),
            aud: self.audience.as_ref().map(Audience::as_str),
            iat: now.as_secs(),
            exp: now.saturating_add(ttl).as_secs(),
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.signing)
            .expect("strings and numbers serialize to JSON, and any bytes are an HMAC key")
    }

    /// Returns the claims of the token, if one of the secrets has signed it.
    pub(super) fn verify(&self, token: &str) -> Result<Claims, SessionRefusal> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| SessionRefusal::Malformed)?;
        // `crit` lists required extensions; none is supported.
        if header.alg != Algorithm::HS256 || header.crit.is_some() {
            return Err(SessionRefusal::AlgorithmNotAllowed);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(SessionRefusal::Malformed)?;
        let signed_with =
            |key| crypto::verify(signature, message.as_bytes(), key, Algorithm::HS256);
        let is_signed = |key| signed_with(key).unwrap_or(false);
        if !self.verifying.iter().any(is_signed) {
            return Err(SessionRefusal::NotAuthentic);
        }
        let (_, payload) = message.split_once('.').ok_or(SessionRefusal::Malformed)?;
        let payload = URL_SAFE_NO_PAD.decode(payload);
        let claims = Claims::parse(&payload.map_err(|_| SessionRefusal::Malformed)?)?;
        match &self.audience {
            Some(audience) if !claims.has_audience(audience) => Err(SessionRefusal::WrongAudience),
            Some(_) | None => Ok(claims),
        }
    }
}

/// Returns whether the text has the form of a signed token, whatever its algorithm.
pub(super) fn is_signed_token(token: &str) -> bool {
    token.split('.').count() == 3 && jsonwebtoken::decode_header(token).is_ok()
}

impl fmt::Debug for JwtKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtKeys")
            .field("secrets", &self.verifying.len())
            .finish_non_exhaustive()
    }
}

fn since_epoch(time: SystemTime) -> Duration {
    // A clock before 1970 is wrong; the token is then issued as expired.
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::auth::session::UserSession;
    use crate::domain::UserId;

    const NOW: u64 = 1_800_000_000;

    fn unix_time(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn keys(secrets: &str) -> JwtKeys {
        JwtKeys::new(&Secrets::from_list(secrets).unwrap())
    }

    fn verify(keys: &JwtKeys, token: &str, now: SystemTime) -> Result<UserSession, SessionRefusal> {
        let ids = ["id", "sub"].map(|id| id.parse().unwrap());
        keys.verify(token)?.to_session_claims(&ids)?.to_session(now)
    }

    fn ana() -> Principal {
        Principal {
            id: UserId::new("ana").unwrap(),
            name: Some("Ana 🚀".to_owned()),
            email: Some("ana@example.com".to_owned()),
        }
    }

    #[test]
    fn verified_token_has_the_principal_it_was_issued_for() {
        let keys = keys("secret");
        let token = keys.issue(&ana(), unix_time(NOW), Duration::from_secs(60));
        let session = verify(&keys, &token, unix_time(NOW)).unwrap();
        let expected = UserSession {
            issued_at: Some(unix_time(NOW)),
            ..UserSession::new(ana(), unix_time(NOW + 75))
        };
        assert_eq!(session, expected);
    }

    #[test]
    fn token_is_refused_from_the_expiry_of_its_session() {
        let keys = keys("secret");
        let token = keys.issue(&ana(), unix_time(NOW), Duration::from_secs(60));
        let last = unix_time(NOW + 75) - Duration::from_millis(1);
        assert!(verify(&keys, &token, last).is_ok());
        let refused = verify(&keys, &token, unix_time(NOW + 75));
        assert_eq!(refused, Err(SessionRefusal::Expired));
    }

    #[test]
    fn token_may_have_an_unlimited_lifetime() {
        let keys = keys("secret");
        let token = keys.issue(&ana(), unix_time(NOW), Duration::MAX);
        assert!(verify(&keys, &token, unix_time(NOW)).is_ok());
    }

    #[test]
    fn newest_secret_signs_and_every_secret_verifies() {
        let token = keys("new,old").issue(&ana(), unix_time(NOW), Duration::from_secs(60));
        assert!(keys("newer,new").verify(&token).is_ok());
        assert_eq!(
            keys("old").verify(&token).err(),
            Some(SessionRefusal::NotAuthentic)
        );
    }

    #[test]
    fn token_for_another_audience_is_refused() {
        let keys_for = |audience: &str| keys("secret").for_audience(audience.parse().ok());
        let issue = |keys: JwtKeys| keys.issue(&ana(), unix_time(NOW), Duration::from_secs(60));
        assert!(
            keys_for("vaults")
                .verify(&issue(keys_for("vaults")))
                .is_ok()
        );
        for token in [issue(keys_for("app")), issue(keys("secret"))] {
            let refused = keys_for("vaults").verify(&token).err();
            assert_eq!(refused, Some(SessionRefusal::WrongAudience));
        }
        assert!(keys("secret").verify(&issue(keys_for("app"))).is_ok());
    }

    #[test]
    fn malformed_token_is_refused() {
        for token in ["", ".", "..", "a.b", "a.b.c", "a.b.c.d", "zoë.b.c"] {
            let refused = keys("secret").verify(token).err();
            assert_eq!(refused, Some(SessionRefusal::Malformed), "{token}");
        }
        let signed = |claims: Value| {
            let key = EncodingKey::from_secret(b"secret");
            jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap()
        };
        for claims in [json!([1]), json!("ana")] {
            let refused = keys("secret").verify(&signed(claims)).err();
            assert_eq!(refused, Some(SessionRefusal::Malformed));
        }
    }

    #[test]
    fn debug_output_contains_no_secret() {
        let debug = format!("{:?}", keys("hunter2,hunter3"));
        assert_eq!(debug, "JwtKeys { secrets: 3, .. }");
    }
}
