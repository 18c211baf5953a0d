//! The inputs of the machine.

use std::time::Duration;

use crate::{
    cluster::{
        message::{BusMessage, ClaimAnswer, ClaimKey},
        pid_hash::PeerClaim,
    },
    journal::JournalHeads,
};

/// What happens to the connection between the nodes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ClusterInput {
    /// The bus is connected: what is sent from now on is received.
    Connected,
    /// The bus could not be connected, or its connection was lost.
    Disconnected,
    /// A connection to the database was opened. Another database may have answered, so its epoch is read.
    DatabaseConnected,
    /// A message arrived, perhaps one of this node.
    Received {
        message: BusMessage,
        /// A random time up to [`MAX_JITTER`](super::MAX_JITTER), by which hints of this message are delayed if several nodes
        /// receive them, so that these do not read the journal at the same instant.
        jitter: Duration,
    },
    /// What [`SendHeartbeat`](super::ClusterEffect::SendHeartbeat), [`SendHints`](super::ClusterEffect::SendHints) or
    /// [`SendClaims`](super::ClusterEffect::SendClaims) requested was accepted by the bus.
    Sent,
    /// The queue of hints is not empty any more.
    HintsWaiting,
    /// A client of this node claims a connection that this node does not have. The numbers of claims increase. Answered by
    /// [`EndClaim`](super::ClusterEffect::EndClaim).
    ClaimRequested { number: u64, claim: PeerClaim },
    /// This node has answered the claim of another one.
    ClaimAnswered { key: ClaimKey, answer: ClaimAnswer },
    /// The sweep has ended: the heads that differ, or `None` if the database did not answer.
    Swept(Option<JournalHeads>),
    /// The time of [`wake_at`](super::ClusterMachine::wake_at) has come. An early one does no harm.
    Tick,
}
