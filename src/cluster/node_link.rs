//! The connection of this node to the others: the shell of the [`ClusterMachine`], on a thread of its own, so that no busy
//! worker thread delays a hint.

use std::{
    collections::VecDeque,
    future::pending,
    io,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use thiserror::Error;
use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
    task::JoinHandle,
};
use tracing::{debug, info, warn};

use crate::{
    domain::MonotonicTime,
    journal::{JournalError, JournalHeads, report},
    vault::Vaults,
};

use super::{
    bus::{BusError, HintBus},
    claims::{ClaimResponder, PeerClaims, ResponderSlot},
    hint_queue::HintQueue,
    link_claims::LinkClaims,
    machine::{BusUse, ClusterEffect, ClusterInput, ClusterMachine, MAX_JITTER},
    message::{BusMessage, BusMessageBody, NodeId, encode_claims, encode_heartbeat, encode_hints},
    metrics::{ClusterMetrics, DropReason},
    options::BusOptions,
    session::{BusSession, SessionEvent},
};

/// The name of the thread.
const THREAD: &str = "cluster";

/// The connection of this node to the others. Dropping it ends the connection.
pub struct NodeLink {
    runtime: Handle,
    claims: Option<PeerClaims>,
    responder: ResponderSlot,
    _stop: oneshot::Sender<()>,
}

/// What the connection to other nodes needs.
pub struct NodeLinkParams {
    pub vaults: Vaults,
    pub bus: BusOptions,
    pub metrics: ClusterMetrics,
}

