//! The recovery store: the machine of all worker threads behind one lock, and the ways to its relays and claims.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::{RwLock, mpsc};
use tracing::{error, warn};

use crate::{
    cluster::{ClaimAnswer, PeerClaim, PeerClaims},
    domain::MonotonicTime,
    gateway::{
        metrics::GatewayMetrics,
        relay::{RelayHandle, machine::RelayId},
    },
    journal::Journal,
    telemetry::throttle::LogThrottle,
    vault::HistoryListener,
};

use super::{
    machine::{
        ClaimId, ClaimScope, ClaimStep, Eviction, PeerClaimStep, PidClaim, RecoveryEffect,
        RecoveryInput, RecoveryMachine, RecoveryOptions, StateBounds,
    },
    state::RecoveryState,
};

/// How long and how far back sockets are recoverable.
#[derive(Clone, Copy, Debug)]
pub struct RecoveryBounds {
    /// How long a disconnected socket is recoverable (`socketio.recovery_window`). Zero disables recovery.
    pub window: Duration,
    /// How many unconfirmed events are remembered for a socket (`socketio.recovery_events`).
    pub events: u64,
}

/// The connected and the recoverable sockets of all worker threads. Cheap to clone; clones share them.
#[derive(Clone)]
pub struct RecoveryStore {
    pub(super) journal: Journal,
    /// How long a disconnected socket is recoverable. Zero disables recovery.
    pub(super) window: Duration,
    traced_packets: u64,
    core: Arc<Mutex<RecoveryCore>>,
    pub(super) metrics: GatewayMetrics,
    pub(super) persist_failures: Arc<LogThrottle>,
    evictions: Arc<LogThrottle>,
    /// Held for writing while states move to the database: neither the machine nor the database has them then.
    pub(super) storing: Arc<RwLock<()>>,
    /// What asks the other nodes for connections; `None` if no bus reaches them.
    peers: Option<PeerClaims>,
}

/// What the lock protects. It is held for one input and never across an await.
pub(super) struct RecoveryCore {
    pub(super) machine: RecoveryMachine,
    /// The relays that have had connections.
    pub(super) relays: HashMap<RelayId, RelayHandle>,
    /// Where the steps of claims go.
    claims: HashMap<ClaimId, mpsc::Sender<ClaimStep>>,
    /// Where the steps of the claims of other nodes go.
    peer_claims: HashMap<ClaimId, mpsc::Sender<PeerClaimStep>>,
    next_claim: u64,
}

/// A claim in progress. Dropping it ends the claim.
pub(super) struct ActiveClaim<S: UnperformedStep> {
    store: RecoveryStore,
    pub(super) id: ClaimId,
    steps: mpsc::Receiver<S>,
}

impl RecoveryStore {
    /// Returns an empty store that asks the other nodes for connections through `peers`.
    pub fn new(
        journal: Journal,
        bounds: RecoveryBounds,
        metrics: GatewayMetrics,
        peers: Option<PeerClaims>,
    ) -> Self {
        let RecoveryBounds { window, events } = bounds;
        let machine = RecoveryMachine::new(RecoveryOptions {
            window,
            epoch: journal.epoch(),
            bounds: StateBounds::default(),
            scope: match peers {
                Some(_) => ClaimScope::AllNodes,
                None => ClaimScope::ThisNode,
            },
        });
        Self {
            journal,
            window,
            traced_packets: events,
            metrics,
            persist_failures: Arc::default(),
            evictions: Arc::default(),
            storing: Arc::default(),
            peers,
            core: Arc::new(Mutex::new(RecoveryCore {
                machine,
                relays: HashMap::new(),
                claims: HashMap::new(),
                peer_claims: HashMap::new(),
                next_claim: 0,
            })),
        }
    }

    /// Returns whether recovery is enabled.
    pub(in crate::gateway) fn is_enabled(&self) -> bool {
        !self.window.is_zero()
    }

    /// Returns how many unconfirmed packets the trace of a socket records.
    pub(in crate::gateway) fn traced_packets(&self) -> u64 {
        self.traced_packets
    }

    /// Registers a connected socket and the relay of its worker thread.
    pub(in crate::gateway) fn register(&self, pid: &str, relay: &RelayHandle) {
        let (pid, id) = (pid.to_owned(), relay.id());
        self.core()
            .relays
            .entry(id)
            .or_insert_with(|| relay.clone());
        self.input(RecoveryInput::Register { pid, relay: id });
    }

    /// Removes a socket that is connected on this relay and cannot be recovered.
    pub(in crate::gateway) fn unregister(&self, pid: &str, relay: &RelayHandle) {
        let (pid, relay) = (pid.to_owned(), relay.id());
        self.input(RecoveryInput::Unregister { pid, relay });
    }

    /// Stores the state of a disconnected socket for the recovery window. Older states are evicted if the states of its
    /// user, or of all users, take too many bytes.
    pub(in crate::gateway) fn save(&self, pid: &str, state: RecoveryState) {
        let pid = pid.to_owned();
        self.input(RecoveryInput::Save { pid, state });
    }

    /// Begins a claim. Its steps follow when the earlier claims of the pid have ended.
    pub(super) fn begin_claim(&self, claim: PidClaim) -> ActiveClaim<ClaimStep> {
        let active = self.open_claim(|core| &mut core.claims);
        let id = active.id;
        self.input(RecoveryInput::Claim { id, claim });
        active
    }

