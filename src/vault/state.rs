//! The state of a vault's actor. `actor.rs`, `commits.rs`, `attach.rs`, `replay.rs` and `head_check.rs` work on it.

use std::{sync::Arc, time::Duration};

use actix::SpawnHandle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    domain::{Refusal, Seq, Vault, VaultId},
    journal::Journal,
};

use super::{
    error::VaultError, fanout::Fanout, handle::VaultHandle, members_snapshot::MembersSnapshot,
    metrics::VaultMetrics, options::VaultOptions, pending_reads::PendingReads,
    permits::AdmissionPermits, queue::MutationQueue, ring::EventRing, stats::VaultStatsRecorder,
    waiting_joins::WaitingJoins,
};

/// What an actor is started with.
pub(super) struct VaultActorParams {
    pub handle: VaultHandle,
    pub host: Arc<dyn VaultHost>,
    pub journal: Journal,
    pub options: VaultOptions,
    pub metrics: VaultMetrics,
    pub permits: AdmissionPermits,
    /// Has one permit. It is free when the last transaction of the predecessor has ended.
    pub writer_lease: Arc<Semaphore>,
    /// Bounds the vaults that are loaded at the same time.
    pub load_permits: Arc<Semaphore>,
    /// The time to wait before the vault is loaded.
    pub start_delay: Duration,
    pub stats: Arc<VaultStatsRecorder>,
    pub members_snapshot: MembersSnapshot,
}

/// What a vault's actor needs from the directory.
pub(super) trait VaultHost: Send + Sync {
    /// Removes an actor from the directory if nothing is on its way to it. Returns whether it was unused; no message can
    /// reach it then.
    fn retire(&self, id: &VaultId, permits: &AdmissionPermits) -> bool;

    /// Warns the operator once per process that another node writes to the database.
    fn warn_of_foreign_writer(&self, id: &VaultId);
}

/// The actor of one vault: a projection of its journal.
pub(super) struct VaultActor {
    pub(super) id: VaultId,
    pub(super) journal: Journal,
    pub(super) options: VaultOptions,
    pub(super) host: Arc<dyn VaultHost>,
    pub(super) permits: AdmissionPermits,
    pub(super) metrics: VaultMetrics,
    pub(super) stats: Arc<VaultStatsRecorder>,
    pub(super) members_snapshot: MembersSnapshot,
    pub(super) load: LoadParams,
    pub(super) state: VaultState,
    pub(super) queue: MutationQueue,
    pub(super) fanout: Fanout,
    pub(super) joins: WaitingJoins,
    pub(super) reads: PendingReads,
    /// A request arrived since the last idle check.
    pub(super) is_used: bool,
    pub(super) idle_timer: Option<SpawnHandle>,
}

/// The message that changes the bounds of a loaded vault.
pub(super) struct Reconfigure(pub VaultOptions);

/// What the actor waits for before it loads the vault; see [`VaultActorParams`].
#[derive(Clone)]
pub(super) struct LoadParams {
    pub writer_lease: Arc<Semaphore>,
    pub load_permits: Arc<Semaphore>,
    pub start_delay: Duration,
}

/// The right to write to a vault. A successor obtains it when both the actor and its transaction in flight have ended.
pub(super) type WriterLease = Arc<OwnedSemaphorePermit>;

/// The state of the vault as the actor has loaded it.
pub(super) enum VaultState {
    /// The vault is being loaded. No message is handled before that ends.
    Loading,
    /// The vault exists.
    Open {
        vault: Vault,
        ring: EventRing,
        lease: WriterLease,
    },
    /// The vault never existed or was deleted. Every request is refused as for a user who is not a member.
    Absent,
    /// The vault could not be loaded, or its state must be loaded again.
    Failed(VaultError),
}

impl VaultActor {
    pub(super) fn new(params: VaultActorParams) -> Self {
        Self {
            id: params.handle.id().clone(),
            journal: params.journal,
            options: params.options,
            host: params.host,
            permits: params.permits,
            load: LoadParams {
                writer_lease: params.writer_lease,
                load_permits: params.load_permits,
                start_delay: params.start_delay,
            },
            state: VaultState::Loading,
            queue: MutationQueue::default(),
            fanout: Fanout::new(params.handle, params.stats.clone(), &params.metrics),
            stats: params.stats,
            members_snapshot: params.members_snapshot,
            metrics: params.metrics,
            joins: WaitingJoins::default(),
            reads: PendingReads::default(),
            is_used: true,
            idle_timer: None,
        }
    }

    /// Returns the error for every request, unless the vault is open.
    pub(super) fn unavailable_reason(&self) -> Option<VaultError> {
        match &self.state {
            VaultState::Open { .. } => None,
            VaultState::Loading => Some(VaultError::Unavailable),
            VaultState::Absent => Some(Refusal::AccessDenied.into()),
            VaultState::Failed(error) => Some(error.clone()),
        }
    }

    /// Returns the vault's head if the vault is open.
    pub(super) fn head(&self) -> Option<Seq> {
        match &self.state {
            VaultState::Open { vault, .. } => Some(vault.head),
            VaultState::Loading | VaultState::Absent | VaultState::Failed(_) => None,
        }
    }
}