/// Why the connection to other nodes cannot be started.
#[derive(Debug, Error)]
pub enum NodeLinkError {
    #[error("cluster.bus: {0}")]
    Bus(#[from] BusError),
    #[error("the thread of the bus cannot be started: {0}")]
    Thread(#[from] io::Error),
}

impl NodeLink {
    /// Starts the thread. It connects in the background: a node also works without its bus.
    ///
    /// # Errors
    /// When the URL of the bus is not one of its driver's, or the system refuses a thread.
    pub fn start(params: NodeLinkParams) -> Result<Self, NodeLinkError> {
        let NodeLinkParams {
            vaults,
            bus: options,
            metrics,
        } = params;
        let bus: Option<Arc<dyn HintBus>> = options.open()?.map(Arc::from);
        let bus_use = match bus {
            Some(_) => BusUse::On,
            None => BusUse::Off,
        };
        let hints = Arc::new(HintQueue::default());
        if bus.is_some() {
            vaults.set_head_listener(hints.clone());
        }
        let node = NodeId::generate();
        let epoch = String::from(vaults.journal().epoch());
        let machine = ClusterMachine::new(node, &epoch, bus_use, MonotonicTime::now());
        info!(bus = options.name(), node = %node, "connecting to the other nodes of this database");
        if bus.is_some() {
            metrics.set_bus_up(false);
        }
        let (claims, requests) = PeerClaims::new(metrics.clone());
        let claims = bus.is_some().then_some(claims);
        let responder = ResponderSlot::default();
        let shell = LinkShell {
            node,
            epoch,
            machine,
            effects: VecDeque::new(),
            vaults,
            hints,
            bus,
            session: None,
            sweep: None,
            sweep_began: Instant::now(),
            failures: BusFailures::default(),
            claims: LinkClaims::new(requests, responder.clone()),
            metrics,
        };
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let body = move || runtime.block_on(shell.run(stopped));
        thread::Builder::new().name(THREAD.to_owned()).spawn(body)?;
        Ok(Self {
            runtime: handle,
            claims,
            responder,
            _stop: stop,
        })
    }

    /// Returns what asks the other nodes for connections; `None` without a bus.
    pub fn claims(&self) -> Option<PeerClaims> {
        self.claims.clone()
    }

    /// Sets what answers the claims of other nodes. It can be set once; until then this node has no connections.
    pub fn set_claim_responder(&self, responder: Arc<dyn ClaimResponder>) {
        let is_first = self.responder.set(responder).is_ok();
        debug_assert!(is_first, "a node has one recovery of sockets");
    }

    /// Returns the thread's name and runtime.
    pub fn thread(&self) -> (String, &Handle) {
        (THREAD.to_owned(), &self.runtime)
    }
}

/// Counts failed connections, so that an outage is logged once.
#[derive(Debug, Default)]
struct BusFailures {
    since: Option<Instant>,
    failed: u64,
}

struct LinkShell {
    node: NodeId,
    epoch: String,
    machine: ClusterMachine,
    effects: VecDeque<ClusterEffect>,
    vaults: Vaults,
    hints: Arc<HintQueue>,
    bus: Option<Arc<dyn HintBus>>,
    session: Option<BusSession>,
    sweep: Option<JoinHandle<Result<JournalHeads, JournalError>>>,
    sweep_began: Instant,
    failures: BusFailures,
    claims: LinkClaims,
    metrics: ClusterMetrics,
}

impl LinkShell {
    async fn run(mut self, mut stopped: oneshot::Receiver<()>) {
        self.handle(ClusterInput::Tick);
        loop {
            let input = tokio::select! {
                // Nothing is ever sent.
                _ = &mut stopped => return,
                input = self.next_input() => input,
            };
            self.handle(input);
        }
    }

    /// Waits for the next input of the machine. Nothing is lost when the future is dropped.
    async fn next_input(&mut self) -> ClusterInput {
        loop {
            let event = tokio::select! {
                event = next_event(&mut self.session) => event,
                heads = ended_sweep(&mut self.sweep) => return self.end_sweep(heads),
                () = self.vaults.journal().connected() => return ClusterInput::DatabaseConnected,
                () = self.hints.wait() => return ClusterInput::HintsWaiting,
                input = self.claims.next_input() => return input,
                () = wake(self.machine.wake_at()) => return ClusterInput::Tick,
            };
            match event {
                SessionEvent::Connected => return ClusterInput::Connected,
                SessionEvent::Sent => return ClusterInput::Sent,
                SessionEvent::Received(text) => {
                    if let Some(message) = BusMessage::parse(&text) {
                        self.count_received(&message);
                        let jitter = rand::random_range(Duration::ZERO..=MAX_JITTER);
                        return ClusterInput::Received { message, jitter };
                    }
                }
                SessionEvent::Ended(error) => {
                    self.session = None;
                    self.report_failure(&error);
                    return ClusterInput::Disconnected;
                }
            }
        }
    }

    fn handle(&mut self, input: ClusterInput) {
        let now = MonotonicTime::now();
        self.machine.handle(input, now, &mut self.effects);
        while let Some(effect) = self.effects.pop_front() {
            self.perform(effect);
        }
        if self.bus.is_some() {
            self.metrics.set_peers(self.machine.peers());
            let pending = self.machine.pending_claims();
            self.metrics.set_claims_pending(pending);
        }
    }

    fn perform(&mut self, effect: ClusterEffect) {
        match effect {
            ClusterEffect::Connect => {
                self.session = self.bus.clone().map(BusSession::start);
            }
            ClusterEffect::SendHeartbeat(number) => {
                let heartbeat = encode_heartbeat(self.node, &self.epoch, number);
                self.send(vec![heartbeat]);
            }
            ClusterEffect::SendHints => {
                let taken = self.hints.take();
                self.metrics
                    .record_dropped(DropReason::QueueFull, taken.dropped());
                let hints = taken.into_hints();
                self.machine.hints_taken(&hints);
                self.metrics.hints_sent.inc_by(hints.len() as u64);
                let messages = encode_hints(self.node, &self.epoch, &hints);
                self.send(messages);
            }
            ClusterEffect::SendClaims { claims, answers } => {
                let messages = encode_claims(self.node, &self.epoch, &claims, &answers);
                for answered in answers {
                    self.metrics.record_answer(answered.answer);
                }
                self.send(messages);
            }
            ClusterEffect::EndClaim { number, outcome } => {
                self.metrics.record_claim(outcome);
                self.claims.reply(number, outcome.answer());
            }
            ClusterEffect::AnswerClaim { key, claim } => self.claims.answer(key, claim),
            ClusterEffect::RecordRefusedClaim => self.metrics.claims_refused.inc(),
            ClusterEffect::DropHints => {
                let taken = self.hints.take();
                let dropped = taken.dropped() + taken.into_hints().len() as u64;
                self.metrics.record_dropped(DropReason::BusDown, dropped);
            }
            ClusterEffect::SkipHints => {
                let hints = self.hints.take().into_hints();
                self.machine.hints_taken(&hints);
            }
            ClusterEffect::Sweep => self.begin_sweep(),
            ClusterEffect::MoveHead(head) => self.vaults.remote_head(&head),
            ClusterEffect::ReportUp => self.report_up(),
            ClusterEffect::ReportDown => self.report_down(),
            ClusterEffect::RecordLag(lag) => self.metrics.record_lag(lag),
            ClusterEffect::RecordLost(heads) => self.metrics.hints_lost.inc_by(heads),
            ClusterEffect::CheckHead(vault) => self.vaults.head_went_back(&vault),
            ClusterEffect::ReplaceEpoch(epoch) => {
                warn!(was = %self.epoch, is = %epoch, "the database has another epoch; all clients list again");
                self.vaults.replace_epoch(epoch.as_str().into());
                self.epoch = epoch;
            }
        }
    }

    fn send(&self, messages: Vec<String>) {
        if let Some(session) = &self.session {
            session.send(messages);
        }
    }

    fn begin_sweep(&mut self) {
        let (vaults, journal) = (self.vaults.subscribed(), self.vaults.journal().clone());
        self.sweep_began = Instant::now();
        let sweep = async move { journal.changed_heads(&vaults).await };
        self.sweep = Some(tokio::spawn(sweep));
    }

    /// Returns the result of a sweep, without the heads that this node has reached meanwhile.
    fn end_sweep(&mut self, swept: Option<Result<JournalHeads, JournalError>>) -> ClusterInput {
        let heads = match swept {
            Some(Ok(mut heads)) => {
                self.metrics.record_sweep(self.sweep_began.elapsed());
                heads.changed.retain(|head| self.vaults.is_behind(head));
                Some(heads)
            }
            Some(Err(error)) => {
                self.metrics.sweep_failures.inc();
                report!(error, "heads of subscribed vaults could not be read");
                None
            }
            // The task panicked, which the panic hook has logged.
            None => None,
        };
        ClusterInput::Swept(heads)
    }

    fn count_received(&self, message: &BusMessage) {
        if message.sender == self.node {
            return;
        }
        match &message.body {
            BusMessageBody::Heartbeat { .. } => {}
            BusMessageBody::Heads(hints) => {
                self.metrics.hints_received.inc_by(hints.len() as u64);
            }
            BusMessageBody::Claims(_) | BusMessageBody::Answers(_) => {}
        }
    }

    fn report_up(&mut self) {
        self.metrics.set_bus_up(true);
        self.metrics.reconnects.inc();
        let BusFailures { since, failed } = std::mem::take(&mut self.failures);
        match since {
            Some(since) => {
                let seconds = since.elapsed().as_secs();
                info!(failed, seconds, "bus between nodes available again");
            }
            None => info!("bus between nodes connected"),
        }
    }

    fn report_down(&mut self) {
        self.metrics.set_bus_up(false);
        // A lost connection has been reported with its error.
        if self.failures.since.is_none() {
            self.failures.since = Some(Instant::now());
            warn!("bus between nodes is silent; events of other nodes arrive by the sweep");
        }
    }

    fn report_failure(&mut self, error: &BusError) {
        self.failures.failed += 1;
        if self.failures.since.is_none() {
            self.failures.since = Some(Instant::now());
            warn!(%error, "bus between nodes unavailable; events of other nodes arrive by the sweep");
        } else {
            debug!(%error, "bus between nodes still unavailable");
        }
    }
}

async fn next_event(session: &mut Option<BusSession>) -> SessionEvent {
    match session {
        Some(session) => session.next_event().await,
        None => pending().await,
    }
}

/// Returns the result of a sweep; `None` if it panicked.
async fn ended_sweep<T>(sweep: &mut Option<JoinHandle<T>>) -> Option<T> {
    let Some(running) = sweep else {
        return pending().await;
    };
    let result = running.await.ok();
    *sweep = None;
    result
}

async fn wake(at: Option<MonotonicTime>) {
    match at {
        Some(at) => tokio::time::sleep(at.since(MonotonicTime::now())).await,
        None => pending().await,
    }
}
