//! The actor of one vault: one mailbox, one transaction in flight. It is the shell of the [`VaultMachine`]: messages and
//! results become inputs, and `perform.rs` performs the effects.
//!
//! The actor first loads its vault, after the last transaction of its predecessor has ended. It may panic at any time, since
//! its state is in the journal: its sinks are notified and attach their subscribers to the successor.

use std::{sync::Arc, thread, time::Instant};

use actix::{SpawnHandle, prelude::*};

use crate::{
    domain::{MonotonicTime, VaultId},
    journal::{Journal, report},
    telemetry::throttle::LogThrottle,
};

use super::{
    callers::Callers,
    handle::{SinkId, VaultHandle},
    machine::{VaultEffects, VaultInput, VaultMachine},
    members_snapshot::MembersSnapshot,
    metrics::VaultMetrics,
    params::{LoadParams, VaultActorParams, VaultHost, WriterLease},
    permits::AdmissionPermits,
    sinks::Sinks,
    stats::VaultStatsRecorder,
};

/// The actor of one vault.
pub(super) struct VaultActor {
    pub(super) id: VaultId,
    pub(super) handle: VaultHandle,
    pub(super) journal: Journal,
    pub(super) host: Arc<dyn VaultHost>,
    pub(super) permits: AdmissionPermits,
    pub(super) metrics: Arc<VaultMetrics>,
    pub(super) stats: Arc<VaultStatsRecorder>,
    pub(super) members_snapshot: MembersSnapshot,
    pub(super) load: LoadParams,
    pub(super) lease: Option<WriterLease>,
    pub(super) machine: VaultMachine,
    pub(super) effects: VaultEffects,
    pub(super) callers: Callers,
    pub(super) sinks: Sinks,
    pub(super) wake_up: Option<SpawnHandle>,
    pub(super) behind_log: LogThrottle,
}

impl VaultActor {
    pub(super) fn new(params: VaultActorParams) -> Self {
        let options = params.options.for_machine(&params.journal);
        Self {
            id: params.handle.id().clone(),
            handle: params.handle,
            journal: params.journal,
            host: params.host,
            permits: params.permits,
            metrics: params.metrics,
            stats: params.stats,
            members_snapshot: params.members_snapshot,
            load: params.load,
            lease: None,
            machine: VaultMachine::new(options),
            effects: VaultEffects::default(),
            callers: Callers::default(),
            sinks: Sinks::default(),
            wake_up: None,
            behind_log: LogThrottle::new(),
        }
    }

    /// Gives an input to the machine and performs its effects.
    pub(super) fn handle_input(&mut self, input: VaultInput, ctx: &mut Context<Self>) {
        let now = MonotonicTime::now();
        self.machine.handle(input, now, &mut self.effects);
        self.stats.set_head(self.machine.head().unwrap_or_default());
        self.stats.set_subscribers(self.machine.subscribers());
        self.stats.set_held_bytes(self.machine.held_bytes());
        while let Some(effect) = self.effects.pop() {
            self.perform(effect, ctx);
        }
    }

    /// Notifies a sink that its subscribers of this vault receive nothing more until it has caught up.
    pub(super) fn report_behind(&self, sink: SinkId) {
        if let Some(sink) = self.sinks.get(sink) {
            sink.fell_behind(self.handle.clone());
        }
    }
}

impl Actor for VaultActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let (journal, id) = (self.journal.clone(), self.id.clone());
        let params = self.load.clone();
        self.stats.record_use(Instant::now());
        let load = async move {
            if !params.start_delay.is_zero() {
                tokio::time::sleep(params.start_delay).await;
            }
            let lease = params.writer_lease.acquire_owned().await;
            let lease = lease.expect("the writer lease is never closed");
            let _load_permit = params.load_permits.acquire().await;
            (Arc::new(lease), journal.load(&id).await)
        };
        // Until then the actor takes no message from its mailbox.
        ctx.wait(load.into_actor(self).map(|(lease, loaded), this, ctx| {
            this.lease = Some(lease);
            let loaded = loaded.map_err(|error| {
                report!(error, vault.id = %this.id, "vault could not be loaded");
                error.into()
            });
            this.handle_input(VaultInput::Opened(loaded), ctx);
        }));
    }
}

impl Drop for VaultActor {
    /// After a panic, does what must not be lost of the effects that were not performed: callers are answered, and the sinks
    /// that miss a notice are notified. The sinks of unfinished requests are notified by these.
    fn drop(&mut self) {
        if thread::panicking() {
            self.metrics.panicked.inc();
        }
        while let Some(effect) = self.effects.pop() {
            self.salvage(effect);
        }
        for sink in self.machine.sinks() {
            self.report_behind(sink);
        }
    }
}
