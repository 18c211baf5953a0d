//! Caches the claims of authentic tokens, so that the next request with the same token needs no cryptography.
//!
//! Only authentic tokens are cached, so a client without a session cannot fill the cache. What a token says does not change, and
//! neither do the secrets of a running service; times are compared at each request. The cache holds digests instead of tokens: no
//! two tokens with equal digests are known, and a digest is no credential. A full cache evicts the tokens that were added first.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use sha2::{Digest, Sha256};

use super::claims::SessionClaims;
use super::credentials::{Credential, CredentialSource};

/// The maximum number of cached tokens.
const CAPACITY: usize = 8192;

/// The maximum length of a cached token in bytes. Longer ones are rare, and verified each time.
const MAX_LENGTH: usize = 2048;

/// The claims of authentic tokens.
#[derive(Default)]
pub(super) struct VerifiedTokens(Mutex<TokenTable>);

#[derive(Default)]
struct TokenTable {
    claims: HashMap<TokenKey, SessionClaims>,
    /// The keys of the table in the order in which they were added.
    order: VecDeque<TokenKey>,
}

/// The digest of a token, and where the token was found: keys depend on the name of the cookie.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct TokenKey {
    source: CredentialSource,
    digest: [u8; 32],
}

impl TokenKey {
    /// Returns the key of a token; `None` if it is too long to be cached.
    fn of(credential: &Credential) -> Option<Self> {
        let Credential { source, token } = credential;
        (token.len() <= MAX_LENGTH).then(|| Self {
            source: *source,
            digest: Sha256::digest(token).into(),
        })
    }
}

impl VerifiedTokens {
    /// Returns what `read` makes of the claims of this token, if it was verified before.
    pub(super) fn get<T>(
        &self,
        credential: &Credential,
        read: impl FnOnce(&SessionClaims) -> T,
    ) -> Option<T> {
        let key = TokenKey::of(credential)?;
        self.tokens().claims.get(&key).map(read)
    }

    /// Adds the claims of a token that was verified.
    pub(super) fn insert(&self, credential: &Credential, claims: SessionClaims) {
        if let Some(key) = TokenKey::of(credential) {
            self.tokens().insert(key, claims);
        }
    }

    fn tokens(&self) -> MutexGuard<'_, TokenTable> {
        // A panic under the lock cannot leave wrong claims: at worst some are missing.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TokenTable {
    fn insert(&mut self, key: TokenKey, claims: SessionClaims) {
        // Two requests may have verified one token at the same time.
        if self.claims.insert(key, claims).is_none() {
            self.order.push_back(key);
        }
        if self.claims.len() > CAPACITY
            && let Some(oldest) = self.order.pop_front()
        {
            self.claims.remove(&oldest);
        }
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
    fn full_cache_evicts_the_oldest_token_and_long_tokens_are_not_cached() {
        let (config, tokens) = (AuthConfig::default(), VerifiedTokens::default());
        let claims = Claims::parse(br#"{"sub":"ana","exp":1}"#).unwrap();
        let claims = claims.to_session_claims(&config.id_claims).unwrap();
        for number in 0..=CAPACITY {
            // The second insertion of a token changes nothing.
            for _ in 0..2 {
                tokens.insert(&credential(&number.to_string()), claims.clone());
            }
        }
        let is_cached = |token: &str| tokens.get(&credential(token), |_| ()).is_some();
        assert!(!is_cached("0"));
        assert!((1..=CAPACITY).all(|number| is_cached(&number.to_string())));
        assert_eq!(tokens.tokens().order.len(), CAPACITY);
        let long = credential(&"x".repeat(MAX_LENGTH + 1));
        tokens.insert(&long, claims);
        assert!(tokens.get(&long, |_| ()).is_none());
    }

    #[test]
    fn token_that_was_found_elsewhere_is_verified_again() {
        let (config, tokens) = (AuthConfig::default(), VerifiedTokens::default());
        let claims = Claims::parse(br#"{"sub":"ana","exp":1}"#).unwrap();
        tokens.insert(
            &credential("token"),
            claims.to_session_claims(&config.id_claims).unwrap(),
        );
        let cookie = Credential {
            source: CredentialSource::Cookie(0),
            ..credential("token")
        };
        assert!(tokens.get(&cookie, |_| ()).is_none());
    }
}
