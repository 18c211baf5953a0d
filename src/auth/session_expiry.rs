//! The end of the user session of a socket.

use std::time::{Duration, SystemTime};

use crate::domain::UserId;

use super::session::{UserSession, UserSessionLookup};

/// The minimum interval between two lookups of a socket's session, whatever `auth.recheck` is.
const MIN_RECHECK: Duration = Duration::from_secs(1);

/// When a user session ends, and what is needed to look it up again.
/// [`Authenticator::check_expiry`](super::Authenticator::check_expiry) checks it.
pub struct SessionExpiry {
    pub(super) user: UserId,
    pub(super) expires_at: SystemTime,
    /// `None` if the token was verified by a secret. Boxed, because most sockets have none.
    pub(super) lookup: Option<Box<UserSessionLookup>>,
}

/// Whether a user session has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionStatus {
    /// It is valid until the next check.
    Valid,
    /// It has expired, or its row was deleted.
    Ended,
}

impl SessionExpiry {
    /// Returns the time of the next check: the expiry or, if it is earlier, the next lookup.
    pub fn next_check(&self) -> SystemTime {
        match &self.lookup {
            Some(lookup) => {
                let next_lookup = lookup.at + lookup.valid_for.max(MIN_RECHECK);
                self.expires_at.min(next_lookup)
            }
            None => self.expires_at,
        }
    }
}

impl From<UserSession> for SessionExpiry {
    fn from(session: UserSession) -> Self {
        Self {
            user: session.principal.id,
            expires_at: session.expires_at,
            lookup: session.lookup.map(Box::new),
        }
    }
}
