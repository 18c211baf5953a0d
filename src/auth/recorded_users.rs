//! Decides which of a user's live sessions determines the recorded name and email.
//!
//! A user may have several sessions with different names: the application puts the name into a session when it issues it.
//! The session that was issued later prevails. An undated one prevails over a dated one only when that has expired, and
//! over an undated one that expires earlier. Times are in seconds: of sessions of one age, each prevails when it is first seen.
//! So each live session causes one write at most, whatever the order of requests.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::session::UserSession;
use crate::domain::{Principal, Timestamp, UserId, UserProfile};

/// The maximum number of users in the cache. A full cache is cleared, which costs one read for each user.
const CAPACITY: usize = 65_536;

/// The maximum number of sessions of one age that prevail over each other. Further ones do not.
const MAX_SAME_AGE: usize = 4;

/// The users that are known to be recorded.
#[derive(Default)]
pub(super) struct RecordedUsers {
    users: HashMap<UserId, RecordedUser>,
    /// [`Journal::replacements`](crate::journal::Journal::replacements) when they were recorded.
    replacements: u64,
}

/// The recorded name and email of a user, and the age of the session that they come from.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RecordedUser {
    principal: Principal,
    age: SessionAge,
    /// The users as the sessions of this age have them that were seen.
    same_age: Vec<Principal>,
}

/// What a recording depends on: two sessions with equal values are recorded alike.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct SessionIdentity {
    principal: Principal,
    age: SessionAge,
}

impl SessionIdentity {
    pub(super) fn of(session: &UserSession) -> Self {
        Self {
            principal: session.principal.clone(),
            age: SessionAge::of(session),
        }
    }
}

/// What dates a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct SessionAge {
    issued_at: Option<SystemTime>,
    expires_at: SystemTime,
}

impl RecordedUsers {
    /// Returns whether the user must be looked up in the database and possibly recorded. If not, the session counts as seen.
    pub(super) fn must_record(&mut self, session: &UserSession, now: SystemTime) -> bool {
        let Some(recorded) = self.users.get_mut(&session.principal.id) else {
            return true;
        };
        if recorded.has_seen(session) {
            return false;
        }
        let must_record = recorded.must_record(session, now);
        if !must_record {
            recorded.add(session, now);
        }
        must_record
    }

    /// Adds to a user of a row which sessions of its age were seen.
    pub(super) fn complete(&self, mut user: RecordedUser) -> RecordedUser {
        if let Some(known) = self.users.get(&user.principal.id)
            && known.age.is_equal(user.age)
        {
            user.same_age.clone_from(&known.same_age);
        }
        user
    }

    /// Forgets all users if the database was replaced since they were recorded: it may lack them.
    pub(super) fn forget_replaced(&mut self, replacements: u64) {
        if self.replacements != replacements {
            self.replacements = replacements;
            self.users.clear();
        }
    }

    /// Adds a user that was recorded when the database had been replaced so often.
    pub(super) fn insert(&mut self, recorded: RecordedUser, replacements: u64) {
        if self.replacements != replacements {
            return;
        }
        if self.users.len() >= CAPACITY {
            self.users.clear();
        }
        self.users.insert(recorded.principal.id.clone(), recorded);
    }
}

impl RecordedUser {
    /// Returns the user of a row. The session that it comes from may have expired.
    pub(super) fn from_profile(profile: UserProfile) -> Self {
        let since_1970 = |at: Timestamp| Duration::from_millis(at.0.unsigned_abs());
        Self {
            principal: profile.principal,
            age: SessionAge {
                issued_at: profile.issued_at.map(|at| UNIX_EPOCH + since_1970(at)),
                expires_at: UNIX_EPOCH,
            },
            same_age: Vec::new(),
        }
    }

    /// Returns the user as this session has it.
    pub(super) fn from_session(session: &UserSession) -> Self {
        Self {
            principal: session.principal.clone(),
            age: SessionAge::of(session),
            same_age: vec![session.principal.clone()],
        }
    }

    /// Returns whether the session is one of those whose name and email are recorded. Most are, so nothing is copied.
    fn has_seen(&self, session: &UserSession) -> bool {
        self.principal == session.principal
            && self.age.is_equal(SessionAge::of(session))
            && self.same_age.contains(&session.principal)
    }

    /// Returns whether the session changes what is recorded.
    pub(super) fn must_record(&self, session: &UserSession, now: SystemTime) -> bool {
        let prevails = self.yields_to(session, now);
        let changes = |new: &Option<String>, recorded: &Option<String>| {
            new.is_some() && new != recorded && (prevails || recorded.is_none())
        };
        let Principal { name, email, .. } = &session.principal;
        changes(name, &self.principal.name) || changes(email, &self.principal.email)
    }

