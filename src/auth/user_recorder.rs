//! Records the users of sessions in the database.
//!
//! A user is recorded at the first request, and again after a change of name or email. Recorded users are cached, so that most
//! requests need no query. When many sockets of one user connect at once, as after a restart, one recording serves all of them.
//! All worker threads share the cache and the recordings in progress; each lock is held for one map operation.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared, WeakShared},
};

use crate::journal::{Journal, report};

use super::{
    recorded_users::{self, RecordedUser, RecordedUsers, SessionIdentity},
    session::{AuthError, UserSession},
};

/// Writes one user. Its output is the outcome for each request that needs it.
type RecordingTask = BoxFuture<'static, Result<(), AuthError>>;

/// A recording in progress, of which each request that needs it has a clone.
type Recording = Shared<RecordingTask>;

type RunningRecordings = HashMap<SessionIdentity, WeakShared<RecordingTask>>;

/// Records users. Clones share the cache.
#[derive(Clone)]
pub(super) struct UserRecorder(Arc<RecorderState>);

struct RecorderState {
    journal: Journal,
    recorded: Mutex<RecordedUsers>,
    /// The recordings in progress. A recording is dropped with the last request that waits for it.
    recordings: Mutex<RunningRecordings>,
}

/// Removes a recording when it has ended or was dropped.
struct RecordingEntry {
    recorder: UserRecorder,
    session: SessionIdentity,
}

impl UserRecorder {
    /// Returns a recorder that writes to this journal.
    pub(super) fn new(journal: Journal) -> Self {
        Self(Arc::new(RecorderState {
            journal,
            recorded: Mutex::default(),
            recordings: Mutex::default(),
        }))
    }

    /// Records the user of a session that is valid at `now`, unless it is known to be recorded.
    ///
    /// # Errors
    /// `Unavailable` if the user could not be looked up, or is not recorded and could not be written.
    pub(super) async fn record(
        &self,
        session: &UserSession,
        now: SystemTime,
    ) -> Result<(), AuthError> {
        if !self.recorded().must_record(session, now) {
            return Ok(());
        }
        self.recording(session, now).await
    }

    /// Returns the recording of a session in progress, or starts one. Another session of the same user may have another name, so
    /// it has a recording of its own.
    fn recording(&self, session: &UserSession, now: SystemTime) -> Recording {
        let identity = SessionIdentity::of(session);
        let mut recordings = self.recordings();
        if let Some(running) = recordings.get(&identity).and_then(WeakShared::upgrade) {
            return running;
        }
        let entry = RecordingEntry {
            recorder: self.clone(),
            session: identity.clone(),
        };
        let session = session.clone();
        let recording = async move { entry.recorder.write(&session, now).await };
        let recording = recording.boxed().shared();
        // A recording that nothing has polled has not ended.
        let running = recording.downgrade();
        recordings.extend(running.map(|running| (identity, running)));
        recording
    }

    /// Records the user, unless the database has the same name and email, or those of a session that was issued later. A
    /// failed update does not refuse a known user: clients can still read while the database cannot be written.
    async fn write(&self, session: &UserSession, now: SystemTime) -> Result<(), AuthError> {
        let (journal, id) = (&self.0.journal, &session.principal.id);
        let replacements = journal.replacements();
        let known = journal.user(id).await.map_err(|error| {
            report!(error, user.id = %id, "user lookup failed");
            AuthError::Unavailable
        })?;
        let known = known.map(|profile| {
            self.recorded()
                .complete(RecordedUser::from_profile(profile))
        });
        let mut user = match known {
            Some(user) if !user.must_record(session, now) => user,
            known => {
                let profile = recorded_users::profile(session);
                if let Err(error) = journal.record_user(profile).await {
                    report!(error, user.id = %id, "user write failed");
                    return match known {
                        Some(_) => Ok(()),
                        None => Err(AuthError::Unavailable),
                    };
                }
                known.unwrap_or_else(|| RecordedUser::from_session(session))
            }
        };
        user.add(session, now);
        self.recorded().insert(user, replacements);
        Ok(())
    }

    fn recorded(&self) -> MutexGuard<'_, RecordedUsers> {
        // A panic under the lock cannot leave a wrong entry: at worst a user is recorded again.
        let recorded = self.0.recorded.lock();
        let mut recorded = recorded.unwrap_or_else(PoisonError::into_inner);
        recorded.forget_replaced(self.0.journal.replacements());
        recorded
    }

    fn recordings(&self) -> MutexGuard<'_, RunningRecordings> {
        let recordings = self.0.recordings.lock();
        recordings.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for RecordingEntry {
    fn drop(&mut self) {
        // A later recording of this session may have taken the entry. Then another request starts one more, which is harmless.
        self.recorder.recordings().remove(&self.session);
    }
}
