//! The directory of loaded vaults: finds or starts the actor of a vault.
//!
//! It is a map behind a lock that is held for one lookup and never across an await. If an actor owned the map, each
//! lookup would be a message, and the requests of one socket could overtake each other while a vault is being loaded.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, Once, OnceLock, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use actix::{Actor, Arbiter, ArbiterHandle, Context};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tracing::{debug, error, info};

use crate::{
    domain::{Mutation, Seq, SubscriberId, UserId, VaultHead, VaultId, shrink_if_sparse},
    journal::{DatabaseSharing, Journal},
    telemetry::throttle::LogThrottle,
};

use super::{
    actor::VaultActor,
    callers::PendingMutation,
    error::{MutationResult, VaultError},
    handle::{Sink, SinkId, VaultHandle, VaultRouter},
    head_listener::HeadListener,
    history_listener::HistoryListener,
    machine::RetireCause,
    members_snapshot::{KnownMembership, MembersSnapshot},
    memory::{HeldMemory, UnusedVault},
    message::{CaughtUp, Leave, Reconfigure, Submit, Subscribe, Unload},
    metrics::VaultMetrics,
    options::VaultOptions,
    params::{LoadParams, VaultActorParams, VaultHost},
    permits::{AdmissionPermits, QueueSlot},
    sinks::OpenSubscribe,
    stats::{QueueLevel, VaultStats, VaultStatsRecorder, VaultTotals},
    subscription::Subscription,
    vault_entry::VaultEntry,
};

/// An actor that ended sooner than this after its start would probably do so again. Its successor waits as long before
/// it loads the vault.
const RESTART_DELAY: Duration = Duration::from_secs(1);

/// The number of vaults that are loaded at the same time, so that other reads find a free database connection.
const CONCURRENT_LOADS: usize = 4;

/// The loaded vaults of this node.
pub(super) struct Directory {
    /// The directory itself, for the actors that it starts.
    this: Weak<Directory>,
    journal: Journal,
    metrics: Arc<VaultMetrics>,
    /// The threads of the actors. The id of a vault determines its thread.
    threads: Vec<ArbiterHandle>,
    loaded: Mutex<LoadedVaults>,
    load_permits: Arc<Semaphore>,
    held: HeldMemory,
    /// Set when a shutdown begins.
    is_draining: AtomicBool,
    foreign_writer_line: Once,
    head_listener: OnceLock<Arc<dyn HeadListener>>,
    history_listener: OnceLock<Arc<dyn HistoryListener>>,
    rewound_log: LogThrottle,
}

/// The loaded vaults and their bounds.
pub(super) struct LoadedVaults {
    options: VaultOptions,
    pub(super) entries: HashMap<VaultId, Arc<VaultEntry>>,
}

impl Directory {
    pub(super) fn new(journal: Journal, options: VaultOptions, metrics: VaultMetrics) -> Arc<Self> {
        let threads = (0..options.threads.max(1))
            .map(|_| Arbiter::new().handle())
            .collect();
        let entries = HashMap::new();
        Arc::new_cyclic(|this| Self {
            this: this.clone(),
            journal,
            metrics: Arc::new(metrics),
            threads,
            loaded: Mutex::new(LoadedVaults { options, entries }),
            load_permits: Arc::new(Semaphore::new(CONCURRENT_LOADS)),
            is_draining: AtomicBool::new(false),
            foreign_writer_line: Once::new(),
            head_listener: OnceLock::new(),
            history_listener: OnceLock::new(),
            rewound_log: LogThrottle::new(),
            held: HeldMemory::default(),
        })
    }

    /// Returns how many bytes the vaults hold beyond their bound.
    pub(super) fn excess_bytes(&self) -> usize {
        let bound = self.lock().options.memory;
        self.held.bytes().saturating_sub(bound)
    }

