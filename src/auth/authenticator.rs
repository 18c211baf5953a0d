//! Authenticates requests and sockets, records their users, and checks whether the sessions of sockets have ended.
//!
//! A user is recorded at the first request, and again after a change of name or email: see [`UserRecorder`].

use std::time::SystemTime;

use actix_web::http::header::HeaderMap;
use tracing::{debug, info};

use crate::{journal::Journal, telemetry::throttle::LogThrottle};

use super::{
    credentials::Credentials,
    metrics::AuthMetrics,
    session::{AuthError, UserSession},
    session_expiry::{SessionExpiry, SessionStatus},
    session_refusal::{SessionError, SessionRefusal},
    user_recorder::UserRecorder,
    user_session_verifier::UserSessionVerifier,
};

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

    /// Checks a socket's session at [its time](SessionExpiry::next_check). Before that time it is valid.
    ///
    /// A session that was looked up in the database is looked up again. It has ended if its row was deleted or has expired; its
    /// expiry may have been extended. A failed lookup ends the session only after its expiry.
    pub async fn check_expiry(&self, expiry: &mut SessionExpiry) -> SessionStatus {
        let now = SystemTime::now();
        if now < expiry.next_check() {
            return SessionStatus::Valid;
        }
        let Some(lookup) = &mut expiry.lookup else {
            return SessionStatus::Ended;
        };
        let found = self.verifier.look_up(&lookup.token, now).await;
        match found.map_err(AuthError::from) {
            Ok(found) if found.principal.id == expiry.user => expiry.expires_at = found.expires_at,
            Ok(_) | Err(AuthError::Unauthorized) => return SessionStatus::Ended,
            Err(AuthError::Unavailable) => {}
        }
        lookup.at = now;
        if now < expiry.expires_at {
            SessionStatus::Valid
        } else {
            SessionStatus::Ended
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
