//! Queries to vaults, and the turns of seats that need a page of missed events.

use std::collections::{VecDeque, btree_map::Entry};

use crate::{
    domain::{SubscriberId, VaultId},
    vault::{Attach, REPLAY_PAGE},
};

use super::{
    deadlines::JoinDeadline,
    effect::{RelayEffect, RelayEffects},
    ids::{RelaySocketId, SeatId},
    input::RelayBounds,
    seat::{PageTurn, QueryPurpose, SeatQuery, SentQuery},
    state::{RelayMachine, SeatKey, SocketPageTurn},
    step::RelayStep,
    vault_seats::FanoutState,
};

impl RelayBounds {
    /// Returns how many pages one vault may send to this relay at a time. Most of the mailbox is reserved for live events.
    pub fn pages_per_vault(&self) -> usize {
        (self.mailbox / 4 / REPLAY_PAGE).max(1)
    }
}

impl RelayMachine {
    /// Queries the vault for what the seat needs next, unless a query is pending.
    pub(super) fn advance<F: RelayEffects>(
        &mut self,
        vault: &VaultId,
        id: SubscriberId,
        step: &mut RelayStep<'_, F>,
    ) {
        let Some(entry) = self.vaults.get_mut(vault) else {
            return;
        };
        let fanout = entry.fanout;
        let Some(seat) = entry.seats.get_mut(&id) else {
            return;
        };
        if seat.query != SeatQuery::Idle {
            return;
        }
        let Some(attach) = seat.next_query() else {
            return;
        };
        match (fanout, &attach) {
            // The queries are sent when the relay has caught up.
            (FanoutState::FellBehind, _) => self.start_deadline(vault, id, &attach, step),
            (FanoutState::Current, Attach::Join) => {
                self.send_query(vault, id, PageTurn::NotNeeded, step);
            }
            (FanoutState::Current, Attach::JoinSince { .. } | Attach::Resume { .. }) => {
                let socket = seat.socket;
                let key = SeatKey {
                    vault: vault.clone(),
                    subscriber: id,
                };
                match self.page_turns.entry(socket) {
                    Entry::Vacant(free) => {
                        seat.query = SeatQuery::AwaitingRoom;
                        free.insert(SocketPageTurn {
                            holder: key,
                            waiting: VecDeque::new(),
                        });
                        step.perform(RelayEffect::AwaitOutboxRoom { socket });
                    }
                    Entry::Occupied(mut turn) => {
                        seat.query = SeatQuery::AwaitingSocket;
                        turn.get_mut().waiting.push_back(key);
                    }
                }
            }
        }
    }

    /// Continues with the seat that has the turn of a socket, because the outbox has room for a page.
    pub(super) fn continue_socket<F: RelayEffects>(
        &mut self,
        socket: RelaySocketId,
        step: &mut RelayStep<'_, F>,
    ) {
        let Some(turn) = self.page_turns.get(&socket) else {
            return;
        };
        let SeatKey { vault, subscriber } = turn.holder.clone();
        let Some(entry) = self.vaults.get_mut(&vault) else {
            return;
        };
        if let Some(seat) = entry.seats.get_mut(&subscriber)
            && seat.query == SeatQuery::AwaitingRoom
        {
            seat.query = SeatQuery::AwaitingVault;
            entry.pages.waiting.push_back(subscriber);
            self.grant_vault_turns(&vault, step);
        }
    }

    /// Sends the queries of seats that wait for a turn of the vault, as far as there are turns.
    pub(super) fn grant_vault_turns<F: RelayEffects>(
        &mut self,
        vault: &VaultId,
        step: &mut RelayStep<'_, F>,
    ) {
        let bound = self.bounds.pages_per_vault();
        while let Some(entry) = self.vaults.get_mut(vault)
            && entry.fanout == FanoutState::Current
            && entry.pages.in_use < bound
            && let Some(id) = entry.pages.waiting.pop_front()
        {
            let Some(seat) = entry.seats.get_mut(&id) else {
                continue;
            };
            if seat.next_query().is_some() {
                entry.pages.in_use += 1;
                self.send_query(vault, id, PageTurn::Held, step);
            } else {
                seat.query = SeatQuery::Idle;
                let socket = seat.socket;
                self.pass_socket_turn(socket, step);
            }
        }
    }