    /// Begins a claim of another node, which does not wait longer than `until`. Its steps follow when the earlier claims of the
    /// pid have ended.
    pub(super) fn begin_peer_claim(
        &self,
        claim: PeerClaim,
        until: MonotonicTime,
    ) -> ActiveClaim<PeerClaimStep> {
        let active = self.open_claim(|core| &mut core.peer_claims);
        let id = active.id;
        self.input(RecoveryInput::PeerClaim { id, claim, until });
        active
    }

    /// Returns a claim whose steps the machine can send.
    fn open_claim<S: UnperformedStep>(
        &self,
        channels: impl FnOnce(&mut RecoveryCore) -> &mut HashMap<ClaimId, mpsc::Sender<S>>,
    ) -> ActiveClaim<S> {
        // The machine sends the next step only after the outcome of the last one.
        let (sender, steps) = mpsc::channel(1);
        let mut core = self.core();
        let id = core.take_claim_id();
        channels(&mut core).insert(id, sender);
        drop(core);
        ActiveClaim {
            store: self.clone(),
            id,
            steps,
        }
    }

    /// Asks the other nodes for a connection. Returns `None` if there are none.
    pub(super) async fn ask_peers(&self, claim: PeerClaim) -> Option<ClaimAnswer> {
        match &self.peers {
            Some(peers) => peers.ask(claim).await,
            None => None,
        }
    }

    /// Lets the machine handle an input, and performs its effects.
    pub(super) fn input(&self, input: RecoveryInput) {
        let mut effects = Vec::new();
        let mut evictions = Vec::new();
        {
            let mut core = self.core();
            core.machine
                .handle(input, MonotonicTime::now(), &mut effects);
            for effect in effects {
                match effect {
                    RecoveryEffect::Claim { id, step } => send(&core.claims, id, step),
                    RecoveryEffect::PeerClaim { id, step } => send(&core.peer_claims, id, step),
                    RecoveryEffect::Evicted(eviction) => evictions.push(eviction),
                }
            }
        }
        for eviction in evictions {
            self.report(eviction);
        }
    }

    fn report(&self, Eviction { user, states }: Eviction) {
        self.metrics.states_evicted.inc_by(states);
        if let Some(suppressed) = self.evictions.allow() {
            warn!(user.id = %user, states, suppressed, "recovery states evicted: too many disconnected sockets");
        }
    }

    pub(super) fn core(&self) -> MutexGuard<'_, RecoveryCore> {
        // A panic of one claim must not disable recovery for all.
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HistoryListener for RecoveryStore {
    fn history_replaced(&self) {
        let epoch = self.journal.epoch();
        self.input(RecoveryInput::HistoryReplaced { epoch });
    }

    fn epoch_replaced(&self) {
        for relay in self.core().relays.values() {
            relay.end_positions();
        }
    }
}

impl RecoveryCore {
    fn take_claim_id(&mut self) -> ClaimId {
        let id = ClaimId(self.next_claim);
        self.next_claim += 1;
        id
    }
}

fn send<S>(claims: &HashMap<ClaimId, mpsc::Sender<S>>, id: ClaimId, step: S) {
    if let Some(claim) = claims.get(&id)
        && let Err(error) = claim.try_send(step)
    {
        error!(%error, "step of a claim could not be sent");
    }
}

/// A step that is dropped with its claim.
pub(super) trait UnperformedStep {
    /// Returns what the machine waits for although the claim has ended.
    fn into_input(self, id: ClaimId) -> Option<RecoveryInput>;
}

impl UnperformedStep for ClaimStep {
    fn into_input(self, id: ClaimId) -> Option<RecoveryInput> {
        match self {
            // What is stored stays in the database.
            Self::ReadStored { .. } => Some(RecoveryInput::StoredRead { id, stored: None }),
            Self::TakeOver { .. }
            | Self::AskPeers(_)
            | Self::CheckEvents { .. }
            | Self::Granted { .. }
            | Self::Refused(_) => None,
        }
    }
}

impl UnperformedStep for PeerClaimStep {
    fn into_input(self, _id: ClaimId) -> Option<RecoveryInput> {
        match self {
            Self::TakeOver { .. } | Self::StoreState { .. } | Self::Answer(_) => None,
        }
    }
}

impl<S: UnperformedStep> ActiveClaim<S> {
    /// Waits for the next step. `None` after the claim has ended.
    pub(super) async fn next_step(&mut self) -> Option<S> {
        self.steps.recv().await
    }

    /// Returns the step that the last input has given, if it has.
    pub(super) fn take_step(&mut self) -> Option<S> {
        self.steps.try_recv().ok()
    }

    /// Returns the store of the claim.
    pub(super) fn store(&self) -> &RecoveryStore {
        &self.store
    }
}

impl<S: UnperformedStep> Drop for ActiveClaim<S> {
    fn drop(&mut self) {
        {
            let mut core = self.store.core();
            core.claims.remove(&self.id);
            core.peer_claims.remove(&self.id);
        }
        // No step is sent any more.
        let unperformed = self.steps.try_recv().ok();
        self.store.input(RecoveryInput::End { id: self.id });
        if let Some(input) = unperformed.and_then(|step| step.into_input(self.id)) {
            self.store.input(input);
        }
    }
}
