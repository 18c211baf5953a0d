//! One node's connection to the others, as the simulation keeps it.

use std::collections::VecDeque;

use vaultcast::{
    cluster::{
        BusMessage, BusMessageBody, NodeId, QueuedHints,
        machine::{BusUse, ClusterMachine},
    },
    domain::{MonotonicTime, VaultHead},
    journal::JournalHeads,
};

use crate::database::EPOCH;

/// The machine that ships, with what the shell of a node keeps beside it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClusterLink {
    pub id: NodeId,
    pub machine: ClusterMachine,
    /// The heads that commits of this node have moved and that were not sent.
    pub queue: QueuedHints,
    pub wake_up: QueueWakeUp,
    pub session: LinkSession,
    /// What the bus was given and has not accepted.
    pub sending: Option<Vec<BusMessage>>,
    /// The messages on their way to this node, in order.
    pub incoming: VecDeque<BusMessage>,
    pub sweep: RunningSweep,
}

/// Whether the machine has to learn that hints wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum QueueWakeUp {
    None,
    Requested,
}

/// The connection to the bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LinkSession {
    Closed,
    Connecting,
    Connected,
}

/// A comparison of heads.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RunningSweep {
    None,
    /// These heads will be compared.
    Requested(Vec<VaultHead>),
    /// The database has answered.
    Read(JournalHeads),
}

impl ClusterLink {
    pub fn new(id: NodeId, bus: BusUse, now: MonotonicTime) -> Self {
        Self {
            id,
            machine: ClusterMachine::new(id, EPOCH, bus, now),
            queue: QueuedHints::default(),
            wake_up: QueueWakeUp::None,
            session: LinkSession::Closed,
            sending: None,
            incoming: VecDeque::new(),
            sweep: RunningSweep::None,
        }
    }

    /// Ends the session, with all that is on its way in it.
    pub fn close_session(&mut self) {
        self.session = LinkSession::Closed;
        self.sending = None;
        self.incoming.clear();
    }

    /// Returns a message of this node.
    pub fn message(&self, body: BusMessageBody) -> BusMessage {
        BusMessage {
            sender: self.id,
            epoch: EPOCH.to_owned(),
            body,
        }
    }

    /// Returns whether the bus has to complete something for this node.
    pub fn awaits_bus(&self) -> bool {
        match self.session {
            LinkSession::Closed => false,
            LinkSession::Connecting => true,
            LinkSession::Connected => self.sending.is_some(),
        }
    }
}
