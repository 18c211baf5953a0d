//! The gate that both doors ask: whose session is this, and is the user known here?
//!
//! A user is recorded the first time that he is seen, and again when his name or email has changed. Who was
//! recorded is remembered, so that a request costs no write; that memory is one for all worker threads, and its
//! lock is held for one look at a map.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use tracing::error;

use crate::{
    domain::{Principal, UserId},
    journal::Journal,
};

use super::{Auth, AuthError, Credentials, Session};

/// How many users are remembered as recorded. When there are more the memory begins anew, which costs each of
/// them one write.
const REMEMBERED: usize = 65_536;

/// Checks sessions and records whose they are. Cheap to clone.
#[derive(Clone)]
pub struct Gate {
    auth: Auth,
    journal: Journal,
    recorded: Arc<Mutex<HashMap<UserId, Principal>>>,
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

    /// The session of whoever shows these credentials.
    ///
    /// # Errors
    /// `Unauthorized` without a good session; `Unavailable` when the user cannot be recorded.
    pub async fn admit(&self, credentials: &Credentials) -> Result<Session, AuthError> {
        let session = self.auth.session(credentials, SystemTime::now())?;
        let principal = &session.principal;
        if !self.knows(principal) {
            let recorded = self.journal.record_user(principal.clone()).await;
            if let Err(error) = recorded {
                error!(user.id = %principal.id, %error, "a user could not be recorded");
                return Err(AuthError::Unavailable);
            }
            self.remember(principal);
        }
        Ok(session)
    }

    fn knows(&self, principal: &Principal) -> bool {
        let recorded = self.recorded.lock().unwrap_or_else(PoisonError::into_inner);
        recorded.get(&principal.id) == Some(principal)
    }

    fn remember(&self, principal: &Principal) {
        let mut recorded = self.recorded.lock().unwrap_or_else(PoisonError::into_inner);
        if recorded.len() >= REMEMBERED {
            recorded.clear();
        }
        recorded.insert(principal.id.clone(), principal.clone());
    }
}
