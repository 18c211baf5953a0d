//! Which session cookies are considered: those of other projects on the same host may be of a kind that `auth.accept` does
//! not name, and are passed over.
//!
//! The value of a cookie shows its kind, except for an `A256GCM` token, which NextAuth 4 and early versions of Auth.js 5
//! have in common, and for a value that is not a token. There the name of the cookie decides, if it is a standard one.

use super::jwe::Jwe;
use super::jwt::is_signed_token;
use crate::config::{AuthConfig, AuthStrategy, CookieName, TokenKind};

/// Whether a cookie is of an accepted kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CookieRelevance {
    /// The cookie decides, valid or not.
    Decides,
    /// The cookie may be of an accepted kind. It decides if it is authentic, and is passed over otherwise.
    DecidesIfAuthentic,
    /// The cookie is passed over.
    PassedOver,
}

/// The accepted kinds of cookies.
pub(super) struct CookieKinds {
    strategy: AuthStrategy,
    accept: Vec<TokenKind>,
    /// The kind that each name of `auth.cookies` stands for; `None` for a name that is not a standard one.
    by_name: Vec<Option<TokenKind>>,
}

impl CookieKinds {
    /// Returns the kinds that this configuration accepts.
    pub(super) fn new(config: &AuthConfig) -> Self {
        Self {
            strategy: config.strategy,
            accept: config.accept.clone(),
            by_name: config.cookies.iter().map(kind_of_name).collect(),
        }
    }

    /// Returns whether a cookie decides. `index` is that of its name in `auth.cookies`.
    pub(super) fn relevance(&self, index: usize, token: &str) -> CookieRelevance {
        match self.strategy {
            AuthStrategy::Jwt => self.relevance_of_token(index, token),
            AuthStrategy::Database => self.relevance_of_session_id(index, token),
        }
    }

    fn relevance_of_token(&self, index: usize, token: &str) -> CookieRelevance {
        let kind_of_name = self.by_name.get(index).copied().flatten();
        let by_name = kind_of_name.map_or(CookieRelevance::Decides, |kind| self.decides(kind));
        if is_signed_token(token) {
            return self.decides(TokenKind::Jwt);
        }
        match Jwe::parse(token) {
            Ok(jwe) if jwe.is_cbc() => self.decides(TokenKind::Authjs),
            // Early versions of Auth.js 5 used the cookie names of NextAuth 4.
            Ok(_) if by_name == CookieRelevance::PassedOver && self.accepts_encrypted() => {
                CookieRelevance::DecidesIfAuthentic
            }
            Ok(_) | Err(_) => by_name,
        }
    }

    /// A row's id may be any text, so the name decides; but it is not an encrypted token.
    fn relevance_of_session_id(&self, index: usize, token: &str) -> CookieRelevance {
        if Jwe::parse(token).is_ok() {
            return CookieRelevance::PassedOver;
        }
        match self.by_name.get(index).copied().flatten() {
            Some(kind) if self.accepts_encrypted() => self.decides(kind),
            Some(_) | None => CookieRelevance::Decides,
        }
    }

    fn decides(&self, kind: TokenKind) -> CookieRelevance {
        match self.accepts(kind) {
            true => CookieRelevance::Decides,
            false => CookieRelevance::PassedOver,
        }
    }

    fn accepts_encrypted(&self) -> bool {
        self.accepts(TokenKind::Authjs) || self.accepts(TokenKind::NextAuth)
    }

    fn accepts(&self, kind: TokenKind) -> bool {
        self.accept.contains(&kind)
    }
}

/// Returns the kind that a standard cookie name stands for.
fn kind_of_name(name: &CookieName) -> Option<TokenKind> {
    let name = name.as_str();
    let bare = name.strip_prefix("__Secure-").unwrap_or(name);
    match bare.strip_prefix("__Host-").unwrap_or(bare) {
        "authjs.session-token" => Some(TokenKind::Authjs),
        "next-auth.session-token" => Some(TokenKind::NextAuth),
        _ => None,
    }
}
