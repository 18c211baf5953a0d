//! The vault actor's life: one vault, one mailbox, one transaction in flight.
//!
//! It begins by reading its vault, when whoever had the vault before has nothing in flight any longer. It ends when
//! there is no vault, or when nobody has used it for a while; and it may die at any time, for all that it knows is in
//! the journal. Its sinks are told then, and attach their subscribers to its successor.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use actix::prelude::*;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::debug;

use crate::{
    domain::{Refusal, Vault, VaultId},
    journal::{Journal, JournalError, report},
    panics,
};

use super::{
    VaultError, VaultHandle, VaultOptions,
    abreast::Joining,
    commits::Queue,
    directory::{Directory, Entrance},
    listeners::Listeners,
    meters::Meters,
    reading::Readings,
    ring::Ring,
    vitals::Vitals,
};

/// What an actor starts with.
pub(super) struct Start {
    pub id: VaultId,
    pub journal: Journal,
    pub directory: Directory,
    pub options: VaultOptions,
    pub entrance: Entrance,
    /// Where its predecessor's tenure comes back when its last transaction has ended.
    pub tenure: Arc<Semaphore>,
    /// One is held while the vault is read.
    pub opening: Arc<Semaphore>,
    /// How long to wait before.
    pub pause: Duration,
    /// What is told of it.
    pub vitals: Arc<Vitals>,
}

/// What the actor is told.
pub(super) trait Letter: Send + 'static {
    /// How many places of the queue it holds.
    const PLACES: usize = 0;
    /// Whether somebody uses the vault by it.
    const IS_USE: bool = true;

    /// Handles it.
    fn handle(self, vault: &mut VaultActor, ctx: &mut Context<VaultActor>);
}

/// A letter to the actor, and when it was sent: the one way in.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Sent<M: Letter> {
    at: Instant,
    letter: M,
}

impl<M: Letter> Sent<M> {
    pub(super) fn now(letter: M) -> Self {
        let at = Instant::now();
        Self { at, letter }
    }
}

/// A vault, alive: a projection of its journal.
pub(super) struct VaultActor {
    pub(super) id: VaultId,
    pub(super) journal: Journal,
    pub(super) options: VaultOptions,
    pub(super) directory: Directory,
    entrance: Entrance,
    pub(super) meters: Meters,
    pub(super) vitals: Arc<Vitals>,
    /// What is waited for before the vault is read.
    awaited: Awaited,
    pub(super) standing: Standing,
    pub(super) queue: Queue,
    pub(super) listeners: Listeners,
    /// Who joins when it is known where the journal stands.
    pub(super) joining: Joining,
    /// Subscribers for whom the journal is being read.
    pub(super) reading: Readings,
    /// Somebody came since it was last looked whether anybody does.
    pub(super) used: bool,
    /// Looks for that again and again.
    watch: Option<SpawnHandle>,
}

/// Other bounds hold from now on.
pub(super) struct Retune(pub VaultOptions);

impl Letter for Retune {
    const IS_USE: bool = false;

    fn handle(self, vault: &mut VaultActor, ctx: &mut Context<VaultActor>) {
        let Self(options) = self;
        let idle = std::mem::replace(&mut vault.options, options).idle;
        if idle != options.idle {
            vault.watch_for_use(ctx);
        }
    }
}

/// See [`Start`].
#[derive(Clone)]
struct Awaited {
    tenure: Arc<Semaphore>,
    opening: Arc<Semaphore>,
    pause: Duration,
}

/// The right to write for a vault. A successor gets it when the actor and its transaction in flight have both ended.
pub(super) type Tenure = Arc<OwnedSemaphorePermit>;

/// What the actor knows of its vault.
pub(super) enum Standing {
    /// Not read yet; nothing is handled meanwhile.
    Opening,
    /// It is there.
    Open {
        vault: Vault,
        ring: Ring,
        tenure: Tenure,
    },
    /// It never was, or is no more: everybody is told what a stranger is told.
    Absent,
    /// It could not be read.
    Failed(VaultError),
}

