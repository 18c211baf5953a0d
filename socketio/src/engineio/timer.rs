//! One timer for all sessions of a worker thread.
//!
//! Sessions keep their deadlines in an ordered map, and one task sleeps until the earliest one. The cost is proportional
//! to the deadlines that pass, the precision is the runtime timer's millisecond, and the task ends when no deadline is
//! left.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
    time::Instant,
};

use engineioxide_core::Sid;
use tokio::sync::Notify;

use super::{message::SessionSignal, socket::SessionSocket};

/// Signals sessions at their deadlines.
#[derive(Default)]
pub(super) struct SessionTimer {
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
                () = tokio::time::sleep_until(next.into()) => {}
                () = self.earlier_deadline.notified() => {}
            }
        }
        self.is_running.set(false);
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