    /// Returns the vaults without subscribers and queued mutations.
    pub(super) fn unused(&self) -> Vec<UnusedVault> {
        let loaded = self.lock();
        let running = loaded
            .entries
            .iter()
            .filter(|(_, vault)| vault.is_running() && vault.permits.depth() == 0);
        running
            .filter_map(|(id, vault)| vault.stats.as_unused(id))
            .collect()
    }

    /// Asks a vault's actor to end if nothing uses the vault.
    pub(super) fn unload(&self, id: &VaultId) {
        if let Some(vault) = self.find(id).filter(|vault| vault.is_running()) {
            vault.send(Unload);
        }
    }

    /// Returns the memory that all vaults hold, in bytes.
    pub(super) fn held_bytes(&self) -> usize {
        self.held.bytes()
    }

    /// Changes the bounds of the loaded vaults and of those that are loaded later.
    pub(super) fn reconfigure(&self, options: VaultOptions) {
        let mut loaded = self.lock();
        loaded.options = options;
        for vault in loaded.entries.values() {
            vault.send(Reconfigure(options));
        }
    }

    /// Returns how many mutations may wait for one vault.
    pub(super) fn queue_capacity(&self) -> usize {
        self.lock().options.mailbox
    }

    /// Returns the statistics of each loaded vault.
    pub(super) fn stats(&self) -> Vec<VaultStats> {
        let loaded = self.lock();
        let capacity = loaded.options.mailbox;
        let snapshot = |(id, vault): (&VaultId, &Arc<VaultEntry>)| {
            let depth = vault.permits.depth();
            let queue = QueueLevel { depth, capacity };
            vault.stats.snapshot(id, queue, self.thread_of(id))
        };
        let running = loaded
            .entries
            .iter()
            .filter(|(_, vault)| vault.is_running());
        running.map(snapshot).collect()
    }

    /// Returns the totals over all loaded vaults.
    pub(super) fn totals(&self) -> VaultTotals {
        let loaded = self.lock();
        let mut totals = VaultTotals::default();
        for vault in loaded.entries.values().filter(|vault| vault.is_running()) {
            vault.stats.add_to(&mut totals, vault.permits.depth());
        }
        totals
    }

    pub(super) fn metrics(&self) -> &VaultMetrics {
        &self.metrics
    }

    pub(super) fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Sets the receiver of the heads that this node moves. It can be set once.
    pub(super) fn set_head_listener(&self, listener: Arc<dyn HeadListener>) {
        let is_first = self.head_listener.set(listener).is_ok();
        debug_assert!(is_first, "a node has one connection to the others");
    }

    /// Sets the receiver of the report that positions of clients are unknown. It can be set once.
    pub(super) fn set_history_listener(&self, listener: Arc<dyn HistoryListener>) {
        let is_first = self.history_listener.set(listener).is_ok();
        debug_assert!(is_first, "a node has one recovery of sockets");
    }

    /// Passes on that the events of all vaults belong to another history.
    pub(super) fn epoch_replaced(&self) {
        if let Some(listener) = self.history_listener.get() {
            listener.epoch_replaced();
        }
    }

    /// Returns the threads of the actors.
    pub(super) fn threads(&self) -> &[ArbiterHandle] {
        &self.threads
    }

