//! What a vault's actor is started with.

use std::{sync::Arc, time::Duration};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    domain::{Seq, VaultId},
    journal::Journal,
};

use super::{
    handle::VaultHandle, machine::RetireCause, members_snapshot::MembersSnapshot,
    metrics::VaultMetrics, options::VaultOptions, permits::AdmissionPermits,
    stats::VaultStatsRecorder,
};

/// What an actor is started with.
pub(super) struct VaultActorParams {
    pub handle: VaultHandle,
    pub host: Arc<dyn VaultHost>,
    pub journal: Journal,
    pub options: VaultOptions,
    pub metrics: Arc<VaultMetrics>,
    pub permits: AdmissionPermits,
    pub load: LoadParams,
    pub stats: Arc<VaultStatsRecorder>,
    pub members_snapshot: MembersSnapshot,
}

/// What the actor waits for before it loads the vault.
#[derive(Clone)]
pub(super) struct LoadParams {
    /// Has one permit. It is free when the last transaction of the predecessor has ended.
    pub writer_lease: Arc<Semaphore>,
    /// Bounds the vaults that are loaded at the same time.
    pub load_permits: Arc<Semaphore>,
    /// The time to wait before the vault is loaded.
    pub start_delay: Duration,
}

/// What a vault's actor needs from the directory.
pub(super) trait VaultHost: Send + Sync {
    /// Removes an actor from the directory if nothing is on its way to it. Returns whether it was unused; no message can
    /// reach it then.
    fn retire(&self, id: &VaultId, permits: &AdmissionPermits, cause: RetireCause) -> bool;

    /// Logs once per process that another node writes to the database.
    fn log_foreign_writer(&self, id: &VaultId);

    /// Passes on that a commit of this node has moved the vault's head.
    fn announce_head(&self, id: &VaultId, head: Seq);

    /// Reports that positions of clients are unknown.
    fn history_replaced(&self);

    /// Logs that the journal of a vault has gone back.
    fn log_rewound(&self, id: &VaultId, head: Seq, journal_head: Seq);
}

/// The right to write to a vault. A successor obtains it when both the actor and its transaction in flight have ended.
pub(super) type WriterLease = Arc<OwnedSemaphorePermit>;
