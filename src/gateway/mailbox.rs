//! A relay's mailbox: what vaults, on their own threads, have for its sockets, and what is asked of those by whoever
//! takes their place.

use std::{sync::Arc, time::Instant};

use actix::prelude::*;

use crate::{
    domain::UserId,
    engineio::CloseReason,
    metrics::Mailbox,
    vault::{Delivery, Full, Sink, SinkId, VaultHandle},
};

use super::{
    bounds::{Places, Taken},
    relay::Relay,
};

/// The relay, reached from other threads.
pub(super) struct RelayActor(pub Relay);

impl Actor for RelayActor {
    type Context = Context<Self>;
}

/// A notice, with its places in the relay's queue.
#[derive(Message)]
#[rtype(result = "()")]
struct Deliver {
    delivery: Delivery,
    sent: Instant,
    _places: Taken,
}

impl Handler<Deliver> for RelayActor {
    type Result = ();

    fn handle(&mut self, deliver: Deliver, _: &mut Self::Context) {
        let _handling = self.0.mailbox().taken(deliver.sent);
        self.0.deliver(deliver.delivery);
    }
}

/// The relay was left out of a vault's events from here on.
#[derive(Message)]
#[rtype(result = "()")]
struct FellBehind(VaultHandle);

impl Handler<FellBehind> for RelayActor {
    type Result = ();

    fn handle(&mut self, FellBehind(vault): FellBehind, ctx: &mut Self::Context) {
        // Once, however often it is said, and when the mailbox is empty: actix polls it before what is spawned.
        if self.0.is_left_behind(&vault) {
            ctx.spawn(
                async {}
                    .into_actor(self)
                    .map(move |(), this, _| this.0.catch_up(&vault)),
            );
        }
    }
}

/// What the sockets of these pids leave is wanted elsewhere: it is kept, and they are sent nothing more. The answer comes
/// behind everything that vaults have sent before.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct LetGo(pub Vec<String>);

impl Handler<LetGo> for RelayActor {
    type Result = ();

    fn handle(&mut self, LetGo(pids): LetGo, _: &mut Self::Context) {
        for connection in pids.iter().filter_map(|pid| self.0.connection(pid)) {
            connection.let_go(None);
        }
    }
}

/// This user comes back by another transport: what the socket of this pid leaves, if it is his, is kept for him, and its
/// own transport closed.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct TakeOver {
    pub pid: String,
    pub user: UserId,
    pub reason: CloseReason,
}

impl Handler<TakeOver> for RelayActor {
    type Result = ();

    fn handle(&mut self, over: TakeOver, _: &mut Self::Context) {
        if let Some(connection) = self.0.connection(&over.pid)
            && connection.let_go(Some(&over.user))
        {
            connection.close(over.reason);
        }
    }
}

/// The transports of these pids' sockets are to be closed.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Dismiss {
    pub pids: Vec<String>,
    pub reason: CloseReason,
}

impl Handler<Dismiss> for RelayActor {
    type Result = ();

    fn handle(&mut self, Dismiss { pids, reason }: Dismiss, _: &mut Self::Context) {
        for connection in pids.iter().filter_map(|pid| self.0.connection(pid)) {
            connection.close(reason);
        }
    }
}

/// How vaults reach a relay, from their own threads.
pub(super) struct RelaySink {
    pub id: SinkId,
    pub addr: Addr<RelayActor>,
    pub places: Arc<Places>,
    pub mailbox: Mailbox,
}

impl Sink for RelaySink {
    fn id(&self) -> SinkId {
        self.id
    }

    #[allow(clippy::disallowed_methods, reason = "bounded by places")]
    fn deliver(&self, delivery: Delivery) -> Result<(), Full> {
        let places = self.places.take(delivery.weight()).ok_or(Full)?;
        self.mailbox.sent(places.before());
        self.addr.do_send(Deliver {
            delivery,
            sent: Instant::now(),
            _places: places,
        });
        Ok(())
    }

    #[allow(
        clippy::disallowed_methods,
        reason = "once for each vault until it has caught up, or for each join that was lost"
    )]
    fn fell_behind(&self, vault: VaultHandle) {
        self.addr.do_send(FellBehind(vault));
    }
}
