//! The recoverable connections of one worker thread, by pid. The relay actor finds a connection here when another worker
//! thread takes it over or when the service drains.

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use actix_socketio::engineio::CloseReason;

use crate::domain::{UserId, shrink_if_sparse};

/// A connection whose state can be recovered over another transport.
pub(super) trait RecoverableConnection {
    /// Returns the connected user.
    fn user(&self) -> &UserId;

    /// Saves the recovery state and ends all subscriptions. Has no effect when called again.
    fn suspend(&self);

    /// Closes the transport. The client reconnects.
    fn close(&self, reason: CloseReason);
}

/// The recoverable connections of one worker thread, by pid. Clones share the map.
#[derive(Clone, Default)]
pub(super) struct ConnectionRegistry(Rc<RefCell<HashMap<String, Rc<dyn RecoverableConnection>>>>);

impl ConnectionRegistry {
    /// Registers a connection.
    pub(super) fn insert(&self, pid: &str, connection: Rc<dyn RecoverableConnection>) {
        self.0.borrow_mut().insert(pid.to_owned(), connection);
    }

    /// Returns the connection of this pid.
    pub(super) fn get(&self, pid: &str) -> Option<Rc<dyn RecoverableConnection>> {
        self.0.borrow().get(pid).cloned()
    }

    /// Removes this connection. Another connection that has taken the same pid stays.
    pub(super) fn remove(&self, pid: &str, connection: &Rc<dyn RecoverableConnection>) {
        let mut connections = self.0.borrow_mut();
        if connections
            .get(pid)
            .is_some_and(|registered| Rc::ptr_eq(registered, connection))
        {
            connections.remove(pid);
            shrink_if_sparse(&mut connections);
        }
    }
}
