//! A signed token: an HS256 JWT, signed with a secret that the service shares with the application.
//!
//! The signature is checked by jsonwebtoken. What the claims are worth is decided elsewhere ([`Claims`]), but for the
//! audience, which only signed tokens are asked for: an encrypted one is nobody else's anyhow.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::crypto::{self, aws_lc};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use serde::Serialize;

use super::Secrets;
use super::claims::{Claims, TokenError};
use crate::config::Audience;
use crate::domain::Principal;

/// Signs and verifies tokens.
#[derive(Clone)]
pub struct Tokens {
    signing: EncodingKey,
    verifying: Vec<DecodingKey>,
    audience: Option<Audience>,
}

/// What a token of ours says.
#[derive(Serialize)]
struct Issued<'a> {
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
            audience: None,
        }
    }

    /// Signs for this audience, and takes only what is meant for it.
    pub fn for_audience(self, audience: Option<Audience>) -> Self {
        Self { audience, ..self }
    }

    /// A token for `principal` that ends `ttl` after `now`.
    pub fn issue(&self, principal: &Principal, now: SystemTime, ttl: Duration) -> String {
        let now = since_epoch(now);
        let claims = Issued {
            sub: principal.id.as_str(),
            name: principal.name.as_deref(),
            email: principal.email.as_deref(),
            aud: self.audience.as_ref().map(Audience::as_str),
            iat: now.as_secs(),
            exp: now.saturating_add(ttl).as_secs(),
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.signing)
            .expect("texts and numbers are JSON, and any bytes are an HMAC key")
    }

    /// The claims, if any of the secrets has signed them.
    pub(super) fn claims(&self, token: &str) -> Result<Claims, TokenError> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Malformed)?;
        // Extensions that must be understood are not.
        if header.alg != Algorithm::HS256 || header.crit.is_some() {
            return Err(TokenError::Algorithm);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let signed_with =
            |key| crypto::verify(signature, message.as_bytes(), key, Algorithm::HS256);
        let is_signed = |key| signed_with(key).unwrap_or(false);
        if !self.verifying.iter().any(is_signed) {
            return Err(TokenError::Forged);
        }
        let (_, payload) = message.split_once('.').ok_or(TokenError::Malformed)?;
        let payload = URL_SAFE_NO_PAD.decode(payload);
        let claims = Claims::parse(&payload.map_err(|_| TokenError::Malformed)?)?;
        match &self.audience {
            Some(audience) if !claims.are_for(audience) => Err(TokenError::Audience),
            Some(_) | None => Ok(claims),
        }
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens")
            .field("secrets", &self.verifying.len())
            .finish_non_exhaustive()
    }
}

fn since_epoch(time: SystemTime) -> Duration {
    // A clock before 1970 is broken, and a token of its time is expired, as it should be.
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::auth::Session;
    use crate::domain::UserId;

    const NOW: u64 = 1_800_000_000;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn tokens(secrets: &str) -> Tokens {
        Tokens::new(&Secrets::from_list(secrets).unwrap())
    }

    fn verify(tokens: &Tokens, token: &str, now: SystemTime) -> Result<Session, TokenError> {
        let ids = ["id", "sub"].map(|id| id.parse().unwrap());
        tokens.claims(token)?.session(&ids, now)
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
        let session = verify(&tokens, &token, at(NOW)).unwrap();
        assert_eq!(session, Session::new(ana(), at(NOW + 75)));
    }

    #[test]
    fn a_token_is_refused_from_the_moment_on_that_its_session_names() {
        let tokens = tokens("secret");
        let token = tokens.issue(&ana(), at(NOW), Duration::from_secs(60));
        let last = at(NOW + 75) - Duration::from_millis(1);
        assert!(verify(&tokens, &token, last).is_ok());
        let refused = verify(&tokens, &token, at(NOW + 75));
        assert_eq!(refused, Err(TokenError::Expired));
    }

    #[test]
    fn a_token_may_be_issued_for_longer_than_any_clock_runs() {
        let tokens = tokens("secret");
        let token = tokens.issue(&ana(), at(NOW), Duration::MAX);
        assert!(verify(&tokens, &token, at(NOW)).is_ok());
    }

    #[test]
    fn every_secret_verifies_and_the_newest_signs() {
        let token = tokens("new,old").issue(&ana(), at(NOW), Duration::from_secs(60));
        assert!(tokens("newer,new").claims(&token).is_ok());
        assert_eq!(tokens("old").claims(&token).err(), Some(TokenError::Forged));
    }

    #[test]
    fn a_token_is_for_its_audience_and_for_no_other() {
        let of = |audience: &str| tokens("secret").for_audience(audience.parse().ok());
        let issue = |tokens: Tokens| tokens.issue(&ana(), at(NOW), Duration::from_secs(60));
        assert!(of("vaults").claims(&issue(of("vaults"))).is_ok());
        for token in [issue(of("app")), issue(tokens("secret"))] {
            let refused = of("vaults").claims(&token).err();
            assert_eq!(refused, Some(TokenError::Audience));
        }
        assert!(tokens("secret").claims(&issue(of("app"))).is_ok());
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for token in ["", ".", "..", "a.b", "a.b.c", "a.b.c.d", "zoë.b.c"] {
            let refused = tokens("secret").claims(token).err();
            assert_eq!(refused, Some(TokenError::Malformed), "{token}");
        }
        let signed = |claims: Value| {
            let key = EncodingKey::from_secret(b"secret");
            jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap()
        };
        for claims in [json!([1]), json!("ana")] {
            let refused = tokens("secret").claims(&signed(claims)).err();
            assert_eq!(refused, Some(TokenError::Malformed));
        }
    }

    #[test]
    fn tokens_do_not_show_their_secrets() {
        let shown = format!("{:?}", tokens("hunter2,hunter3"));
        assert_eq!(shown, "Tokens { secrets: 2, .. }");
    }
}
