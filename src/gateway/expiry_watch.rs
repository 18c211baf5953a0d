//! Closes the transport of a socket when its user session has ended.
//!
//! Between two checks this is a deadline of the socket and no task. The deadline follows the monotonic clock, which stands still while
//! the machine sleeps, and which a wall clock that is set does not move. So the wall clock is compared as well, at each heartbeat.

use std::{
    mem,
    rc::Rc,
    time::{Instant, SystemTime},
};

use tokio::sync::oneshot;

use crate::auth::{Authenticator, SessionExpiry, SessionStatus, UserSession};
use actix_socketio::{Socket, engineio::CloseReason};

use super::scoped_task::ScopedTask;

/// Closes the transport of a client whose user session has expired. The client reconnects with its current credentials.
const SESSION_EXPIRED: CloseReason = CloseReason::Application("session expired");

/// Checks the user session of one socket at its times.
pub(super) struct ExpiryWatch {
    authenticator: Rc<Authenticator>,
    socket: Socket,
    state: WatchState,
}

enum WatchState {
    /// The session is valid until the next check.
    Valid {
        expiry: SessionExpiry,
        check_at: Option<Instant>,
    },
    /// A task checks the session.
    Checking(ExpiryCheck),
    /// The session has ended, and the transport is being closed.
    Ended,
}

/// A check in progress. Dropping it cancels the check.
struct ExpiryCheck {
    _task: ScopedTask,
    /// Receives the session if it is still valid.
    valid: oneshot::Receiver<SessionExpiry>,
}

impl ExpiryWatch {
    /// Returns the watch of a socket's session.
    pub(super) fn new(
        authenticator: Rc<Authenticator>,
        session: UserSession,
        socket: Socket,
    ) -> Self {
        Self {
            authenticator,
            socket,
            state: WatchState::valid(session.into()),
        }
    }

    /// Returns when [`check`](Self::check) must be called next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.state {
            WatchState::Valid { check_at, .. } => check_at,
            WatchState::Checking(_) | WatchState::Ended => None,
        }
    }

    /// Starts a check that is due, or takes the result of one that has ended. Called at the deadline, when the socket wakes, and at each
    /// heartbeat.
    pub(super) fn check(&mut self, now: Instant) {
        self.state = match mem::replace(&mut self.state, WatchState::Ended) {
            WatchState::Valid { expiry, check_at }
                if is_due(expiry.next_check(), check_at, now, SystemTime::now()) =>
            {
                WatchState::Checking(self.start_check(expiry))
            }
            WatchState::Checking(mut check) => match check.valid.try_recv() {
                Ok(expiry) => WatchState::valid(expiry),
                Err(oneshot::error::TryRecvError::Empty) => WatchState::Checking(check),
                Err(oneshot::error::TryRecvError::Closed) => {
                    self.socket.close(SESSION_EXPIRED);
                    WatchState::Ended
                }
            },
            state @ (WatchState::Valid { .. } | WatchState::Ended) => state,
        };
    }

    fn start_check(&self, mut expiry: SessionExpiry) -> ExpiryCheck {
        let (authenticator, socket) = (self.authenticator.clone(), self.socket.clone());
        let (sender, valid) = oneshot::channel();
        let task = ScopedTask::spawn(async move {
            match authenticator.check_expiry(&mut expiry).await {
                SessionStatus::Valid => {
                    let _socket_closed = sender.send(expiry);
                }
                SessionStatus::Ended => drop(sender),
            }
            socket.wake();
        });
        ExpiryCheck { _task: task, valid }
    }
}

/// Returns whether a session must be checked: its time on the wall clock, or its deadline on the monotonic clock, has come.
fn is_due(
    next_check: SystemTime,
    deadline: Option<Instant>,
    now: Instant,
    wall_clock: SystemTime,
) -> bool {
    next_check <= wall_clock || deadline.is_some_and(|deadline| deadline <= now)
}

impl WatchState {
    /// Returns the state of a valid session. A time that is too far away for the clock is never reached.
    fn valid(expiry: SessionExpiry) -> Self {
        let left = expiry.next_check().duration_since(SystemTime::now());
        let check_at = Instant::now().checked_add(left.unwrap_or_default());
        Self::Valid { expiry, check_at }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn session_is_due_when_either_clock_reaches_its_time() {
        let (now, wall_clock) = (Instant::now(), SystemTime::now());
        let (next_check, deadline) = (wall_clock + HOUR, now.checked_add(HOUR));
        assert!(!is_due(next_check, deadline, now, wall_clock));
        assert!(is_due(next_check, deadline, now + HOUR, wall_clock));
        // The machine has slept, or the clock was set.
        assert!(is_due(next_check, deadline, now, wall_clock + HOUR));
        assert!(is_due(next_check, None, now, wall_clock + 2 * HOUR));
        assert!(!is_due(next_check, None, now, wall_clock));
    }
}
