//! Verifies tokens by a secret that the service shares with the application: encrypted or signed ones.
//!
//! The number of parts distinguishes encrypted tokens from signed ones. Only the kinds in `auth.accept` are accepted.

use std::time::SystemTime;

use super::claims::Claims;
use super::credentials::Credential;
use super::jwt::JwtKeys;
use super::keyring::Keyring;
use super::secrets::Secrets;
use super::session::UserSession;
use super::session_refusal::SessionRefusal;
use super::verified_tokens::VerifiedTokens;
use crate::config::{AuthConfig, ClaimPath, TokenKind};

/// The maximum length of a token in bytes. Cookies and headers are shorter, so a payload need not be longer.
const MAX_TOKEN_LENGTH: usize = 64 * 1024;

/// Verifies encrypted and signed tokens.
pub(super) struct TokenVerifier {
    keyring: Keyring,
    /// `None` if signed tokens are not accepted.
    jwt_keys: Option<JwtKeys>,
    id_claims: Vec<ClaimPath>,
    verified: VerifiedTokens,
}

impl TokenVerifier {
    /// Returns a verifier for the accepted kinds of token.
    pub(super) fn new(config: &AuthConfig, secrets: &Secrets, jwt_keys: JwtKeys) -> Self {
        Self {
            keyring: Keyring::new(secrets, &config.cookies, &config.accept),
            jwt_keys: config.accept.contains(&TokenKind::Jwt).then_some(jwt_keys),
            id_claims: config.id_claims.clone(),
            verified: VerifiedTokens::default(),
        }
    }

    /// Returns the session of the credential at `now`.
    pub(super) fn session(
        &self,
        credential: &Credential,
        now: SystemTime,
    ) -> Result<UserSession, SessionRefusal> {
        let cached = self
            .verified
            .get(credential, |claims| claims.to_session(now));
        if let Some(session) = cached {
            return session;
        }
        let claims = self
            .claims(credential)?
            .to_session_claims(&self.id_claims)?;
        let session = claims.to_session(now)?;
        self.verified.insert(credential, claims);
        Ok(session)
    }

    fn claims(&self, credential: &Credential) -> Result<Claims, SessionRefusal> {
        let Credential { source, token } = credential;
        if token.len() > MAX_TOKEN_LENGTH {
            return Err(SessionRefusal::Malformed);
        }
        match (token.split('.').count(), &self.jwt_keys) {
            (5, _) => Claims::parse(&self.keyring.decrypt(token, *source)?),
            (3, Some(keys)) => keys.verify(token),
            (3, None) => Err(SessionRefusal::AlgorithmNotAllowed),
            (_, _) => Err(SessionRefusal::Malformed),
        }
    }
}
