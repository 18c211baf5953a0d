//! Authenticates requests and sockets, records their users, and waits for the end of their sessions.
//!
//! A user is recorded at the first request, and again after a change of name or email: see [`UserRecorder`].

use std::time::{Duration, SystemTime};

use actix_web::http::header::HeaderMap;
use tracing::{debug, info};

use crate::{journal::Journal, telemetry::throttle::LogThrottle};

use super::{
    credentials::Credentials,
    metrics::AuthMetrics,
    session::{AuthError, UserSession},
    session_refusal::{SessionError, SessionRefusal},
    user_recorder::UserRecorder,
    user_session_verifier::UserSessionVerifier,
};

/// The minimum interval between two lookups of a socket's session, whatever `auth.recheck` is.
const MIN_RECHECK: Duration = Duration::from_secs(1);

/// Limits the line about sessions of other secrets.
static NOT_AUTHENTIC_LOG: LogThrottle = LogThrottle::new();

/// Authenticates clients and records users. Cheap to clone.
#[derive(Clone)]
pub struct Authenticator {
    verifier: UserSessionVerifier,
    recorder: UserRecorder,
    metrics: AuthMetrics,
}

impl Authenticator {
    /// Returns an authenticator that records users in this journal.
    pub fn new(verifier: UserSessionVerifier, journal: Journal, metrics: AuthMetrics) -> Self {
        Self {
            verifier,
            recorder: UserRecorder::new(journal),
            metrics,
        }
    }

    /// Returns the credentials in a request's headers.
    pub fn credentials(&self, headers: &HeaderMap) -> Credentials {
        self.verifier.credentials(headers)
    }

    /// Returns the session of these credentials, and records its user.
    ///
    /// # Errors
    /// `Unauthorized` without a valid session; `Unavailable` if the session or the user could not be looked up.
    pub async fn authenticate(&self, credentials: &Credentials) -> Result<UserSession, AuthError> {
        let now = SystemTime::now();
        let session = self.verifier.session(credentials, now).await;
        let session = session.inspect_err(|error| self.report_refusal(credentials, *error))?;
        self.recorder.record(&session, now).await?;
        Ok(session)
    }

    /// Waits until the session ends: until it expires or, if it was looked up, until its row is deleted.
    ///
    /// A session from the database is looked up again periodically, and once more at its expiry, which may have been
    /// extended. A failed lookup ends the session only after its expiry.
    pub async fn wait_until_expired(&self, session: UserSession) {
        let mut expires_at = session.expires_at;
        let Some(mut lookup) = session.lookup else {
            drop(session.principal);
            return sleep_until(expires_at).await;
        };
        loop {
            let next_lookup = lookup.at + lookup.valid_for.max(MIN_RECHECK);
            sleep_until(expires_at.min(next_lookup)).await;
            let now = SystemTime::now();
            let found = self.verifier.look_up(&lookup.token, now).await;
            match found.map_err(AuthError::from) {
                Ok(found) if found.principal.id == session.principal.id => {
                    expires_at = found.expires_at;
                    if now >= expires_at {
                        return;
                    }
                }
                Ok(_) | Err(AuthError::Unauthorized) => return,
                Err(AuthError::Unavailable) if now >= expires_at => return,
                Err(AuthError::Unavailable) => {}
            }
            lookup.at = now;
        }
    }

    /// Counts and logs a refused session.
    fn report_refusal(&self, credentials: &Credentials, error: SessionError) {
        let SessionError::Refused(reason) = error else {
            return;
        };
        self.metrics.count_refusal(reason);
        debug!(source = ?credentials, %reason, "session refused");
        if reason == SessionRefusal::NotAuthentic
            && let Some(suppressed) = NOT_AUTHENTIC_LOG.allow()
        {
            let secrets = self.verifier.secrets_summary();
            info!(source = ?credentials, secrets, suppressed, "session refused: no configured secret decrypts it or has signed it");
        }
    }
}

/// Sleeps until this time of the system clock.
async fn sleep_until(time: SystemTime) {
    while let Ok(left) = time.duration_since(SystemTime::now())
        && !left.is_zero()
    {
        tokio::time::sleep(left).await;
    }
}