    /// Returns whether new mutations are refused.
    pub(super) fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Acquire)
    }

    /// Refuses new mutations, and waits until the queued ones are answered.
    pub(super) async fn drain(&self) {
        self.is_draining.store(true, Ordering::Release);
        let vaults: Vec<_> = self.lock().entries.values().cloned().collect();
        for vault in vaults {
            vault.permits.wait_until_queue_empty().await;
        }
    }

    /// Reserves a slot in a vault's queue. The actor is started if it is not running.
    ///
    /// # Errors
    /// `Busy` when no slot is free, `Unavailable` during a shutdown.
    fn reserve_slot(&self, id: &VaultId) -> Result<(Arc<VaultEntry>, QueueSlot), VaultError> {
        let (vault, slot) =
            self.find_or_start(id, |permits, options| permits.reserve_slot(options.mailbox));
        if self.is_draining() {
            return Err(VaultError::Unavailable);
        }
        match slot {
            Some(slot) => {
                vault.stats.mutation_queued(Instant::now());
                Ok((vault, slot))
            }
            None => {
                self.metrics.busy.inc();
                Err(VaultError::Busy)
            }
        }
    }

    /// Takes a permit for a subscription. The actor is started if it is not running.
    fn reserve_subscription(
        &self,
        id: &VaultId,
    ) -> (Arc<VaultEntry>, Option<OwnedSemaphorePermit>) {
        self.find_or_start(id, |permits, _| permits.reserve_subscription())
    }

    /// Returns what is known about a user's membership without a query. On a shared database, `NotMember` is never
    /// returned, because another node may have added the user.
    pub(super) fn known_membership(&self, id: &VaultId, user: &UserId) -> KnownMembership {
        let loaded = self.lock();
        let Some(vault) = loaded.entries.get(id).filter(|vault| vault.is_running()) else {
            return KnownMembership::Unknown;
        };
        // Read before the members: a mutation that has added the user keeps its slot until the members are published.
        let is_queue_empty = vault.permits.depth() == 0;
        let is_shared = self.journal.sharing() == DatabaseSharing::SeveralProcesses;
        match vault.members_snapshot.membership(user) {
            KnownMembership::NotMember if !is_queue_empty || is_shared => KnownMembership::Unknown,
            known => known,
        }
    }

    /// Returns a vault's entry, if there is one.
    pub(super) fn find(&self, id: &VaultId) -> Option<Arc<VaultEntry>> {
        self.lock().entries.get(id).cloned()
    }

    /// Returns a vault's entry and takes a permit of its actor. It does so under the lock: an actor that retires at the
    /// same time has either left the directory or not yet begun to close its permits.
    fn find_or_start<P>(
        &self,
        id: &VaultId,
        take_permit: impl FnOnce(&AdmissionPermits, &VaultOptions) -> Option<P>,
    ) -> (Arc<VaultEntry>, Option<P>) {
        let LoadedVaults { options, entries } = &mut *self.lock();
        let vault = match entries.get(id) {
            Some(vault) if vault.is_running() => vault.clone(),
            ended => {
                let vault = Arc::new(self.start(id, *options, ended.map(Arc::as_ref)));
                entries.insert(id.clone(), vault.clone());
                vault
            }
        };
        let permit = take_permit(&vault.permits, options);
        (vault, permit)
    }

    /// Starts a vault's actor. `ended` is the entry of an actor that ended by a panic.
    fn start(&self, id: &VaultId, options: VaultOptions, ended: Option<&VaultEntry>) -> VaultEntry {
        let now = Instant::now();
        let (writer_lease, start_delay) = match ended {
            None => (Arc::new(Semaphore::new(1)), Duration::ZERO),
            Some(ended) => {
                debug!(vault.id = %id, "vault actor has ended; starting it again");
                let ended_soon = now.duration_since(ended.started_at) < RESTART_DELAY;
                let start_delay = if ended_soon {
                    RESTART_DELAY
                } else {
                    Duration::ZERO
                };
                (ended.writer_lease.clone(), start_delay)
            }
        };
        self.metrics.opened.inc();
        let permits = AdmissionPermits::new();
        let stats = Arc::new(VaultStatsRecorder::new(self.held.share()));
        let members_snapshot = MembersSnapshot::default();
        let this = self.this.upgrade();
        let this = this.expect("a directory that starts an actor is in use");
        let params = VaultActorParams {
            handle: VaultHandle::new(id.clone(), this.clone()),
            host: this,
            journal: self.journal.clone(),
            options,
            metrics: self.metrics.clone(),
            permits: permits.clone(),
            load: LoadParams {
                writer_lease: writer_lease.clone(),
                load_permits: self.load_permits.clone(),
                start_delay,
            },
            stats: stats.clone(),
            members_snapshot: members_snapshot.clone(),
        };
        let create = move |_: &mut Context<_>| VaultActor::new(params);
        let thread = &self.threads[self.thread_of(id)];
        let addr = VaultActor::start_in_arbiter(thread, create);
        VaultEntry {
            addr,
            permits,
            writer_lease,
            started_at: now + start_delay,
            stats,
            members_snapshot,
            metrics: self.metrics.clone(),
        }
    }

    /// Returns the index of the thread for a vault.
    fn thread_of(&self, id: &VaultId) -> usize {
        // The last characters of a cuid are random.
        let hash = id.as_str().bytes().fold(0_usize, |hash, byte| {
            hash.wrapping_mul(31).wrapping_add(usize::from(byte))
        });
        hash % self.threads.len()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, LoadedVaults> {
        // Nothing panics under this lock, and a map of addresses cannot be left half changed.
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl VaultRouter for Directory {
    fn submit(
        &self,
        id: &VaultId,
        mutation: Mutation,
        answer: oneshot::Sender<MutationResult>,
    ) -> Result<(), VaultError> {
        match self.reserve_slot(id) {
            Ok((vault, slot)) => {
                let pending = PendingMutation::new(&mutation, slot, answer, self.metrics.clone());
                vault.send(Submit { mutation, pending });
                Ok(())
            }
            Err(error) => {
                self.metrics.record_rejected(&mutation, &error);
                Err(error)
            }
        }
    }

    fn subscribe(&self, vault: &VaultHandle, subscription: Subscription, sink: Arc<dyn Sink>) {
        let (entry, permit) = self.reserve_subscription(vault.id());
        entry.send(Subscribe {
            subscription,
            request: OpenSubscribe::new(sink, vault.clone(), permit),
        });
    }

    fn leave(&self, id: &VaultId, subscriber: SubscriberId) {
        if let Some(vault) = self.find(id) {
            vault.send(Leave(subscriber));
        }
    }

    fn caught_up(&self, id: &VaultId, sink: SinkId) {
        if let Some(vault) = self.find(id) {
            vault.send(CaughtUp(sink));
        }
    }
}

impl VaultHost for Directory {
    fn retire(&self, id: &VaultId, permits: &AdmissionPermits, cause: RetireCause) -> bool {
        let entries = &mut self.lock().entries;
        let is_unused = permits.close_if_unused();
        // If the actor was considered ended, the entry belongs to its successor.
        let is_own = |vault: &Arc<VaultEntry>| vault.permits.is_same(permits);
        if is_unused && entries.get(id).is_some_and(is_own) {
            entries.remove(id);
            shrink_if_sparse(entries);
            match cause {
                RetireCause::Idle => self.metrics.retired.inc(),
                RetireCause::Memory => self.metrics.unloaded_early.inc(),
            }
        }
        is_unused
    }

    fn log_foreign_writer(&self, id: &VaultId) {
        self.foreign_writer_line.call_once(|| {
            info!(vault.id = %id, "another node writes this database");
        });
    }

    fn history_replaced(&self) {
        self.journal.record_replacement();
        if let Some(listener) = self.history_listener.get() {
            listener.history_replaced();
        }
    }

    fn log_rewound(&self, id: &VaultId, head: Seq, journal_head: Seq) {
        if let Some(suppressed) = self.rewound_log.allow() {
            error!(
                vault.id = %id,
                head = head.0,
                journal.head = journal_head.0,
                suppressed,
                "the head of a vault went back: if an older database was put back, run vaultcast epoch renew"
            );
        }
    }

    fn announce_head(&self, id: &VaultId, head: Seq) {
        if let Some(listener) = self.head_listener.get() {
            let vault = id.clone();
            listener.head_moved(VaultHead { vault, head });
        }
    }
}
