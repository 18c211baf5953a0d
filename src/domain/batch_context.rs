//! The rows that a batch of mutations refers to.

use std::collections::HashMap;

use super::{
    ids::{SourceId, User, UserId},
    source::Source,
};

/// The sources and users that the mutations of a batch refer to, as they are after the mutations decided so far.
#[derive(Clone, Debug, Default)]
pub struct BatchContext {
    pub sources: HashMap<SourceId, Source>,
    pub users: HashMap<UserId, User>,
}

impl BatchContext {
    /// Returns the recorded user, or a user with this id and without name and email.
    pub fn user(&self, id: &UserId) -> User {
        self.users.get(id).cloned().unwrap_or_else(|| User {
            id: id.clone(),
            name: None,
            email: None,
        })
    }

    /// Returns the recorded users with this email, ignoring case.
    pub fn users_with_email(&self, email: &str) -> Vec<&User> {
        let email = email.to_lowercase();
        let has_email = |user: &&User| {
            let known = user.email.as_deref();
            known.is_some_and(|known| known.to_lowercase() == email)
        };
        self.users.values().filter(has_email).collect()
    }
}
