//! A socket to which a relay delivers events.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use crate::{
    domain::UserId,
    gateway::{offset::OffsetMode, trace::DeliveryTrace},
};
use actix_socketio::Socket;

/// A socket receives no further page of missed events while more frames than this wait in its outbox.
pub(super) const MAX_WAITING_FRAMES: usize = 16;

/// A socket with its user and its delivery trace. Clones are the same socket.
#[derive(Clone)]
pub(in crate::gateway) struct DeliverySocket {
    pub socket: Socket,
    pub user: UserId,
    /// `None` if the connection is not recoverable.
    trace: Option<Rc<PoisonableTrace>>,
}

/// A trace that is poisoned if a panic interrupts a change, because it may not show what was sent. A poisoned trace is not
/// used for recovery.
struct PoisonableTrace {
    trace: RefCell<DeliveryTrace>,
    /// Whether a change has begun and not ended.
    changing: Cell<bool>,
}

impl DeliverySocket {
    /// Returns a delivery socket. A recoverable connection has a trace.
    pub(in crate::gateway) fn new(
        socket: Socket,
        user: UserId,
        trace: Option<DeliveryTrace>,
    ) -> Self {
        Self {
            socket,
            user,
            trace: trace.map(|trace| {
                Rc::new(PoisonableTrace {
                    trace: RefCell::new(trace),
                    changing: Cell::new(false),
                })
            }),
        }
    }

    /// Returns whether the frames of this socket carry offsets. Only recovery needs them.
    pub(super) fn offset_mode(&self) -> OffsetMode {
        match self.trace {
            Some(_) => OffsetMode::Appended,
            None => OffsetMode::Omitted,
        }
    }

    /// Calls a function with the trace and returns its result, or `None` if the connection is not recoverable or its trace
    /// is poisoned.
    pub(in crate::gateway) fn with_trace<T>(
        &self,
        call: impl FnOnce(&mut DeliveryTrace) -> T,
    ) -> Option<T> {
        let PoisonableTrace { trace, changing } = &**self.trace.as_ref()?;
        if changing.replace(true) {
            return None;
        }
        let result = call(&mut trace.borrow_mut());
        changing.set(false);
        Some(result)
    }

    /// Sends a packet and records it. Requests a heartbeat if `record` returns `true`.
    pub(super) fn send(
        &self,
        send: impl FnOnce(&Socket),
        record: impl FnOnce(&mut DeliveryTrace) -> bool,
    ) {
        if self.trace.is_none() {
            return send(&self.socket);
        }
        let needs_heartbeat = self.with_trace(|trace| {
            send(&self.socket);
            record(trace)
        });
        if needs_heartbeat == Some(true) {
            self.socket.request_heartbeat();
        }
    }

    /// Returns whether the outbox has room for a page of missed events.
    pub(super) fn has_room_for_page(&self) -> bool {
        self.socket.outbox_usage().frames <= MAX_WAITING_FRAMES
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use actix_socketio::engineio::{EngineConfig, SessionSocket};

    use super::*;

    fn recoverable_socket() -> DeliverySocket {
        let socket = Socket::connected("/", SessionSocket::detached(EngineConfig::default()));
        let trace = DeliveryTrace::new(64, None);
        DeliverySocket::new(socket, UserId::new("ana").unwrap(), Some(trace))
    }

    #[test]
    fn a_trace_is_lost_when_a_panic_interrupts_a_send() {
        let socket = recoverable_socket();
        socket.send(|_| {}, |_| false);
        assert!(socket.with_trace(|_| ()).is_some());
        let interrupted = AssertUnwindSafe(|| {
            socket.send(|_| panic!("this send panics on purpose"), |_| false);
        });
        catch_unwind(interrupted).unwrap_err();
        assert!(socket.with_trace(|_| ()).is_none());
    }
}
