//! The parts of one node: vault actors, relays, connections and recovery states, with the queues between them.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use vaultcast::{
    domain::{Mutation, SubscriberId},
    gateway::{
        Offset,
        recovery::machine::{ClaimId, ClaimStep, RecoveryMachine},
        relay::machine::{RelayMachine, RelaySocketId, Seat, SeatState},
        trace::DeliveryTrace,
    },
    vault::{
        Attach, Joined, Notice, NoticeReceivers, SinkId, Subscription, VaultError,
        machine::{BatchOutcome, CallerId, MissedPurpose, SubscribeId, VaultInput, VaultMachine},
    },
};

use crate::{
    cluster_shell::ClusterLink,
    names::{Change, vault_id},
};

/// One process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Node {
    pub vaults: BTreeMap<usize, VaultActor>,
    pub relays: Vec<Relay>,
    pub recovery: RecoveryMachine,
    /// The CONNECTs that claim a former connection.
    pub claims: BTreeMap<ClaimId, PendingConnect>,
    /// The connection to the other nodes, if there are some.
    pub link: Option<ClusterLink>,
}

impl Node {
    /// Returns how many seats of a vault are live on this node.
    pub fn live_seats(&self, vault: usize) -> usize {
        let vault = vault_id(vault);
        let of_vault = |relay: &Relay| relay.machine.vaults().get(&vault).cloned();
        let seats = self.relays.iter().filter_map(of_vault);
        let is_live = |seat: &Seat| matches!(seat.state, SeatState::Live(_));
        seats
            .map(|entry| entry.seats.values().filter(|seat| is_live(seat)).count())
            .sum()
    }
}

/// A vault's actor: the machine that ships, its mailbox and its reads.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VaultActor {
    /// Distinguishes the actors of one vault.
    pub instance: u64,
    pub machine: VaultMachine,
    pub stage: Stage,
    pub mailbox: VecDeque<VaultMessage>,
    /// Reads that were requested and not performed.
    pub reads: Vec<Read>,
    /// Results that have not reached the machine. They may overtake each other.
    pub results: Vec<VaultInput>,
    /// The transaction that has ended, until the machine knows.
    pub ended: Option<EndedTransaction>,
    pub callers: BTreeMap<CallerId, Caller>,
    /// The sinks of unfinished requests.
    pub requests: BTreeMap<SubscribeId, SinkId>,
    pub wake_at: Option<vaultcast::domain::MonotonicTime>,
    /// The taken slots of the vault's queue.
    pub slots: usize,
}

/// A transaction that has ended, and its callers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EndedTransaction {
    pub callers: Vec<(CallerId, Caller)>,
    pub outcome: BatchOutcome,
}

/// Whether the actor has loaded its vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    Opening,
    Running,
    /// It ends after the effects of the current step.
    Ending,
}

/// A message to a vault's actor.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::large_enum_variant, reason = "a message is moved once")]
pub enum VaultMessage {
    Submit {
        caller: CallerId,
        mutation: Mutation,
    },
    Subscribe {
        id: SubscribeId,
        subscription: Subscription,
        sink: SinkId,
    },
    Leave(SubscriberId),
    CaughtUp(SinkId),
}

/// A read of the database.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Read {
    Membership {
        request: SubscribeId,
        user: vaultcast::domain::UserId,
    },
    Head,
    Page {
        request: SubscribeId,
        after: vaultcast::domain::Seq,
        limit: usize,
    },
    Missed {
        purpose: MissedPurpose,
        after: vaultcast::domain::Seq,
    },
}

/// The client that waits for the answer to a mutation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Caller {
    pub mutation: u64,
    pub client: usize,
    pub address: SocketAddress,
}

/// Where a socket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SocketAddress {
    pub node: usize,
    pub relay: usize,
    pub socket: RelaySocketId,
}

/// A relay: the machine that ships, its mailbox and its connections.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Relay {
    pub sink: SinkId,
    pub machine: RelayMachine,
    pub mailbox: VecDeque<RelayMessage>,
    pub connections: BTreeMap<RelaySocketId, Connection>,
    /// Sockets that wait for room in their outbox.
    pub awaiting_room: BTreeSet<RelaySocketId>,
    /// Whether a tick is requested.
    pub wake_at: Option<vaultcast::domain::MonotonicTime>,
}

/// A message to a relay.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RelayMessage {
    Notice {
        vault: usize,
        to: NoticeReceivers,
        notice: Arc<Notice>,
    },
    FellBehind(usize),
    PositionsUnknown(usize),
    /// The notices before this are handled.
    Drained(usize),
}

/// The service's side of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Connection {
    pub client: usize,
    pub pid: u64,
    pub trace: DeliveryTrace,
    /// What the client has not received, in order.
    pub outbox: VecDeque<Packet>,
    /// What the client has sent and the service has not received, in order.
    pub uplink: VecDeque<Request>,
    pub seats: BTreeMap<usize, SubscriberId>,
    pub transport: Transport,
    pub heartbeat: Heartbeat,
    /// The vaults whose subscriptions were recovered and not joined again since.
    pub recovered: BTreeSet<usize>,
    /// The losses of the world when the journal had all events that the recovered subscriptions missed.
    pub checked_at: u64,
}

/// Whether the service may still send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    Open,
    /// The service closes it, or the network has cut it. The service has not noticed yet.
    Closing,
}

/// Whether a ping is not answered. There is one at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Heartbeat {
    Answered,
    Outstanding,
}

/// A packet to a client.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Packet {
    Event {
        vault: usize,
        seq: u64,
        mutation: u64,
        offset: Offset,
    },
    Joined {
        vault: usize,
        joined: Joined,
        offset: Offset,
    },
    JoinRefused {
        vault: usize,
        error: VaultError,
    },
    Removed {
        vault: usize,
    },
    Left {
        vault: usize,
    },
    Answer {
        mutation: u64,
        result: Result<u64, VaultError>,
    },
    Ping,
}

/// What a client sends.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Request {
    Join {
        vault: usize,
        attach: Attach,
    },
    Leave {
        vault: usize,
    },
    Mutate {
        vault: usize,
        mutation: u64,
        change: Change,
    },
    Pong,
}

/// A CONNECT that claims a former connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PendingConnect {
    pub client: usize,
    pub relay: usize,
    pub pid: u64,
    /// What the machine has asked for. `None` while earlier claims of the pid are in progress.
    pub step: Option<ClaimStep>,
    pub waiting: ClientPresence,
    /// The losses of the world when the journal was asked for the missed events.
    pub checked_at: u64,
}

/// Whether the client still waits for its CONNECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClientPresence {
    Waiting,
    /// Its transport has ended. The service has not noticed yet.
    Gone,
}

impl RelayMessage {
    /// Returns the space that the message needs in the mailbox.
    pub fn weight(&self) -> usize {
        match self {
            Self::Notice { notice, .. } => match &notice.body {
                vaultcast::vault::NoticeBody::Attached(attached) => 1 + attached.events.len(),
                _ => 1,
            },
            Self::FellBehind(_) | Self::PositionsUnknown(_) | Self::Drained(_) => 0,
        }
    }
}

impl Relay {
    /// Returns the used space of the mailbox.
    pub fn used(&self) -> usize {
        self.mailbox.iter().map(RelayMessage::weight).sum()
    }
}
