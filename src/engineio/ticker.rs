//! One timer for all sessions of a worker thread.
//!
//! Sessions set and move their deadlines in an ordered map, and one task sleeps until the earliest. It costs as much
//! as there are deadlines that come due, is exact to the timer's millisecond, and ends when nothing is left to wait for.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
    time::Instant,
};

use engineioxide_core::Sid;
use tokio::sync::Notify;

use super::{message::Signal, socket::Socket};

#[derive(Default)]
pub(super) struct Ticker {
    deadlines: RefCell<BTreeMap<(Instant, Sid), Socket>>,
    /// Told when a deadline is set that comes before all others.
    sooner: Notify,
    running: Cell<bool>,
}

impl Ticker {
    /// Moves a session's deadline; at it, the session gets one [`Signal::Tick`].
    pub(super) fn change(
        self: &Rc<Self>,
        socket: &Socket,
        from: Option<Instant>,
        to: Option<Instant>,
    ) {
        let mut deadlines = self.deadlines.borrow_mut();
        if let Some(at) = from {
            deadlines.remove(&(at, socket.sid()));
        }
        let Some(at) = to else { return };
        let first = deadlines.first_key_value().map(|((first, _), _)| *first);
        deadlines.insert((at, socket.sid()), socket.clone());
        if !self.running.replace(true) {
            actix_web::rt::spawn(self.clone().run());
        } else if first.is_none_or(|first| at < first) {
            self.sooner.notify_one();
        }
    }

    async fn run(self: Rc<Self>) {
        while let Some(next) = self.fire(Instant::now()) {
            tokio::select! {
                () = tokio::time::sleep_until(next.into()) => {}
                () = self.sooner.notified() => {}
            }
        }
        self.running.set(false);
    }

    /// Ticks every session that is due, and says when the next one is.
    fn fire(&self, now: Instant) -> Option<Instant> {
        let mut deadlines = self.deadlines.borrow_mut();
        loop {
            let entry = deadlines.first_entry()?;
            let (at, _) = *entry.key();
            if at > now {
                return Some(at);
            }
            entry.remove().signal(Signal::Tick);
        }
    }
}