    fn send_query<F: RelayEffects>(
        &mut self,
        vault: &VaultId,
        id: SubscriberId,
        turn: PageTurn,
        step: &mut RelayStep<'_, F>,
    ) {
        let ticket = self.take_ticket();
        let Some(seat) = self.seat_mut(vault, id) else {
            return;
        };
        let Some(attach) = seat.next_query() else {
            return;
        };
        seat.query = SeatQuery::Sent(SentQuery {
            ticket,
            purpose: QueryPurpose::from_attach(&attach),
            turn,
        });
        let seat_id = SeatId {
            socket: seat.socket,
            subscriber: id,
        };
        self.start_deadline(vault, id, &attach, step);
        step.perform(RelayEffect::Subscribe {
            vault,
            seat: seat_id,
            ticket,
            attach,
        });
    }

    /// Starts the deadline of the oldest pending join, if that is the next query. It is started once.
    fn start_deadline<F: RelayEffects>(
        &mut self,
        vault: &VaultId,
        id: SubscriberId,
        attach: &Attach,
        step: &RelayStep<'_, F>,
    ) {
        let at = step.now + self.bounds.join_timeout;
        if QueryPurpose::from_attach(attach) == QueryPurpose::Join
            && let Some(seat) = self.seat_mut(vault, id)
            && let Some(join) = seat.joins.front_mut()
            && join.deadline.is_none()
        {
            join.deadline = Some(at);
            self.deadlines.insert(JoinDeadline {
                at,
                subscriber: id,
                vault: vault.clone(),
            });
        }
    }

    /// Ends the query of a seat: it was answered, or its answer is not needed. The next seats get its turns.
    pub(super) fn end_query<F: RelayEffects>(
        &mut self,
        vault: &VaultId,
        id: SubscriberId,
        step: &mut RelayStep<'_, F>,
    ) {
        let Some(entry) = self.vaults.get_mut(vault) else {
            return;
        };
        let Some(seat) = entry.seats.get_mut(&id) else {
            return;
        };
        let socket = seat.socket;
        match std::mem::replace(&mut seat.query, SeatQuery::Idle) {
            SeatQuery::Idle
            | SeatQuery::Sent(SentQuery {
                turn: PageTurn::NotNeeded,
                ..
            }) => {}
            SeatQuery::AwaitingSocket => {
                if let Some(turn) = self.page_turns.get_mut(&socket) {
                    let is_other = |key: &SeatKey| key.subscriber != id || key.vault != *vault;
                    turn.waiting.retain(is_other);
                }
            }
            SeatQuery::AwaitingRoom => self.pass_socket_turn(socket, step),
            SeatQuery::AwaitingVault => {
                entry.pages.waiting.retain(|waiting| *waiting != id);
                self.pass_socket_turn(socket, step);
            }
            SeatQuery::Sent(SentQuery {
                turn: PageTurn::Held,
                ..
            }) => {
                entry.pages.in_use -= 1;
                self.pass_socket_turn(socket, step);
                self.grant_vault_turns(vault, step);
            }
        }
    }

    /// Gives the turn of a socket to the next of its seats that waits for it.
    fn pass_socket_turn<F: RelayEffects>(
        &mut self,
        socket: RelaySocketId,
        step: &mut RelayStep<'_, F>,
    ) {
        let Some(turn) = self.page_turns.get_mut(&socket) else {
            return;
        };
        let Some(next) = turn.waiting.pop_front() else {
            self.page_turns.remove(&socket);
            return;
        };
        turn.holder = next.clone();
        if let Some(seat) = self.seat_mut(&next.vault, next.subscriber) {
            seat.query = SeatQuery::AwaitingRoom;
            step.perform(RelayEffect::AwaitOutboxRoom { socket });
        }
    }

    /// Replaces the bounds. A lower bound revokes no turn.
    pub(super) fn reconfigure<F: RelayEffects>(
        &mut self,
        bounds: RelayBounds,
        step: &mut RelayStep<'_, F>,
    ) {
        self.bounds = bounds;
        let vaults: Vec<_> = self.vaults.keys().cloned().collect();
        for vault in &vaults {
            self.grant_vault_turns(vault, step);
        }
    }
}
