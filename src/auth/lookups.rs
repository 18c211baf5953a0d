//! Sessions that are looked up, and how long that is believed: `auth.recheck`, so that a request costs no look-up of
//! its own. What is remembered is found by a digest of the token, not by the token.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use sha2::{Digest, Sha256};
use tracing::{debug, error};

use super::table::{Found, Table};
use super::{AuthError, Lookup, Session};
use crate::seldom::Seldom;

/// How many sessions are remembered. When there are more the memory begins anew.
const REMEMBERED: usize = 65_536;

/// A table of sessions, and what was read there lately.
pub(super) struct Lookups {
    table: Table,
    recheck: Duration,
    believed: Mutex<HashMap<[u8; 32], Believed>>,
    failures: Seldom,
}

/// What was found, and when.
struct Believed {
    found: Found,
    at: SystemTime,
}

impl Lookups {
    pub(super) fn new(table: Table, recheck: Duration) -> Self {
        Self {
            table,
            recheck,
            believed: Mutex::default(),
            failures: Seldom::new(),
        }
    }

    /// The session of this token, as it was read not longer ago than `auth.recheck`.
    pub(super) async fn session(&self, token: &str, now: SystemTime) -> Result<Session, AuthError> {
        if let Some(session) = self.believed_session(token, now) {
            return Ok(session);
        }
        let session = self.look_up(token, now).await?;
        match now < session.expires_at {
            true => Ok(session),
            false => Err(AuthError::Unauthorized),
        }
    }

    /// The session of this token as it is now, over or not.
    pub(super) async fn look_up(&self, token: &str, now: SystemTime) -> Result<Session, AuthError> {
        let found = self.table.find(token).await.map_err(|error| {
            match self.failures.now() {
                Some(unsaid) => error!(%error, unsaid, "a session could not be looked up"),
                None => debug!(%error, "a session could not be looked up"),
            }
            AuthError::Unavailable
        })?;
        let mut believed = self.believed();
        let Some(found) = found else {
            believed.remove(&digest(token));
            return Err(AuthError::Unauthorized);
        };
        if believed.len() >= REMEMBERED {
            believed.clear();
        }
        let one = Believed { found, at: now };
        let session = one.session(token, self.recheck);
        believed.insert(digest(token), one);
        Ok(session)
    }

    fn believed_session(&self, token: &str, now: SystemTime) -> Option<Session> {
        let believed = self.believed();
        let one = believed.get(&digest(token))?;
        // A clock that was set back makes nothing last longer.
        let fresh = (one.at..one.at + self.recheck).contains(&now);
        (fresh && now < one.found.expires_at).then(|| one.session(token, self.recheck))
    }

    fn believed(&self) -> MutexGuard<'_, HashMap<[u8; 32], Believed>> {
        // A map of what was read has no state to be half-changed: at worst it is read again.
        self.believed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Believed {
    fn session(&self, token: &str, believed_for: Duration) -> Session {
        let Found {
            principal,
            expires_at,
        } = self.found.clone();
        let lookup = Lookup {
            token: Arc::from(token),
            at: self.at,
            believed_for,
        };
        Session {
            lookup: Some(lookup),
            ..Session::new(principal, expires_at)
        }
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}
