//! The state of a relay machine.

use std::collections::{BTreeMap, VecDeque};

use crate::{
    domain::{SubscriberId, VaultId},
    vault::Attach,
};

use super::{
    deadlines::JoinDeadlines, ids::RelaySocketId, input::RelayBounds, seat::Seat,
    vault_seats::VaultSeats,
};

/// The decisions of one relay: the seats of the sockets of one worker thread.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RelayMachine {
    pub(super) bounds: RelayBounds,
    pub(super) next_ticket: u64,
    pub(super) vaults: BTreeMap<VaultId, VaultSeats>,
    /// The sockets of which a seat has the turn for a page.
    pub(super) page_turns: BTreeMap<RelaySocketId, SocketPageTurn>,
    pub(super) deadlines: JoinDeadlines,
}

/// The seats of one socket that need a page. One has the turn.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct SocketPageTurn {
    pub(super) holder: SeatKey,
    /// The next ones, in order.
    pub(super) waiting: VecDeque<SeatKey>,
}

/// Finds a seat.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct SeatKey {
    pub(super) vault: VaultId,
    pub(super) subscriber: SubscriberId,
}

impl RelayMachine {
    /// Returns a relay without seats. Tickets are part of the offsets that clients send when they reconnect, perhaps to
    /// another process, so each relay needs a `first_ticket` of its own range.
    pub fn new(bounds: RelayBounds, first_ticket: u64) -> Self {
        Self {
            bounds,
            next_ticket: first_ticket,
            vaults: BTreeMap::new(),
            page_turns: BTreeMap::new(),
            deadlines: JoinDeadlines::default(),
        }
    }

    /// Returns whether the seat exists.
    pub fn is_subscribed(&self, vault: &VaultId, id: SubscriberId) -> bool {
        self.seat(vault, id).is_some()
    }

    /// Returns the joins of a seat that the vault has not answered, oldest first.
    pub fn pending_joins(
        &self,
        vault: &VaultId,
        id: SubscriberId,
    ) -> impl Iterator<Item = &Attach> + use<'_> {
        let joins = self
            .seat(vault, id)
            .into_iter()
            .flat_map(|seat| &seat.joins);
        joins.map(|join| &join.attach)
    }

    /// Returns the vaults that have seats or have fallen behind.
    pub fn vaults(&self) -> &BTreeMap<VaultId, VaultSeats> {
        &self.vaults
    }

    /// Returns a seat.
    pub fn seat(&self, vault: &VaultId, id: SubscriberId) -> Option<&Seat> {
        self.vaults.get(vault)?.seats.get(&id)
    }

    pub(super) fn seat_mut(&mut self, vault: &VaultId, id: SubscriberId) -> Option<&mut Seat> {
        self.vaults.get_mut(vault)?.seats.get_mut(&id)
    }

    /// Returns a ticket that no query had before.
    pub(super) fn take_ticket(&mut self) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        ticket
    }
}
