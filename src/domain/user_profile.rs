//! The name and email of a user as sessions have them, and which of two sessions prevails.

use super::{ids::Principal, time::Timestamp};

/// The name and email of a user as one session has them, or as they are recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserProfile {
    pub principal: Principal,
    /// When the application issued the session; `None` if the session is undated.
    pub issued_at: Option<Timestamp>,
}

impl UserProfile {
    /// Adds the profile of a later request. The one that was issued later prevails, or the later request if one is undated;
    /// the other one completes a name or email that is absent.
    pub fn merge(self, later: Self) -> Self {
        let is_older = later.issued_at.is_some() && later.issued_at < self.issued_at;
        let (newer, older) = if is_older {
            (self, later)
        } else {
            (later, self)
        };
        Self {
            issued_at: newer.issued_at.max(older.issued_at),
            principal: newer.principal.or(older.principal),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::ids::UserId;
    use super::*;

    fn profile(name: Option<&str>, email: Option<&str>, issued_at: Option<i64>) -> UserProfile {
        UserProfile {
            principal: Principal {
                id: UserId::new("ana").unwrap(),
                name: name.map(str::to_owned),
                email: email.map(str::to_owned),
            },
            issued_at: issued_at.map(Timestamp),
        }
    }

    #[test]
    fn profile_that_was_issued_later_prevails_in_any_order() {
        let old = || profile(Some("Old"), Some("ana@example.com"), Some(1));
        let new = || profile(Some("New"), None, Some(2));
        let merged = profile(Some("New"), Some("ana@example.com"), Some(2));
        assert_eq!(old().merge(new()), merged);
        assert_eq!(new().merge(old()), merged);
    }

    #[test]
    fn undated_profile_prevails_and_does_not_change_the_time() {
        let dated = profile(Some("Old"), None, Some(1));
        let undated = profile(Some("New"), None, None);
        let merged = dated.merge(undated);
        assert_eq!(merged, profile(Some("New"), None, Some(1)));
    }
}
