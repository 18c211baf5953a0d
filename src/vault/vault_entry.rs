//! A loaded vault in the directory.

use std::{sync::Arc, time::Instant};

use actix::Addr;
use tokio::sync::Semaphore;

use super::{
    actor::VaultActor,
    members_snapshot::MembersSnapshot,
    message::{Envelope, VaultMessage},
    metrics::VaultMetrics,
    permits::AdmissionPermits,
    stats::VaultStatsRecorder,
};

/// A vault's actor and what is needed to reach it.
pub(super) struct VaultEntry {
    pub(super) addr: Addr<VaultActor>,
    pub(super) permits: AdmissionPermits,
    /// Held by the actor and by its transaction in flight. A successor waits for it.
    pub(super) writer_lease: Arc<Semaphore>,
    pub(super) started_at: Instant,
    pub(super) stats: Arc<VaultStatsRecorder>,
    pub(super) members_snapshot: MembersSnapshot,
    pub(super) metrics: Arc<VaultMetrics>,
}

impl VaultEntry {
    /// Returns whether the actor has not ended. The entry of an actor that panicked stays until the next request.
    pub(super) fn is_running(&self) -> bool {
        self.addr.connected()
    }

    /// Puts a message into the mailbox at once and in order. `send` does not do that when the mailbox is full.
    #[allow(
        clippy::disallowed_methods,
        reason = "messages are bounded before: mutations by slots, others by the number of sockets"
    )]
    pub(super) fn send<M: VaultMessage>(&self, message: M) {
        let waiting = self.permits.depth().saturating_sub(M::SLOTS);
        self.metrics.mailbox.message_sent(waiting);
        self.addr.do_send(Envelope::new(message));
    }
}
