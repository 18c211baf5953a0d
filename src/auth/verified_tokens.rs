//! Caches the claims of authentic tokens, so that the next request with the same token needs no cryptography.
//!
//! Only authentic tokens are cached, so a client without a session cannot fill the cache. What a token says does not change, and
//! neither do the secrets of a running service; times are compared at each request. Tokens are compared as a whole: equal
//! hashes are not enough.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::claims::SessionClaims;
use super::credentials::{Credential, CredentialSource};

/// The maximum number of cached tokens. A full cache is cleared, which costs one verification for each token in use.
const CAPACITY: usize = 8192;

/// The maximum length of a cached token in bytes. Longer ones are rare, and verified each time.
const MAX_LENGTH: usize = 2048;

/// The claims of authentic tokens.
#[derive(Default)]
pub(super) struct VerifiedTokens(Mutex<HashMap<Box<str>, VerifiedToken>>);

/// The claims of a token, and where it was found: keys depend on the name of the cookie.
struct VerifiedToken {
    source: CredentialSource,
    claims: SessionClaims,
}

impl VerifiedTokens {
    /// Returns what `read` makes of the claims of this token, if it was verified before.
    pub(super) fn get<T>(
        &self,
        credential: &Credential,
        read: impl FnOnce(&SessionClaims) -> T,
    ) -> Option<T> {
        let tokens = self.tokens();
        let verified = tokens.get(credential.token.as_str())?;
        (verified.source == credential.source).then(|| read(&verified.claims))
    }

    /// Adds the claims of a token that was verified.
    pub(super) fn insert(&self, credential: &Credential, claims: SessionClaims) {
        if credential.token.len() > MAX_LENGTH {
            return;
        }
        let mut tokens = self.tokens();
        if tokens.len() >= CAPACITY {
            tokens.clear();
        }
        let source = credential.source;
        let verified = VerifiedToken { source, claims };
        tokens.insert(credential.token.as_str().into(), verified);
    }

    fn tokens(&self) -> MutexGuard<'_, HashMap<Box<str>, VerifiedToken>> {
        // A panic under the lock cannot leave a wrong entry: at worst one is missing.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::{
        auth::{
            claims::Claims, jwt::JwtKeys, secrets::Secrets, session_refusal::SessionRefusal,
            token_verifier::TokenVerifier,
        },
        config::AuthConfig,
        domain::{Principal, UserId},
    };

    fn credential(token: &str) -> Credential {
        Credential {
            source: CredentialSource::Bearer,
            token: token.to_owned(),
        }
    }

    #[test]
    fn cached_token_is_refused_from_its_expiry_and_a_changed_one_is_not_authentic() {
        let (config, secrets) = (AuthConfig::default(), Secrets::from_list("secret").unwrap());
        let keys = JwtKeys::new(&secrets);
        let verifier = TokenVerifier::new(&config, &secrets, keys.clone());
        let user = Principal {
            id: UserId::new("ana").unwrap(),
            name: Some("Ana".to_owned()),
            email: None,
        };
        let now = SystemTime::now();
        let token = keys.issue(&user, now, Duration::from_secs(60));
        let first = verifier.session(&credential(&token), now).unwrap();
        assert_eq!(first.principal, user);
        assert_eq!(verifier.session(&credential(&token), now), Ok(first));
        let expired = verifier.session(&credential(&token), now + Duration::from_secs(80));
        assert_eq!(expired, Err(SessionRefusal::Expired));
        let (changed, _) = token.rsplit_once('.').unwrap();
        let changed = verifier.session(&credential(&format!("{changed}.AAAA")), now);
        assert_eq!(changed, Err(SessionRefusal::NotAuthentic));
    }

    #[test]
    fn full_cache_is_cleared_and_long_tokens_are_not_cached() {
        let (config, tokens) = (AuthConfig::default(), VerifiedTokens::default());
        let claims = Claims::parse(br#"{"sub":"ana","exp":1}"#).unwrap();
        let claims = claims.to_session_claims(&config.id_claims).unwrap();
        for number in 0..=CAPACITY {
            tokens.insert(&credential(&number.to_string()), claims.clone());
        }
        assert_eq!(tokens.tokens().len(), 1);
        let long = credential(&"x".repeat(MAX_LENGTH + 1));
        tokens.insert(&long, claims);
        assert!(tokens.get(&long, |_| ()).is_none());
    }
}
