//! Vaults, alive: each an actor that owns its subscribers, orders its events, has them written and tells them.
//!
//! Other modules hold a [`VaultHandle`] with verbs; messages stay in here. [`Vaults::open`] answers at once, so
//! that what one caller sends for a vault arrives in the order sent, also while the vault is still being read.
//! The handle holds the bound: a mutation takes a place in the vault's queue that travels with it and is free
//! when it is answered.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use actix::Addr;
use tokio::sync::{Semaphore, oneshot};

use crate::{
    domain::{Answer, Mutation, SubscriberId, UserId, VaultId},
    journal::{Journal, NewVault},
};

mod actor;
mod directory;
mod error;
mod notice;
mod ring;

pub use actor::Attach;
pub use error::VaultError;
pub use notice::{Audience, Body, Delivery, Full, Joined, Notice, Sink, SinkId};

use actor::{CaughtUp, Leave, Submit, Subscribe, VaultActor};
use directory::Directory;

/// The bounds of vaults.
#[derive(Clone, Copy, Debug)]
pub struct VaultOptions {
    /// How many mutations wait for one vault, the one in flight included (`actors.vault_mailbox`).
    pub mailbox: usize,
    /// How many of them go into one transaction (`actors.commit_batch`).
    pub commit_batch: usize,
    /// How many threads vaults live on.
    pub threads: usize,
}

/// All vaults. Cheap to clone; needs an actix system.
#[derive(Clone)]
pub struct Vaults(Directory);

impl Vaults {
    /// The vaults of this journal.
    pub fn new(journal: Journal, options: VaultOptions) -> Self {
        Self(Directory::new(journal, options))
    }

    /// The vault of this id, whether it exists or not: one that does not answers like one that the caller is
    /// not a member of.
    pub fn open(&self, id: &VaultId) -> VaultHandle {
        self.0.open(id)
    }

    /// Makes a vault that stands at sequence number 0.
    ///
    /// # Errors
    /// When its idempotency key was used for something else, or the database does not answer.
    pub async fn create(&self, new: NewVault) -> Result<Answer, VaultError> {
        Ok(self.journal().create_vault(new).await?)
    }

    /// Takes no more mutations, and returns when all that were taken are on disk and answered.
    pub async fn settle(&self) {
        self.0.settle().await;
    }

    /// What the vaults remember, for those who only read.
    pub fn journal(&self) -> &Journal {
        self.0.journal()
    }
}

/// One vault. Cheap to clone.
#[derive(Clone)]
pub struct VaultHandle {
    addr: Addr<VaultActor>,
    places: Arc<Semaphore>,
    closing: Arc<AtomicBool>,
}

impl VaultHandle {
    /// Changes the vault on somebody's behalf. It has its place in the vault's order when this returns; the
    /// future tells what came of it, and may be dropped without changing that.
    ///
    /// # Errors
    /// From the future: `Busy` when no place was free, a refusal, or a failure.
    pub fn submit(
        &self,
        mutation: Mutation,
    ) -> impl Future<Output = Result<Answer, VaultError>> + use<> {
        let (answer, outcome) = oneshot::channel();
        let taken = match self.places.clone().try_acquire_owned() {
            _ if self.closing.load(Ordering::Acquire) => Err(VaultError::Unavailable),
            Ok(place) => {
                self.tell(Submit::new(mutation, place, answer));
                Ok(())
            }
            Err(_) => Err(VaultError::Busy),
        };
        async move {
            taken?;
            outcome.await.unwrap_or(Err(VaultError::Unavailable))
        }
    }

    /// Attaches a subscriber, or attaches him anew. What he hears comes through the sink, the confirmation first;
    /// the future resolves with the reason when he is not admitted, and with `None` otherwise.
    pub fn subscribe(
        &self,
        subscriber: SubscriberId,
        user: UserId,
        sink: Arc<dyn Sink>,
        attach: Attach,
    ) -> impl Future<Output = Option<VaultError>> + use<> {
        let (refused, outcome) = oneshot::channel();
        self.tell(Subscribe {
            subscriber,
            user,
            sink,
            attach,
            refused,
        });
        async move { outcome.await.ok() }
    }

    /// Ends a subscription. What is already on its way to the sink is for the sink to drop.
    pub fn leave(&self, subscriber: SubscriberId) {
        self.tell(Leave(subscriber));
    }

    /// Says that a sink that had fallen behind has room again; it attaches its subscribers right after.
    pub fn caught_up(&self, sink: SinkId) {
        self.tell(CaughtUp(sink));
    }

    /// Puts a message into the mailbox at once and in order, which `send` does not do when the mailbox is full.
    /// What is sent is bounded before: mutations by places, the rest by sockets.
    #[allow(
        clippy::disallowed_methods,
        reason = "bounded by places and by sockets"
    )]
    fn tell<M>(&self, message: M)
    where
        M: actix::Message + Send + 'static,
        M::Result: Send,
        VaultActor: actix::Handler<M>,
    {
        self.addr.do_send(message);
    }
}
