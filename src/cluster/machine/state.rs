//! The state of the machine.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use crate::{
    cluster::message::NodeId,
    domain::{MonotonicTime, Seq, VaultHead, VaultId},
};

use super::claim_exchange::{ClaimExchange, Peer};

/// The time between two sweeps: with the reads after it, the longest delay of an event whose hint was lost.
pub(super) const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// The time between two heartbeats.
pub(super) const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(1);

/// The shortest time between two heartbeats. Those that introduce a node to another one that has appeared are sent early; when many
/// nodes appear together, one heartbeat introduces it to all.
pub(super) const MIN_HEARTBEAT_INTERVAL: Duration = Duration::from_millis(100);

/// A bus that returns no heartbeat for this time is connected again.
pub(super) const SILENCE_LIMIT: Duration = Duration::from_secs(5);

/// The time before another attempt to connect.
pub(super) const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// The shortest time between two transmissions of hints. The first hint after a pause is sent at once.
pub(super) const HINT_INTERVAL: Duration = Duration::from_millis(4);

/// The longest delay of a hint, so that nodes that receive it together read the journal one after the other.
pub const MAX_JITTER: Duration = Duration::from_millis(3);

/// The shortest time between two moments at which a node without peers drops its hints. It is woken no more often.
pub(super) const SKIP_INTERVAL: Duration = Duration::from_millis(100);

/// A node that sends nothing for this time is considered gone. It is longer than the silence after which a node connects its
/// bus again.
pub(super) const PEER_LIFETIME: Duration = Duration::from_secs(10);

/// The largest number of other nodes that are counted.
pub(super) const MAX_PEERS: usize = 1024;

/// Whether there is a bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BusUse {
    On,
    Off,
}

/// The state of one node's connection to the others.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClusterMachine {
    pub(super) node: NodeId,
    pub(super) epoch: String,
    pub(super) link: LinkState,
    /// The other nodes.
    pub(super) peers: BTreeMap<NodeId, Peer>,
    pub(super) claims: ClaimExchange,
    /// The number of the next heartbeat.
    pub(super) heartbeat: u64,
    /// The heartbeats that have not come back, oldest first.
    pub(super) heartbeats: VecDeque<SentHeartbeat>,
    pub(super) sweep: SweepState,
    pub(super) next_sweep: MonotonicTime,
    /// The heads that the last sweep found and that no hint has named yet.
    pub(super) unnamed: BTreeMap<VaultId, Seq>,
    /// The hints that are delayed, in the order of their times: those of at most [`MAX_JITTER`].
    pub(super) delayed: VecDeque<DelayedHints>,
}

/// The hints of one message of another node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct DelayedHints {
    pub(super) at: MonotonicTime,
    pub(super) hints: Vec<VaultHead>,
}

/// The state of the bus.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum LinkState {
    /// There is none.
    Off,
    Disconnected {
        retry_at: MonotonicTime,
    },
    Connecting,
    Up(LiveLink),
}

/// A bus that is connected.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct LiveLink {
    pub(super) connected_at: MonotonicTime,
    /// When a heartbeat of this node came back.
    pub(super) heard_at: MonotonicTime,
    pub(super) next_heartbeat: MonotonicTime,
    /// The earliest time of the next heartbeat.
    pub(super) earliest_heartbeat: MonotonicTime,
    pub(super) transmission: Transmission,
    /// When the hints that wait are sent.
    pub(super) hints_due: Option<MonotonicTime>,
    /// The earliest time of the next transmission of hints.
    pub(super) next_hints: MonotonicTime,
    pub(super) turn: SendTurn,
}

/// Whether the bus is busy with what it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Transmission {
    Idle,
    Sending,
}

/// What precedes when both wait: hints and claims take turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum SendTurn {
    Hints,
    Claims,
}

/// A heartbeat that has not come back.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct SentHeartbeat {
    pub(super) number: u64,
    pub(super) sent_at: MonotonicTime,
}

/// Whether heads are being compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum SweepState {
    Idle,
    Running,
    /// The bus or the database was connected since the comparison began: another one must follow.
    RunningBeforeConnect,
}

impl ClusterMachine {
    /// Returns a machine whose first [`Tick`](super::ClusterInput::Tick) connects and sweeps.
    pub fn new(node: NodeId, epoch: &str, bus: BusUse, now: MonotonicTime) -> Self {
        Self {
            node,
            epoch: epoch.to_owned(),
            link: match bus {
                BusUse::On => LinkState::Disconnected { retry_at: now },
                BusUse::Off => LinkState::Off,
            },
            peers: BTreeMap::new(),
            claims: ClaimExchange::default(),
            heartbeat: 0,
            heartbeats: VecDeque::new(),
            sweep: SweepState::Idle,
            next_sweep: now,
            unnamed: BTreeMap::new(),
            delayed: VecDeque::new(),
        }
    }

    /// Returns when the next [`Tick`](super::ClusterInput::Tick) is needed.
    pub fn wake_at(&self) -> Option<MonotonicTime> {
        let sweep = match self.sweep {
            SweepState::Idle => Some(self.next_sweep),
            SweepState::Running | SweepState::RunningBeforeConnect => None,
        };
        let link = match &self.link {
            LinkState::Off | LinkState::Connecting => None,
            LinkState::Disconnected { retry_at } => Some(*retry_at),
            LinkState::Up(link) => Some(link.wake_at()),
        };
        let delayed = self.delayed.front().map(|delayed| delayed.at);
        let claims = self.claims.wake_at();
        [sweep, link, delayed, claims].into_iter().flatten().min()
    }

    /// Returns how many other nodes have sent a message lately.
    pub fn peers(&self) -> usize {
        self.peers.len()
    }
}

impl LinkState {
    /// Returns whether the bus is connected.
    pub(super) fn is_up(&self) -> bool {
        match self {
            Self::Up(_) => true,
            Self::Off | Self::Disconnected { .. } | Self::Connecting => false,
        }
    }
}

impl LiveLink {
    /// Returns whether claims that wait are sent before hints.
    pub(super) fn claims_precede(&self, now: MonotonicTime) -> bool {
        match self.turn {
            SendTurn::Claims => true,
            SendTurn::Hints => self.hints_due.is_none_or(|due| due > now),
        }
    }

    fn wake_at(&self) -> MonotonicTime {
        let silent_at = self.heard_at + SILENCE_LIMIT;
        match self.transmission {
            Transmission::Idle => {
                let due = self.hints_due.unwrap_or(self.next_heartbeat);
                silent_at.min(due).min(self.next_heartbeat)
            }
            Transmission::Sending => silent_at,
        }
    }
}