    /// Merges the session into the user.
    pub(super) fn add(&mut self, session: &UserSession, now: SystemTime) {
        let (new, recorded) = (session.principal.clone(), self.principal.clone());
        let age = SessionAge::of(session);
        let precedence = age.precedence(self.age, now);
        if self.yields_to(session, now) {
            self.principal = new.or(recorded);
            self.age = age;
        } else {
            self.principal = recorded.or(new);
        }
        if precedence == Ordering::Greater {
            self.same_age.clear();
        }
        let is_new = !self.same_age.contains(&session.principal);
        if precedence != Ordering::Less && is_new && self.same_age.len() < MAX_SAME_AGE {
            self.same_age.push(session.principal.clone());
        }
    }

    /// Returns whether the session prevails over what is recorded.
    fn yields_to(&self, session: &UserSession, now: SystemTime) -> bool {
        match SessionAge::of(session).precedence(self.age, now) {
            Ordering::Greater => true,
            Ordering::Equal => {
                self.same_age.len() < MAX_SAME_AGE && !self.same_age.contains(&session.principal)
            }
            Ordering::Less => false,
        }
    }
}

impl SessionAge {
    fn of(session: &UserSession) -> Self {
        Self {
            issued_at: session.issued_at,
            expires_at: session.expires_at,
        }
    }

    /// Compares a session with a recorded one: the greater one prevails.
    fn precedence(self, recorded: Self, now: SystemTime) -> Ordering {
        match (self.issued_at, recorded.issued_at) {
            (Some(new), Some(recorded)) => new.cmp(&recorded),
            (Some(_), None) => Ordering::Greater,
            (None, Some(_)) if recorded.expires_at <= now => Ordering::Greater,
            (None, Some(_)) => Ordering::Less,
            (None, None) => self.expires_at.cmp(&recorded.expires_at),
        }
    }

    fn is_equal(self, other: Self) -> bool {
        self.precedence(other, UNIX_EPOCH) == Ordering::Equal
    }
}

