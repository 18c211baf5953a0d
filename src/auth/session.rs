//! A verified user session, and the errors of authentication.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::domain::Principal;

/// Why a request or socket is not authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// There is no credential, or an invalid one. The client receives no further details.
    #[error("UNAUTHORIZED")]
    Unauthorized,
    /// The credential could not be checked. It may be valid, and the client may try again.
    #[error("AUTHENTICATION_FAILED")]
    Unavailable,
}

/// A verified user session: the user and the time of expiry.
#[derive(Clone, Debug, PartialEq)]
pub struct UserSession {
    /// The user on whose behalf the client acts.
    pub principal: Principal,
    /// The time from which the session is refused: its expiry plus the clock tolerance.
    pub expires_at: SystemTime,
    /// When the application issued the session, or when its row was looked up; `None` if the token has no usable `iat`.
    pub(super) issued_at: Option<SystemTime>,
    /// How the session was looked up; `None` if its token was verified by a secret.
    pub(super) lookup: Option<UserSessionLookup>,
}

impl UserSession {
    /// Returns an undated session whose token was verified by a secret.
    pub(super) fn new(principal: Principal, expires_at: SystemTime) -> Self {
        Self {
            principal,
            expires_at,
            issued_at: None,
            lookup: None,
        }
    }
}

/// The lookup of a session, with what is needed to repeat it.
#[derive(Clone, PartialEq)]
pub(super) struct UserSessionLookup {
    pub(super) token: Arc<str>,
    /// The time of the lookup.
    pub(super) at: SystemTime,
    /// How long the result is valid.
    pub(super) valid_for: Duration,
}

impl fmt::Debug for UserSessionLookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserSessionLookup")
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}
