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
    addresses: Mutex<HashMap<Sid, Addr<Session>>>,
    open: watch::Sender<usize>,
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

    /// Closes every session that is open now.
    #[expect(
        clippy::disallowed_methods,
        reason = "one message to each session, which ends it"
    )]
    pub fn close_all(&self, reason: CloseReason) {
        for session in self.addresses().values() {
            session.do_send(Signal::Close(reason));
        }
    }

    /// Where the session is that a request names.
    pub(super) fn find(&self, sid: Sid) -> Option<Addr<Session>> {
        self.addresses().get(&sid).cloned()
    }

    /// Enters a session, for as long as its place is kept.
    pub(super) fn enter(&self, sid: Sid, session: Addr<Session>) -> Place {
        self.addresses().insert(sid, session);
        self.0.open.send_modify(|open| *open += 1);
        Place {
            sid,
            sessions: self.clone(),
        }
    }

    fn addresses(&self) -> MutexGuard<'_, HashMap<Sid, Addr<Session>>> {
        // Nothing that holds this lock can leave the map half changed, so a panic elsewhere does no harm.
        self.0
            .addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session's place in the directory; dropping it leaves.
pub(super) struct Place {
    sid: Sid,
    sessions: Sessions,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.sessions.addresses().remove(&self.sid);
        self.sessions.0.open.send_modify(|open| *open -= 1);
    }
}