/// Returns what the journal records of a session.
pub(super) fn profile(session: &UserSession) -> UserProfile {
    let issued_at = session.issued_at.map(|at| {
        let since_1970 = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX))
    });
    UserProfile {
        principal: session.principal.clone(),
        issued_at,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn session(name: Option<&str>, issued_at: Option<u64>, expires_at: u64) -> UserSession {
        let principal = Principal {
            id: UserId::new("ana").unwrap(),
            name: name.map(str::to_owned),
            email: name.map(|name| format!("{name}@example.com")),
        };
        UserSession {
            issued_at: issued_at.map(at),
            ..UserSession::new(principal, at(expires_at))
        }
    }

    /// Handles a request as the authenticator does. Returns whether the user was written.
    fn request(users: &mut RecordedUsers, session: &UserSession, now: u64) -> bool {
        let writes = users.must_record(session, at(now));
        if writes {
            let mut user = RecordedUser::from_session(session);
            if let Some(recorded) = users.users.get(&session.principal.id) {
                user = recorded.clone();
                user.add(session, at(now));
            }
            users.insert(user, 0);
        }
        writes
    }

    fn name(users: &RecordedUsers) -> Option<String> {
        users.users.values().next().unwrap().principal.name.clone()
    }

    #[test]
    fn later_issued_session_prevails_with_one_write_each() {
        let (old, new) = (
            session(Some("Old"), Some(1), 90),
            session(Some("New"), Some(2), 80),
        );
        for order in [[&old, &new], [&new, &old]] {
            let mut users = RecordedUsers::default();
            let requests = order.into_iter().cycle().take(20);
            let writes = requests.filter(|session| request(&mut users, session, 10));
            assert!(writes.count() <= 2);
            assert_eq!(name(&users).as_deref(), Some("New"));
        }
    }

    #[test]
    fn of_two_undated_sessions_the_one_that_expires_later_prevails() {
        let (old, new) = (
            session(Some("Old"), None, 80),
            session(Some("New"), None, 90),
        );
        let mut users = RecordedUsers::default();
        assert!(request(&mut users, &old, 10));
        assert!(request(&mut users, &new, 10));
        assert!(!request(&mut users, &old, 10));
        assert_eq!(name(&users).as_deref(), Some("New"));
    }

    #[test]
    fn each_session_of_equal_age_prevails_when_it_is_first_seen() {
        for issued_at in [Some(1), None] {
            let [one, two] = ["One", "Two"].map(|name| session(Some(name), issued_at, 90));
            let mut users = RecordedUsers::default();
            assert!(request(&mut users, &one, 10));
            assert!(request(&mut users, &two, 10));
            for session in [&one, &two, &one] {
                assert!(!request(&mut users, session, 10));
            }
            assert_eq!(name(&users).as_deref(), Some("Two"));
        }
    }

    #[test]
    fn row_is_completed_with_the_sessions_of_its_age() {
        let [one, two] = ["One", "Two"].map(|name| session(Some(name), Some(1), 90));
        let mut users = RecordedUsers::default();
        request(&mut users, &one, 10);
        request(&mut users, &two, 10);
        let row = |seconds: i64| {
            let issued_at = Some(Timestamp(seconds * 1000));
            let principal = two.principal.clone();
            users.complete(RecordedUser::from_profile(UserProfile {
                principal,
                issued_at,
            }))
        };
        assert!(!row(1).must_record(&one, at(10)));
        assert!(row(0).must_record(&one, at(10)));
    }

    #[test]
    fn undated_session_prevails_when_the_dated_one_has_expired() {
        let mut users = RecordedUsers::default();
        request(&mut users, &session(Some("Dated"), Some(1), 50), 10);
        let undated = session(Some("Undated"), None, 90);
        assert!(!request(&mut users, &undated, 49));
        assert!(request(&mut users, &undated, 50));
        assert_eq!(name(&users).as_deref(), Some("Undated"));
    }

    #[test]
    fn users_of_a_replaced_database_are_recorded_again() {
        let (session, mut users) = (session(Some("Ana"), Some(1), 90), RecordedUsers::default());
        assert!(request(&mut users, &session, 10));
        users.forget_replaced(1);
        assert!(users.must_record(&session, at(10)));
        // This recording began before the replacement.
        users.insert(RecordedUser::from_session(&session), 0);
        assert!(users.must_record(&session, at(10)));
        users.insert(RecordedUser::from_session(&session), 1);
        assert!(!users.must_record(&session, at(10)));
    }

    #[test]
    fn session_without_a_name_changes_nothing_and_an_older_one_completes_it() {
        let mut users = RecordedUsers::default();
        assert!(request(&mut users, &session(None, Some(2), 90), 10));
        assert!(request(&mut users, &session(Some("Old"), Some(1), 90), 10));
        assert!(!request(&mut users, &session(None, Some(3), 90), 10));
        assert_eq!(name(&users).as_deref(), Some("Old"));
    }

    #[test]
    fn unchanged_session_that_was_renewed_protects_the_name() {
        let mut users = RecordedUsers::default();
        request(&mut users, &session(Some("New"), Some(1), 90), 10);
        assert!(!request(&mut users, &session(Some("New"), Some(3), 90), 10));
        assert!(!request(&mut users, &session(Some("Old"), Some(2), 90), 10));
        assert_eq!(name(&users).as_deref(), Some("New"));
    }

    #[test]
    fn row_of_a_later_session_is_kept_and_an_undated_row_is_replaced() {
        let principal = session(Some("Row"), None, 0).principal;
        let row = |issued_at: Option<i64>| {
            RecordedUser::from_profile(UserProfile {
                principal: principal.clone(),
                issued_at: issued_at.map(Timestamp),
            })
        };
        let dated = session(Some("Session"), Some(5), 90);
        assert!(!row(Some(6_000)).must_record(&dated, at(10)));
        assert!(row(Some(4_000)).must_record(&dated, at(10)));
        assert!(row(None).must_record(&dated, at(10)));
        let undated = session(Some("Session"), None, 90);
        assert!(row(Some(6_000)).must_record(&undated, at(10)));
    }

    proptest! {
        #[test]
        fn each_live_session_causes_one_write_at_most(
            sessions in prop::collection::vec((prop::option::of(0_u64..5), 20_u64..25), 1..6),
            order in prop::collection::vec(any::<prop::sample::Index>(), 0..60),
        ) {
            let names: Vec<_> = (0..sessions.len()).map(|number| number.to_string()).collect();
            let sessions: Vec<_> = sessions.iter().zip(&names)
                .map(|((issued_at, expires_at), name)| session(Some(name), *issued_at, *expires_at))
                .collect();
            let mut users = RecordedUsers::default();
            let requests = order.iter().map(|index| index.get(&sessions));
            let writes = requests.filter(|session| request(&mut users, session, 10)).count();
            prop_assert!(writes <= sessions.len());
        }
    }
}
