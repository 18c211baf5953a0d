//! The gate that both doors ask: whose session is this, and is the user known here?
//!
//! A user is recorded the first time that he is seen, and again when his name or email has changed. Who was
//! recorded is remembered, so that a request costs no write; that memory is one for all worker threads, and its
//! lock is held for one look at a map.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use actix_web::http::header::HeaderMap;

use crate::{
    domain::{Principal, User, UserId},
    journal::{Journal, report},
};

use super::{Auth, AuthError, Credentials, Session};

/// How many users are remembered as recorded. When there are more the memory begins anew, which costs each of
/// them one write.
const REMEMBERED: usize = 65_536;

/// However little looked-up sessions are believed, those of sockets are not looked up more often than this.
const AT_LEAST: Duration = Duration::from_secs(1);

/// Checks sessions and records whose they are. Cheap to clone.
#[derive(Clone)]
pub struct Gate {
    auth: Auth,
    journal: Journal,
    recorded: Arc<Mutex<HashMap<UserId, User>>>,
}

impl Gate {
    /// A gate that records users in this journal.
    pub fn new(auth: Auth, journal: Journal) -> Self {
        Self {
            auth,
            journal,
            recorded: Arc::default(),
        }
    }

    /// What a request's headers bring to show.
    pub fn credentials(&self, headers: &HeaderMap) -> Credentials {
        self.auth.credentials(headers)
    }

    /// The session of whoever shows these credentials.
    ///
    /// # Errors
    /// `Unauthorized` without a good session; `Unavailable` when the database cannot tell whether the user is known.
    pub async fn admit(&self, credentials: &Credentials) -> Result<Session, AuthError> {
        let session = self.auth.session(credentials, SystemTime::now()).await?;
        if !self.remembers(&session.principal) {
            self.record(&session.principal).await?;
        }
        Ok(session)
    }

    /// Waits until the session is over: until its end or, if it was looked up, until it is gone. It is looked up
    /// again from time to time, and once more at its end, as it may have got a later one. That it could not be looked
    /// up ends it only then.
    pub async fn over(&self, session: Session) {
        let mut ends = session.expires_at;
        let Some(mut lookup) = session.lookup else {
            drop(session.principal);
            return until(ends).await;
        };
        loop {
            until(ends.min(lookup.at + lookup.believed_for.max(AT_LEAST))).await;
            let now = SystemTime::now();
            match self.auth.look_up(&lookup.token, now).await {
                Ok(found) if found.principal.id == session.principal.id => {
                    ends = found.expires_at;
                    if now >= ends {
                        return;
                    }
                }
                Ok(_) | Err(AuthError::Unauthorized) => return,
                Err(AuthError::Unavailable) if now >= ends => return,
                Err(AuthError::Unavailable) => {}
            }
            lookup.at = now;
        }
    }

    /// Records the user, unless the database knows him so already. That he could not be updated keeps nobody out
    /// who is known at all: readers come in while nothing can be written.
    async fn record(&self, principal: &Principal) -> Result<(), AuthError> {
        let known = self.journal.user(&principal.id).await.map_err(|error| {
            report!(error, user.id = %principal.id, "a user could not be looked up");
            AuthError::Unavailable
        })?;
        let news = known
            .as_ref()
            .is_none_or(|user| tells_more(principal, user));
        if news && let Err(error) = self.journal.record_user(principal.clone()).await {
            report!(error, user.id = %principal.id, "a user could not be recorded");
            return match known {
                Some(_) => Ok(()),
                None => Err(AuthError::Unavailable),
            };
        }
        self.remember(principal);
        Ok(())
    }

    fn remembers(&self, principal: &Principal) -> bool {
        let known = self.recorded().get(&principal.id).cloned();
        known.is_some_and(|user| !tells_more(principal, &user))
    }

    /// What a session does not tell stays as an earlier one told it.
    fn remember(&self, principal: &Principal) {
        let mut recorded = self.recorded();
        if recorded.len() >= REMEMBERED {
            recorded.clear();
        }
        let Principal { id, name, email } = principal.clone();
        let user = recorded.entry(id.clone()).or_insert(User {
            id,
            name: None,
            email: None,
        });
        user.name = name.or(user.name.take());
        user.email = email.or(user.email.take());
    }

    fn recorded(&self) -> MutexGuard<'_, HashMap<UserId, User>> {
        // A map of what was recorded has no state to be half-changed: at worst somebody is recorded again.
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for a moment, as the clock on the wall shows it.
async fn until(moment: SystemTime) {
    while let Ok(left) = moment.duration_since(SystemTime::now())
        && !left.is_zero()
    {
        tokio::time::sleep(left).await;
    }
}

/// Whether a session tells a name or email that is not known so.
fn tells_more(principal: &Principal, user: &User) -> bool {
    let news = |told: &Option<String>, known: &Option<String>| told.is_some() && told != known;
    news(&principal.name, &user.name) || news(&principal.email, &user.email)
}
