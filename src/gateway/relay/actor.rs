//! The relay as an actor: its mailbox receives notices from vaults and commands from other worker threads.

use std::sync::atomic::{AtomicU64, Ordering};

use actix::prelude::*;

use crate::{
    gateway::{bounds::RelayCapacity, connections::ConnectionRegistry},
    vault::SinkId,
};

use super::{
    delivery_budget::{DeliveryBudget, DeliveryTime, frames_per_socket, yield_to_transports},
    handle::{RelayCommand, RelayHandle},
    machine::RelayId,
    options::RelayOptions,
    sink::{DeliverNotice, FellBehind, PositionsUnknown, RelaySink},
    state::Relay,
};

/// The actor of a relay.
struct RelayActor {
    relay: Relay,
    connections: ConnectionRegistry,
    budget: DeliveryBudget,
}

impl Actor for RelayActor {
    type Context = Context<Self>;
}

/// Starts the relay of this worker thread. Its commands act on the connections in the registry.
pub(super) fn start_relay(options: RelayOptions, connections: ConnectionRegistry) -> Relay {
    static NEXT_ID: AtomicU64 = AtomicU64::new(0);
    let id = SinkId(NEXT_ID.fetch_add(1, Ordering::Relaxed));
    let mut started = None;
    RelayActor::create(|ctx| {
        let address = ctx.address();
        let sink = RelaySink {
            id,
            notices: address.clone().recipient(),
            fell_behind: address.clone().recipient(),
            positions_unknown: address.clone().recipient(),
            capacity: RelayCapacity::new(options.bounds.clone()),
            mailbox: options.metrics.mailbox.clone(),
        };
        let relay = Relay::new(
            options,
            sink,
            RelayHandle::new(RelayId(id.0), address.recipient()),
        );
        started = Some(relay.clone());
        RelayActor {
            relay,
            connections,
            budget: DeliveryBudget::default(),
        }
    });
    started.expect("the actor is created synchronously")
}

impl Drop for RelayActor {
    /// Ends the relay after a panic: its sockets are closed, and the next connection starts another relay.
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.relay.end_after_panic();
        }
    }
}

impl Handler<DeliverNotice> for RelayActor {
    type Result = ();

    fn handle(&mut self, notice: DeliverNotice, ctx: &mut Self::Context) {
        match self.budget.schedule(frames_per_socket(&notice.delivery)) {
            DeliveryTime::Now => self.deliver(notice),
            // Until then the actor takes no message from its mailbox.
            DeliveryTime::AfterYield => ctx.wait(
                yield_to_transports()
                    .into_actor(self)
                    .map(|(), this, _| this.deliver(notice)),
            ),
        }
    }
}

impl RelayActor {
    fn deliver(&self, notice: DeliverNotice) {
        let mailbox = &self.relay.0.peers.sink.mailbox;
        let _timer = mailbox.message_taken(notice.sent);
        self.relay.deliver(notice.delivery);
    }
}

impl Handler<FellBehind> for RelayActor {
    type Result = ();

    fn handle(&mut self, FellBehind(vault): FellBehind, ctx: &mut Self::Context) {
        // Catches up once for several messages, and after the mailbox is empty: actix polls the mailbox before spawned
        // futures.
        for vault in self.relay.fall_behind(vault) {
            ctx.spawn(
                async {}
                    .into_actor(self)
                    .map(move |(), this, _| this.relay.catch_up(&vault)),
            );
        }
    }
}

impl Handler<PositionsUnknown> for RelayActor {
    type Result = ();

    fn handle(&mut self, PositionsUnknown(vault): PositionsUnknown, _: &mut Self::Context) {
        self.relay.end_subscriptions(vault.id());
    }
}

impl Handler<RelayCommand> for RelayActor {
    type Result = ();

    fn handle(&mut self, command: RelayCommand, _: &mut Self::Context) {
        match command {
            RelayCommand::Suspend { pids } => {
                for connection in pids.iter().filter_map(|pid| self.connections.get(pid)) {
                    connection.suspend();
                }
            }
            RelayCommand::TakeOver { pid, user, reason } => {
                if let Some(connection) = self.connections.get(&pid)
                    && *connection.user() == user
                {
                    connection.suspend();
                    connection.close(reason);
                }
            }
            RelayCommand::Close { pids, reason } => {
                for connection in pids.iter().filter_map(|pid| self.connections.get(pid)) {
                    connection.close(reason);
                }
            }
            RelayCommand::EndPositions => self.relay.end_all_subscriptions(),
        }
    }
}
