//! The sockets of the connections that use a relay. When the relay ends by a panic, they are closed: they would receive
//! nothing more.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::Rc,
};

use actix_socketio::{Socket, engineio::CloseReason};

/// The sockets that use one relay. Clones share the sockets.
#[derive(Clone, Default)]
pub(super) struct AttachedSockets(Rc<AttachedSocketsState>);

#[derive(Default)]
struct AttachedSocketsState {
    sockets: RefCell<HashMap<u64, Socket>>,
    next_key: Cell<u64>,
}

/// The use of a relay by one socket. Dropping it ends the use.
pub(in crate::gateway) struct SocketAttachment {
    attached: AttachedSockets,
    key: u64,
}

impl AttachedSockets {
    /// Adds a socket.
    pub(super) fn attach(&self, socket: Socket) -> SocketAttachment {
        let key = self.0.next_key.get();
        self.0.next_key.set(key + 1);
        self.0.sockets.borrow_mut().insert(key, socket);
        SocketAttachment {
            attached: self.clone(),
            key,
        }
    }

    /// Closes the transports of all sockets and returns their number.
    pub(super) fn close_all(&self, reason: CloseReason) -> usize {
        let sockets = self.0.sockets.borrow();
        for socket in sockets.values() {
            socket.close(reason);
        }
        sockets.len()
    }
}

impl Drop for SocketAttachment {
    fn drop(&mut self) {
        self.attached.0.sockets.borrow_mut().remove(&self.key);
    }
}
