//! Who lives on this relay's thread and may come back, and how he goes on where he was.

use actix::Addr;

use crate::{
    domain::{SubscriberId, VaultId},
    gateway::{
        connection::Connection,
        mailbox::RelayActor,
        room::{Join, Listener, Seat},
        trace::Resumed,
    },
    metrics::Mailbox,
    vault::{Attach, VaultHandle},
};

use super::{Relay, new_subscriber};

impl Relay {
    /// Has a socket go on in a vault where it left it; before that, tells it again what it did not hear of its joining.
    pub(in crate::gateway) fn resume(
        &self,
        vault: VaultHandle,
        listener: &Listener,
        resumed: Resumed,
    ) -> SubscriberId {
        let Resumed {
            seen,
            joined,
            joins,
            ..
        } = resumed;
        let mut rooms = self.0.rooms.borrow_mut();
        let room = self.room(&mut rooms, vault);
        let (id, vault) = (new_subscriber(), room.vault.id());
        let mut seat = Seat::new(listener.clone());
        if let Some(joined) = joined {
            seat.joins.push_back(Join::unacknowledged(Attach::Join));
            seat.joined(id, (vault, &self.0.epoch), (self.ticket(), &joined));
        } else if let Some((q, joined_at)) = seen {
            (seat.q, seat.joined_at) = (Some(q), joined_at);
            listener.trace(|trace| trace.resume(id, vault, (q, joined_at)));
        }
        seat.joins
            .extend(joins.into_iter().map(Join::unacknowledged));
        room.seats.insert(id, seat);
        self.attend(room, id);
        id
    }

    /// What is counted of its mailbox.
    pub(in crate::gateway) fn mailbox(&self) -> &Mailbox {
        &self.0.meters.mailbox
    }

    /// Where this relay is reached from other threads.
    pub(in crate::gateway) fn address(&self) -> &Addr<RelayActor> {
        &self.0.sink.addr
    }

    /// A client that may come back is connected here.
    pub(in crate::gateway) fn entered(&self, pid: &str, connection: Connection) {
        let mut connections = self.0.connections.borrow_mut();
        connections.insert(pid.to_owned(), connection);
    }

    /// The client of this pid, if it is connected here.
    pub(in crate::gateway) fn connection(&self, pid: &str) -> Option<Connection> {
        self.0.connections.borrow().get(pid).cloned()
    }

    /// This client is no longer connected here; another may be by the same pid.
    pub(in crate::gateway) fn left(&self, pid: &str, connection: &Connection) {
        let mut connections = self.0.connections.borrow_mut();
        if connections.get(pid).is_some_and(|it| it.is(connection)) {
            connections.remove(pid);
        }
    }

    /// The joins of a seat that the vault has not answered yet.
    pub(in crate::gateway) fn joins(&self, id: &VaultId, seat: SubscriberId) -> Vec<Attach> {
        let rooms = self.0.rooms.borrow();
        let seat = rooms.get(id).and_then(|room| room.seats.get(&seat));
        let joins = seat.into_iter().flat_map(|seat| &seat.joins);
        joins.map(|join| join.attach.clone()).collect()
    }
}
