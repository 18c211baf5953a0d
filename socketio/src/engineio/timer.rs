//! One timer for all sessions of a worker thread.
//!
//! Sessions keep their deadlines in an ordered map, and one task sleeps until the earliest one. The cost is proportional
//! to the deadlines that pass, and the task ends when no deadline is left.
//!
//! The task wakes at most once per [`PRECISION`] and then signals all sessions that are due. Their pings leave in one pass, and
//! the answers arrive close together: a thread with ten thousand idle sessions wakes less often than it sends pings.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
    time::{Duration, Instant},
};

use engineioxide_core::Sid;
use tokio::sync::Notify;

use super::{message::SessionSignal, socket::SessionSocket};

/// The interval of the times at which sessions are signalled. A deadline is late by at most this.
const PRECISION: Duration = Duration::from_millis(20);

/// Signals sessions at their deadlines.
pub(super) struct SessionTimer {
    /// One of the times at which sessions are signalled.
    epoch: Instant,
    deadlines: RefCell<BTreeMap<(Instant, Sid), SessionSocket>>,
    /// Notified when a new deadline is the earliest one.
    earlier_deadline: Notify,
    is_running: Cell<bool>,
}

/// A change of a session's deadline; `None` is no deadline.
pub(super) struct DeadlineChange {
    pub(super) from: Option<Instant>,
    pub(super) to: Option<Instant>,
}

impl Default for SessionTimer {
    fn default() -> Self {
        Self {
            epoch: Instant::now(),
            deadlines: RefCell::default(),
            earlier_deadline: Notify::new(),
            is_running: Cell::new(false),
        }
    }
}

impl SessionTimer {
    /// Changes a session's deadline. At the deadline the session receives one [`SessionSignal::Tick`].
    pub(super) fn reschedule(self: &Rc<Self>, socket: &SessionSocket, change: DeadlineChange) {
        let mut deadlines = self.deadlines.borrow_mut();
        if let Some(at) = change.from {
            deadlines.remove(&(at, socket.sid()));
        }
        let Some(at) = change.to else { return };
        let earliest = deadlines.first_key_value().map(|((first, _), _)| *first);
        deadlines.insert((at, socket.sid()), socket.clone());
        if !self.is_running.replace(true) {
            actix_web::rt::spawn(self.clone().run());
        } else if earliest.is_none_or(|earliest| at < earliest) {
            self.earlier_deadline.notify_one();
        }
    }

    async fn run(self: Rc<Self>) {
        while let Some(next) = self.signal_due_sessions(Instant::now()) {
            tokio::select! {
                () = tokio::time::sleep_until(self.signal_time(next).into()) => {}
                () = self.earlier_deadline.notified() => {}
            }
        }
        self.is_running.set(false);
    }

    /// Returns the first time at or after a deadline at which sessions are signalled.
    fn signal_time(&self, deadline: Instant) -> Instant {
        let elapsed = deadline.duration_since(self.epoch).as_nanos();
        let late = elapsed % PRECISION.as_nanos();
        if late == 0 {
            return deadline;
        }
        deadline + (PRECISION - Duration::from_nanos(late as u64))
    }

    /// Signals every session whose deadline has passed, and returns the next deadline.
    fn signal_due_sessions(&self, now: Instant) -> Option<Instant> {
        let mut deadlines = self.deadlines.borrow_mut();
        loop {
            let entry = deadlines.first_entry()?;
            let (at, _) = *entry.key();
            if at > now {
                return Some(at);
            }
            entry.remove().signal(SessionSignal::Tick);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_signalled_at_their_deadline_or_shortly_after_it() {
        let timer = SessionTimer::default();
        for milliseconds in [0, 1, 19, 20, 21, 25_000] {
            let deadline = timer.epoch + Duration::from_millis(milliseconds);
            let signalled = timer.signal_time(deadline);
            assert!(deadline <= signalled && signalled < deadline + PRECISION);
            let elapsed = signalled.duration_since(timer.epoch);
            assert_eq!(elapsed.as_nanos() % PRECISION.as_nanos(), 0);
        }
    }
}
