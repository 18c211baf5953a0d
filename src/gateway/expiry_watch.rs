//! Closes the transport of a socket when its user session has ended.
//!
//! Between two checks this is a deadline of the socket and no task.

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

    /// Starts a check that is due, or takes the result of one that has ended. Called at the deadline, and when the socket wakes.
    pub(super) fn check(&mut self, now: Instant) {
        self.state = match mem::replace(&mut self.state, WatchState::Ended) {
            WatchState::Valid {
                expiry,
                check_at: Some(check_at),
            } if check_at <= now => WatchState::Checking(self.start_check(expiry)),
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

impl WatchState {
    /// Returns the state of a valid session. A time that is too far away for the clock is never reached.
    fn valid(expiry: SessionExpiry) -> Self {
        let left = expiry.next_check().duration_since(SystemTime::now());
        let check_at = Instant::now().checked_add(left.unwrap_or_default());
        Self::Valid { expiry, check_at }
    }
}
