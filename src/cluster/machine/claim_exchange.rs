//! The claims of this node and of others that are in progress, and the peers that answer them.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::{
    cluster::message::{AnsweredClaim, ClaimAnswer, ClaimKey, ClaimSupport, NodeId, NumberedClaim},
    domain::MonotonicTime,
};

/// The longest time for which the answers to a claim are waited for.
pub const CLAIM_TIMEOUT: Duration = Duration::from_secs(1);

/// A peer that has sent nothing for this time, several heartbeats, is not waited for.
pub(super) const PEER_SILENCE: Duration = Duration::from_secs(3);

/// The largest number of claims of this node that wait for answers.
pub const MAX_PENDING: usize = 4096;

/// The largest number of claims of other nodes that this node works on.
pub const MAX_ANSWERING: usize = 4096;

/// Another node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Peer {
    /// When its last message arrived.
    pub(super) heard_at: MonotonicTime,
    pub(super) claims: ClaimSupport,
    pub(super) presence: PeerPresence,
}

/// Whether a peer seems to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum PeerPresence {
    Present,
    /// It has let a claim time out, and has sent nothing since the claim.
    Silent,
}

/// How a claim of this node ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClaimOutcome {
    /// A node has handed the connection over.
    HandedOver,
    /// No node has the connection.
    NotHere,
    /// There is no other node that answers claims.
    NoPeers,
    /// No node has handed it over, and a node has not answered in time.
    TimedOut,
    /// The connection of the bus was lost.
    BusDown,
    /// Too many claims wait for answers.
    QueueFull,
}

/// The claims of this node and of the others that are not answered yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct ClaimExchange {
    /// The claims of this node, in the order of their deadlines.
    pub(super) pending: BTreeMap<u64, SentClaim>,
    /// The claims of this node that were not sent yet.
    pub(super) unsent: Vec<NumberedClaim>,
    /// The claims of other nodes that this node works on.
    pub(super) answering: BTreeSet<ClaimKey>,
    /// The answers that were not sent yet.
    pub(super) unsent_answers: Vec<AnsweredClaim>,
}

/// A claim of this node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct SentClaim {
    pub(super) asked_at: MonotonicTime,
    /// The nodes that have not answered.
    pub(super) waits_for: BTreeSet<NodeId>,
}

impl ClaimOutcome {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::HandedOver,
        Self::NotHere,
        Self::NoPeers,
        Self::TimedOut,
        Self::BusDown,
        Self::QueueFull,
    ];

    /// Returns what the other nodes have answered; `None` if there are none.
    pub fn answer(self) -> Option<ClaimAnswer> {
        match self {
            Self::HandedOver => Some(ClaimAnswer::HandedOver),
            Self::NotHere | Self::TimedOut | Self::BusDown | Self::QueueFull => {
                Some(ClaimAnswer::NotHere)
            }
            Self::NoPeers => None,
        }
    }
}

impl SentClaim {
    /// Returns when the claim times out.
    pub(super) fn deadline(&self) -> MonotonicTime {
        self.asked_at + CLAIM_TIMEOUT
    }
}

impl ClaimExchange {
    /// Returns whether there is something to send.
    pub(super) fn has_unsent(&self) -> bool {
        !self.unsent.is_empty() || !self.unsent_answers.is_empty()
    }

    /// Returns when the first claim times out.
    pub(super) fn wake_at(&self) -> Option<MonotonicTime> {
        let (_, first) = self.pending.first_key_value()?;
        Some(first.deadline())
    }
}

impl Peer {
    /// Returns whether this node waits for the peer's answers.
    pub(super) fn is_waited_for(&self, now: MonotonicTime) -> bool {
        match (self.claims, self.presence) {
            (ClaimSupport::Answers, PeerPresence::Present) => {
                now.since(self.heard_at) < PEER_SILENCE
            }
            (ClaimSupport::Unknown, _) | (ClaimSupport::Answers, PeerPresence::Silent) => false,
        }
    }
}
