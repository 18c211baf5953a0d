//! Vaults, alive: each an actor that owns its subscribers, orders its events, has them written and tells them.
//!
//! Other modules hold a [`VaultHandle`] with verbs; messages stay in here. [`Vaults::open`] answers at once, so
//! that what one caller sends for a vault arrives in the order sent, also while the vault is still being read.
//! The handle holds the bound: a mutation takes a place in the vault's queue that travels with it and is free
//! when it is answered.
//!
//! Reading order: `directory.rs` (who is alive), `actor.rs` (a vault's life), `commits.rs` (what changes it),
//! `attach.rs` (who begins to hear it), `abreast.rs` (what other processes wrote), `listeners.rs` and `notice.rs` (what is heard), `reading.rs`, `ring.rs`;
//! `vitals.rs` and `meters.rs` (what whoever operates it sees).

use std::{future::Future, sync::Arc, time::Duration};

use actix::ArbiterHandle;
use tokio::sync::oneshot;

use crate::{
    domain::{Answer, Mutation, SubscriberId, VaultId},
    journal::{Denied, Journal, NewVault, report},
};

mod abreast;
mod actor;
mod attach;
mod commits;
mod directory;
mod error;
mod listeners;
mod meters;
mod notice;
mod reading;
mod ring;
mod vitals;

pub use attach::{Attach, Subscription};
pub use error::VaultError;
pub use meters::{Meters, register_gauges};
pub use notice::{
    Attached, Audience, Body, Delivery, Full, Joined, Notice, PAGE, Sink, SinkId, Then,
};
pub use vitals::{Totals, Vital};

use attach::{CaughtUp, Leave, Subscribe};
use commits::Submit;
use directory::Directory;

/// The bounds of vaults. All but the threads can be set anew at any time.
#[derive(Clone, Copy, Debug)]
pub struct VaultOptions {
    /// How many mutations wait for one vault, the ones in flight included (`actors.vault_mailbox`).
    pub mailbox: usize,
    /// How many of them go into one transaction (`actors.commit_batch`).
    pub commit_batch: usize,
    /// A vault without subscribers and work leaves the memory after this (`actors.vault_idle`).
    pub idle: Duration,
    /// How many threads vaults live on.
    pub threads: usize,
}

/// All vaults. Cheap to clone; needs an actix system.
#[derive(Clone)]
pub struct Vaults(Directory);

impl Vaults {
    /// The vaults of this journal.
    pub fn new(journal: Journal, options: VaultOptions, meters: Meters) -> Self {
        Self(Directory::new(journal, options, meters))
    }

    /// The vault of this id, whether it exists or not: one that does not answers like one that the caller is
    /// not a member of.
    pub fn open(&self, id: &VaultId) -> VaultHandle {
        VaultHandle {
            id: id.clone(),
            directory: self.0.clone(),
        }
    }

    /// Makes a vault that stands at sequence number 0.
    ///
    /// # Errors
    /// When its idempotency key was used for something else, or the database does not answer.
    pub async fn create(&self, new: NewVault) -> Result<Answer, VaultError> {
        if self.0.is_closing() {
            return Err(VaultError::Unavailable);
        }
        let made = self.journal().create_vault(new).await;
        let made = made.map_err(|denied| {
            if let Denied::Failed(error) = &denied {
                report!(error, "a vault could not be made");
            }
            denied.into()
        });
        self.0.meters().mutation(meters::NEW_VAULT, &made);
        made
    }

    /// Sets other bounds, for the vaults in memory and for all that come. What waits already has its place; the threads
    /// stay as many as they are.
    pub fn retune(&self, options: VaultOptions) {
        self.0.retune(options);
    }

    /// How many mutations may wait for one vault, now.
    pub fn capacity(&self) -> usize {
        self.0.capacity()
    }

    /// How many vaults are in memory.
    pub fn alive(&self) -> usize {
        self.totals().vaults
    }

    /// What those in memory come to.
    pub fn totals(&self) -> Totals {
        self.0.totals()
    }

    /// Those that are in memory, at a glance, in no order.
    pub fn vitals(&self) -> Vec<Vital> {
        self.0.vitals()
    }

    /// The threads that they live on, in the order in which a vault's [vital](Vital::arbiter) names them.
    pub fn threads(&self) -> &[ArbiterHandle] {
        self.0.threads()
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

/// One vault, whether it is in memory now or not: every verb asks the directory for its actor. Cheap to clone.
#[derive(Clone)]
pub struct VaultHandle {
    id: VaultId,
    directory: Directory,
}

impl VaultHandle {
    /// The vault's id.
    pub fn id(&self) -> &VaultId {
        &self.id
    }

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
        let meters = self.directory.meters();
        let taken = match self.directory.place(&self.id) {
            Ok((vault, place)) => {
                vault.tell(Submit::new(mutation, place, answer, meters.clone()));
                Ok(())
            }
            Err(error) => {
                meters.refused(&mutation, &error);
                Err(error)
            }
        };
        async move {
            taken?;
            outcome.await.unwrap_or(Err(VaultError::Unavailable))
        }
    }

    /// Attaches a subscriber, or attaches him anew. What he hears comes through the sink: first
    /// [what came of it](Attached), unless he is attached once more before, which takes its place. Should the vault's actor end before it was handled, the sink is told that it
    /// [fell behind](Sink::fell_behind).
    pub fn subscribe(&self, subscription: Subscription, sink: Arc<dyn Sink>) {
        let (vault, visit) = self.directory.visit(&self.id);
        vault.tell(Subscribe::new(subscription, sink, self.clone(), visit));
    }

    /// Ends a subscription. What is already on its way to the sink is for the sink to drop.
    pub fn leave(&self, subscriber: SubscriberId) {
        if let Some(vault) = self.directory.get(&self.id) {
            vault.tell(Leave(subscriber));
        }
    }

    /// Says that a sink that had fallen behind has room again; it attaches its subscribers right after. None of its
    /// earlier subscriptions is answered from here on.
    pub fn caught_up(&self, sink: SinkId) {
        if let Some(vault) = self.directory.get(&self.id) {
            vault.tell(CaughtUp(sink));
        }
    }
}
