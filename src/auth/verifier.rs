//! Tokens that prove themselves: encrypted or signed with a secret that the service shares with the application.
//!
//! How many parts a token has tells which of the two it is. Only the kinds of `auth.accept` are looked at.

use std::time::SystemTime;

use super::claims::{Claims, TokenError};
use super::keyring::Keyring;
use super::{Secrets, Session, Tokens};
use crate::config::{self, ClaimPath, TokenKind};

/// No cookie and no header brings more than this; what comes otherwise need not be longer.
const LONGEST: usize = 64 * 1024;

/// Judges tokens.
pub(super) struct Verifier {
    encrypted: Keyring,
    signed: Option<Tokens>,
    ids: Vec<ClaimPath>,
}

impl Verifier {
    pub(super) fn new(config: &config::Auth, secrets: &Secrets, tokens: Tokens) -> Self {
        Self {
            encrypted: Keyring::new(secrets, &config.cookies, &config.accept),
            signed: config.accept.contains(&TokenKind::Jwt).then_some(tokens),
            ids: config.id_claims.clone(),
        }
    }

    /// The session that the token stands for at `now`. It came in the cookie with this place among their names, or in
    /// none.
    pub(super) fn session(
        &self,
        token: &str,
        cookie: Option<usize>,
        now: SystemTime,
    ) -> Result<Session, TokenError> {
        self.claims(token, cookie)?.session(&self.ids, now)
    }

    fn claims(&self, token: &str, cookie: Option<usize>) -> Result<Claims, TokenError> {
        if token.len() > LONGEST {
            return Err(TokenError::Malformed);
        }
        match (token.split('.').count(), &self.signed) {
            (5, _) => Claims::parse(&self.encrypted.open(token, cookie)?),
            (3, Some(signed)) => signed.claims(token),
            (3, None) => Err(TokenError::Algorithm),
            (_, _) => Err(TokenError::Malformed),
        }
    }
}
