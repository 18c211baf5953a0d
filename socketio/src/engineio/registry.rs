//! The registry of open sessions, shared by all worker threads: it maps a `sid` to the session's address.
//!
//! It is locked when a session opens, when it closes, and when a request names one, never for a message. One lock around
//! a map is therefore enough. It also counts the sessions, so that a draining server can wait for the last one.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use engineioxide_core::{ProtocolVersion, Sid};
use tokio::sync::watch;

use super::{
    address::{SessionAddress, SignalSender},
    close_reason::CloseReason,
    message::SessionSignal,
    session_name::SessionName,
};

/// All sessions of a server. A clone is another handle to the same registry.
///
/// To drain a server: [`close_all`](SessionRegistry::close_all), then wait for
/// [`drained`](SessionRegistry::drained), then stop the HTTP server.
#[derive(Clone, Default)]
pub struct SessionRegistry(Arc<RegistryState>);

#[derive(Default)]
struct RegistryState {
    sessions: Mutex<HashMap<Sid, RegisteredSession>>,
    open: watch::Sender<usize>,
}

struct RegisteredSession {
    address: SessionAddress,
    version: ProtocolVersion,
    stage: SessionStage,
}

/// An open session, for a request that names it.
pub(super) struct FoundSession {
    pub(super) address: SessionAddress,
    /// The protocol version with which the session was opened.
    pub(super) version: ProtocolVersion,
}

enum SessionStage {
    Active,
    /// Closed; its queued frames are being sent.
    Closing,
}

/// Closes one session, from any thread.
pub struct SessionCloser(SignalSender);

impl SessionCloser {
    /// Closes the session if it is still open.
    pub fn close(&self, reason: CloseReason) {
        self.0.send(SessionSignal::Close(reason));
    }
}

impl SessionRegistry {
    /// Returns how many sessions are open. A closed session counts until its queued frames were sent.
    pub fn open(&self) -> usize {
        *self.0.open.borrow()
    }

    /// Waits until no session is open.
    pub async fn drained(&self) {
        let mut open = self.0.open.subscribe();
        open.wait_for(|open| *open == 0)
            .await
            .expect("the sender lives as long as the borrowed registry");
    }

    /// Returns every session that is open now and not closing.
    pub fn active(&self) -> Vec<SessionCloser> {
        let sessions = self.lock();
        let active = sessions.values().filter(|session| session.is_active());
        active
            .map(|session| SessionCloser(session.address.signal_sender()))
            .collect()
    }

    /// Closes every session that is open now.
    pub fn close_all(&self, reason: CloseReason) {
        for session in self.active() {
            session.close(reason);
        }
    }

    /// Returns the session that a request names.
    pub(super) fn find(&self, sid: Sid) -> Option<FoundSession> {
        let sessions = self.lock();
        sessions.get(&sid).map(|session| FoundSession {
            address: session.address.clone(),
            version: session.version,
        })
    }

    /// Registers a session for as long as the returned entry exists.
    pub(super) fn register(&self, name: SessionName, address: SessionAddress) -> SessionEntry {
        let SessionName { sid, version } = name;
        let session = RegisteredSession {
            address,
            version,
            stage: SessionStage::Active,
        };
        self.lock().insert(sid, session);
        self.0.open.send_modify(|open| *open += 1);
        SessionEntry {
            sid,
            registry: self.clone(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Sid, RegisteredSession>> {
        // No holder of the lock can panic in the middle of a change, so a poisoned map is consistent.
        let sessions = &self.0.sessions;
        sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RegisteredSession {
    fn is_active(&self) -> bool {
        match self.stage {
            SessionStage::Active => true,
            SessionStage::Closing => false,
        }
    }
}

/// The registration of a session; dropping it removes the session.
pub(super) struct SessionEntry {
    sid: Sid,
    registry: SessionRegistry,
}

impl SessionEntry {
    /// Marks the session as closing. It stays registered until its queued frames were sent.
    pub(super) fn set_closing(&self) {
        if let Some(session) = self.registry.lock().get_mut(&self.sid) {
            session.stage = SessionStage::Closing;
        }
    }
}

impl Drop for SessionEntry {
    fn drop(&mut self) {
        self.registry.lock().remove(&self.sid);
        self.registry.0.open.send_modify(|open| *open -= 1);
    }
}
