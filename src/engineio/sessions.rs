//! The directory of open sessions, shared by all worker threads: from a `sid` to the session's address.
//!
//! It is asked when a session opens, when it ends, and when a request names one, never on the way of a message, so
//! one lock around a map is enough. It also counts, for a server that drains must know when the last one has left.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use actix::Addr;
use engineioxide_core::Sid;
use tokio::sync::watch;

use super::{error::CloseReason, message::Signal, session::Session};

/// All sessions of a server. A clone is another handle to the same directory.
#[derive(Clone, Default)]
pub struct Sessions(Arc<Directory>);

#[derive(Default)]
struct Directory {
    entries: Mutex<HashMap<Sid, Entry>>,
    open: watch::Sender<usize>,
}

struct Entry {
    address: Addr<Session>,
    /// It is over; what was queued for it is about to leave.
    is_ending: bool,
}

/// A way to one session from any thread, to end it.
pub struct SessionHandle(Addr<Session>);

impl SessionHandle {
    /// Closes the session, if it is still open.
    #[expect(
        clippy::disallowed_methods,
        reason = "one message to each session, which ends it"
    )]
    pub fn close(&self, reason: CloseReason) {
        self.0.do_send(Signal::Close(reason));
    }
}

impl Sessions {
    /// How many sessions are open. One that is closed counts until what was queued for it has left.
    pub fn open(&self) -> usize {
        *self.0.open.borrow()
    }

    /// Waits until no session is open.
    pub async fn drained(&self) {
        let mut open = self.0.open.subscribe();
        open.wait_for(|open| *open == 0)
            .await
            .expect("the directory, which sends, is borrowed here");
    }

    /// Every session that is open now and not about to end.
    pub fn staying(&self) -> Vec<SessionHandle> {
        let entries = self.entries();
        let staying = entries.values().filter(|entry| !entry.is_ending);
        staying
            .map(|entry| SessionHandle(entry.address.clone()))
            .collect()
    }

    /// Closes every session that is open now.
    pub fn close_all(&self, reason: CloseReason) {
        for session in self.staying() {
            session.close(reason);
        }
    }

    /// Where the session is that a request names.
    pub(super) fn find(&self, sid: Sid) -> Option<Addr<Session>> {
        let entries = self.entries();
        entries.get(&sid).map(|entry| entry.address.clone())
    }

    /// Enters a session, for as long as its place is kept.
    pub(super) fn enter(&self, sid: Sid, session: Addr<Session>) -> Place {
        let entry = Entry {
            address: session,
            is_ending: false,
        };
        self.entries().insert(sid, entry);
        self.0.open.send_modify(|open| *open += 1);
        Place {
            sid,
            sessions: self.clone(),
        }
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<Sid, Entry>> {
        // Nothing that holds this lock can leave the map half changed, so a panic elsewhere does no harm.
        let entries = &self.0.entries;
        entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session's place in the directory; dropping it leaves.
pub(super) struct Place {
    sid: Sid,
    sessions: Sessions,
}

impl Place {
    /// The session is over; it keeps its place until all has left.
    pub(super) fn is_ending(&self) {
        if let Some(entry) = self.sessions.entries().get_mut(&self.sid) {
            entry.is_ending = true;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.sessions.entries().remove(&self.sid);
        self.sessions.0.open.send_modify(|open| *open -= 1);
    }
}
