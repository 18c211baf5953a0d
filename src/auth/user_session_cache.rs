//! Caches session lookups for `auth.recheck`, so that most requests need no query. A cached session is found by a
//! digest of its token; the token itself is not stored as a key.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use sha2::{Digest, Sha256};
use tracing::{debug, error};

use super::session::{UserSession, UserSessionLookup};
use super::session_refusal::{SessionError, SessionRefusal};
use super::user_session_lookups::{TokenHistory, UserSessionLookups};
use super::user_session_record::{UserSessionRecord, UserSessionTableError};
use super::user_session_table::{UserSessionTable, is_possible_token};
use crate::telemetry::throttle::LogThrottle;

/// The maximum number of cached sessions. A full cache is cleared.
const CAPACITY: usize = 65_536;

/// The table of sessions with a cache of its rows.
pub(super) struct UserSessionCache {
    lookups: UserSessionLookups,
    recheck: Duration,
    cached: Mutex<HashMap<TokenDigest, CachedSession>>,
    failures: LogThrottle,
}

type TokenDigest = [u8; 32];

/// A row and the time of its lookup.
struct CachedSession {
    record: UserSessionRecord,
    looked_up_at: SystemTime,
}

impl UserSessionCache {
    /// Returns an empty cache whose entries are valid for `recheck`. Requires a Tokio runtime.
    pub(super) fn new(table: UserSessionTable, recheck: Duration) -> Self {
        Self {
            lookups: UserSessionLookups::start(table),
            recheck,
            cached: Mutex::default(),
            failures: LogThrottle::new(),
        }
    }

    /// Returns the session of this token from the cache or the table.
    pub(super) async fn session(
        &self,
        token: &str,
        now: SystemTime,
    ) -> Result<UserSession, SessionError> {
        if let Some(session) = self.cached_session(token, now) {
            return Ok(session);
        }
        let session = self.look_up(token, now).await?;
        match now < session.expires_at {
            true => Ok(session),
            false => Err(SessionRefusal::Expired.into()),
        }
    }

    /// Reads the session of this token from the table, and caches it. The session may have expired.
    pub(super) async fn look_up(
        &self,
        token: &str,
        now: SystemTime,
    ) -> Result<UserSession, SessionError> {
        if !is_possible_token(token) {
            return Err(SessionRefusal::NoSuchSession.into());
        }
        // A known token is in the cache, even if its entry is not fresh any more.
        let history = match self.cached().contains_key(&digest(token)) {
            true => TokenHistory::Known,
            false => TokenHistory::Unknown,
        };
        let record = self.lookups.find(token, history).await.map_err(|error| {
            match self.failures.allow() {
                Some(suppressed) => error!(%error, suppressed, "session lookup failed"),
                None => debug!(%error, "session lookup failed"),
            }
            match *error {
                UserSessionTableError::Row(_) => SessionRefusal::UnreadableRow.into(),
                _ => SessionError::Unavailable,
            }
        })?;
        let mut cached = self.cached();
        let Some(record) = record else {
            cached.remove(&digest(token));
            return Err(SessionRefusal::NoSuchSession.into());
        };
        if cached.len() >= CAPACITY {
            cached.clear();
        }
        let entry = CachedSession {
            record,
            looked_up_at: now,
        };
        let session = entry.to_session(token, self.recheck);
        cached.insert(digest(token), entry);
        Ok(session)
    }

    fn cached_session(&self, token: &str, now: SystemTime) -> Option<UserSession> {
        let cached = self.cached();
        let entry = cached.get(&digest(token))?;
        // The range has a lower bound, so that a clock that is set back does not extend the validity.
        let is_fresh = (entry.looked_up_at..entry.looked_up_at + self.recheck).contains(&now);
        let is_valid = is_fresh && now < entry.record.expires_at;
        is_valid.then(|| entry.to_session(token, self.recheck))
    }

    fn cached(&self) -> MutexGuard<'_, HashMap<TokenDigest, CachedSession>> {
        // A panic under the lock cannot leave a wrong entry: at worst one is missing and read again.
        self.cached.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CachedSession {
    fn to_session(&self, token: &str, valid_for: Duration) -> UserSession {
        let UserSessionRecord {
            principal,
            expires_at,
        } = self.record.clone();
        let lookup = UserSessionLookup {
            token: Arc::from(token),
            at: self.looked_up_at,
            valid_for,
        };
        UserSession {
            // The row is as it was at the lookup, whatever the age of the session.
            issued_at: Some(self.looked_up_at),
            lookup: Some(lookup),
            ..UserSession::new(principal, expires_at)
        }
    }
}

fn digest(token: &str) -> TokenDigest {
    Sha256::digest(token).into()
}
