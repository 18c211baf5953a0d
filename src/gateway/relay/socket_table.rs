//! The sockets of the connections that use a relay, by the ids that the relay machine has for them. When the relay ends by a
//! panic, they are closed: they would receive nothing more.

use std::{cell::RefCell, rc::Rc};

use actix_socketio::engineio::CloseReason;

use crate::gateway::scoped_task::ScopedTask;

use super::{delivery_socket::DeliverySocket, machine::RelaySocketId};

/// The sockets that use one relay. Clones share the sockets.
#[derive(Clone, Default)]
pub(super) struct SocketTable(Rc<RefCell<SocketSlots>>);

#[derive(Default)]
struct SocketSlots {
    slots: Vec<SocketSlot>,
    /// The indices of slots without a socket.
    free: Vec<u32>,
}

/// A slot is found by its index, because an event is sent to many sockets.
#[derive(Default)]
struct SocketSlot {
    /// Distinguishes the sockets that had this slot one after the other.
    generation: u32,
    socket: Option<DeliverySocket>,
    /// Waits until the outbox has room for a page.
    room_waiter: Option<ScopedTask>,
}

/// The use of a relay by one socket. Dropping it ends the use.
pub(in crate::gateway) struct SocketAttachment {
    table: SocketTable,
    id: RelaySocketId,
}

impl SocketTable {
    /// Adds a socket.
    pub(super) fn attach(&self, socket: DeliverySocket) -> SocketAttachment {
        let SocketSlots { slots, free } = &mut *self.0.borrow_mut();
        let index = free.pop().unwrap_or(slots.len() as u32);
        if index as usize == slots.len() {
            slots.push(SocketSlot::default());
        }
        let slot = &mut slots[index as usize];
        slot.socket = Some(socket);
        SocketAttachment {
            table: self.clone(),
            id: RelaySocketId(u64::from(slot.generation) << 32 | u64::from(index)),
        }
    }

    /// Calls a function with a socket and returns its result, or `None` if the socket no longer uses the relay.
    pub(super) fn with<T>(
        &self,
        id: RelaySocketId,
        call: impl FnOnce(&DeliverySocket) -> T,
    ) -> Option<T> {
        let slots = self.0.borrow();
        let slot = slots.slots.get(index(id))?;
        let socket = slot.socket.as_ref()?;
        (slot.generation == generation(id)).then(|| call(socket))
    }

    /// Keeps the task that waits until the outbox of a socket has room. It ends with the use of the relay.
    pub(super) fn keep_room_waiter(&self, id: RelaySocketId, task: ScopedTask) {
        let mut slots = self.0.borrow_mut();
        if let Some(slot) = slots.slots.get_mut(index(id))
            && slot.generation == generation(id)
        {
            slot.room_waiter = Some(task);
        }
    }

    /// Closes the transports of all sockets and returns their number.
    pub(super) fn close_all(&self, reason: CloseReason) -> usize {
        let slots = self.0.borrow();
        let sockets = slots.slots.iter().filter_map(|slot| slot.socket.as_ref());
        let close = |socket: &DeliverySocket| socket.socket.close(reason);
        sockets.map(close).count()
    }
}

fn index(id: RelaySocketId) -> usize {
    id.0 as u32 as usize
}

fn generation(id: RelaySocketId) -> u32 {
    (id.0 >> 32) as u32
}

impl SocketAttachment {
    /// Returns the id of the socket.
    pub(super) fn id(&self) -> RelaySocketId {
        self.id
    }
}

impl Drop for SocketAttachment {
    fn drop(&mut self) {
        let mut slots = self.table.0.borrow_mut();
        let slot = slots.slots.get_mut(index(self.id)).map(|slot| {
            slot.generation = slot.generation.wrapping_add(1);
            (slot.socket.take(), slot.room_waiter.take())
        });
        slots.free.push(index(self.id) as u32);
        drop(slots);
        drop(slot); // outside the borrow: it drops the state of the connection
    }
}

#[cfg(test)]
mod tests {
    use actix_socketio::{
        Socket,
        engineio::{EngineConfig, SessionSocket},
    };

    use super::*;
    use crate::domain::UserId;

    #[test]
    fn an_id_of_a_detached_socket_finds_no_later_socket() {
        let table = SocketTable::default();
        let attach = || {
            let engine = SessionSocket::detached(EngineConfig::default());
            let socket = Socket::connected("/", engine);
            table.attach(DeliverySocket::new(
                socket,
                UserId::new("ana").unwrap(),
                None,
            ))
        };
        let (first, second) = (attach(), attach());
        let first_id = first.id();
        drop(first);
        let third = attach();
        assert!(table.with(first_id, |_| ()).is_none());
        assert!(table.with(second.id(), |_| ()).is_some());
        assert!(table.with(third.id(), |_| ()).is_some());
        assert_eq!(table.close_all(CloseReason::Fault), 2);
    }
}