impl VaultActor {
    pub(super) fn new(start: Start) -> Self {
        let handle = VaultHandle {
            id: start.id.clone(),
            directory: start.directory.clone(),
        };
        let meters = start.directory.meters().clone();
        Self {
            id: start.id,
            journal: start.journal,
            options: start.options,
            directory: start.directory,
            entrance: start.entrance,
            awaited: Awaited {
                tenure: start.tenure,
                opening: start.opening,
                pause: start.pause,
            },
            standing: Standing::Opening,
            queue: Queue::default(),
            listeners: Listeners::of(handle, start.vitals.clone(), &meters),
            vitals: start.vitals,
            meters,
            joining: Joining::default(),
            reading: Readings::default(),
            used: true,
            watch: None,
        }
    }

    fn opened(&mut self, tenure: Tenure, loaded: Result<Option<Vault>, JournalError>) {
        self.standing = match loaded {
            Ok(Some(vault)) if !vault.members.is_empty() => {
                let ring = Ring::at(vault.head);
                self.vitals.stands_at(vault.head);
                Standing::Open {
                    vault,
                    ring,
                    tenure,
                }
            }
            Ok(_) => Standing::Absent,
            Err(error) => {
                report!(error, vault.id = %self.id, "a vault could not be opened");
                Standing::Failed(error.into())
            }
        };
    }

    /// Why nothing can be done here, when nothing can.
    pub(super) fn closed(&self) -> Option<VaultError> {
        match &self.standing {
            Standing::Open { .. } => None,
            Standing::Opening => Some(VaultError::Unavailable),
            Standing::Absent => Some(Refusal::AccessDenied.into()),
            Standing::Failed(error) => Some(error.clone()),
        }
    }

    /// Ends when there is no vault and everybody has been told so: ids that nobody has leave no actor behind, and a
    /// vault that could not be read is tried again.
    pub(super) fn end_if_closed(&mut self, ctx: &mut Context<Self>) {
        if self.closed().is_some() {
            self.end_if_unused(ctx);
        }
    }

    /// Begins to look, again and again, whether anybody comes.
    fn watch_for_use(&mut self, ctx: &mut Context<Self>) {
        let watch = ctx.run_interval(self.options.idle, Self::end_if_idle);
        if let Some(before) = self.watch.replace(watch) {
            ctx.cancel_future(before);
        }
    }

    /// Ends when nobody has come for the time between two calls. Subscribers count as use.
    fn end_if_idle(&mut self, ctx: &mut Context<Self>) {
        if !std::mem::take(&mut self.used) && self.listeners.is_empty() {
            self.end_if_unused(ctx);
        }
    }

    /// Leaves the directory and stops, if nothing waits here and nothing is on its way.
    fn end_if_unused(&mut self, ctx: &mut Context<Self>) {
        if self.directory.retire(&self.id, &self.entrance) {
            debug!(vault.id = %self.id, "a vault leaves the memory");
            ctx.stop();
        }
    }

    /// Gives up what it knows, for it does not fit the journal: its successor reads the vault anew.
    pub(super) fn start_over(&mut self, ctx: &mut Context<Self>) {
        self.standing = Standing::Failed(VaultError::Unavailable);
        ctx.stop();
    }
}

impl Drop for VaultActor {
    /// Nobody else is there to count how it ended.
    fn drop(&mut self) {
        if thread::panicking() {
            self.meters.panicked.inc();
        }
    }
}

impl<M: Letter> Handler<Sent<M>> for VaultActor {
    type Result = ();

    fn handle(&mut self, Sent { at, letter }: Sent<M>, ctx: &mut Self::Context) {
        let handling = self.meters.mailbox.taken(at);
        let _about = panics::about_vault(self.id.as_str());
        if M::IS_USE {
            self.used = true;
            self.vitals.is_used(handling.since);
        }
        letter.handle(self, ctx);
    }
}

impl Actor for VaultActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let (journal, id) = (self.journal.clone(), self.id.clone());
        let awaited = self.awaited.clone();
        self.vitals.is_used(Instant::now());
        let load = async move {
            if !awaited.pause.is_zero() {
                tokio::time::sleep(awaited.pause).await;
            }
            let tenure = awaited.tenure.acquire_owned().await;
            let tenure = tenure.expect("nobody closes a tenure");
            let _opening = awaited.opening.acquire().await;
            (Arc::new(tenure), journal.load(&id).await)
        };
        ctx.wait(load.into_actor(self).map(|(tenure, loaded), this, ctx| {
            this.opened(tenure, loaded);
            this.end_if_closed(ctx);
            this.watch_for_use(ctx);
        }));
    }
}
