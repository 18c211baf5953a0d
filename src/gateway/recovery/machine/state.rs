//! The state of a recovery machine.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use crate::{domain::Epoch, gateway::relay::machine::RelayId};

use super::{
    claim::{ClaimId, HistoryNumber, PendingClaim},
    disconnected::{DisconnectedSocket, StateBounds},
    entries::RecoveryEntries,
    pid_index::{ClaimScope, PidIndex},
};

/// The parameters of a recovery machine.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RecoveryOptions {
    /// How long a disconnected socket is recoverable.
    pub window: Duration,
    /// The epoch of the journal. Stored states of another epoch are not valid.
    pub epoch: Epoch,
    pub bounds: StateBounds,
    pub scope: ClaimScope,
}

/// States on their way to the database.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TakenStates {
    /// The epoch to which their positions belong.
    pub epoch: Epoch,
    pub sockets: Vec<DisconnectedSocket>,
    /// The history in which they were taken.
    pub(super) history: HistoryNumber,
}

impl TakenStates {
    /// Returns some of the states.
    pub fn with_sockets(&self, sockets: Vec<DisconnectedSocket>) -> Self {
        Self {
            epoch: self.epoch.clone(),
            sockets,
            history: self.history,
        }
    }
}

/// The decisions about the recovery of one process: its connected and disconnected sockets, and the claims in progress.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RecoveryMachine {
    pub(super) options: RecoveryOptions,
    pub(super) entries: RecoveryEntries,
    pub(super) claims: BTreeMap<ClaimId, PendingClaim>,
    /// The claims of each pid, in order. The first is in progress.
    pub(super) queues: BTreeMap<String, VecDeque<ClaimId>>,
    /// The pids of the queues.
    pub(super) queued: PidIndex,
}

impl RecoveryMachine {
    /// Returns a machine without sockets.
    pub fn new(options: RecoveryOptions) -> Self {
        Self {
            entries: RecoveryEntries::new(options.bounds, options.scope),
            queued: PidIndex::new(options.scope),
            options,
            claims: BTreeMap::new(),
            queues: BTreeMap::new(),
        }
    }

    /// Returns the pids of up to `limit` connected sockets, by relay.
    pub fn connected(&self, limit: usize) -> BTreeMap<RelayId, Vec<String>> {
        self.entries.connected(limit)
    }

    /// Returns the pids of the disconnected sockets, those of the oldest states first.
    pub fn disconnected(&self) -> Vec<String> {
        self.entries.disconnected()
    }

    /// Removes the entries of these pids and returns those that have a state, to be stored in the database at a shutdown.
    pub fn take_states<'a>(&mut self, pids: impl Iterator<Item = &'a String>) -> TakenStates {
        TakenStates {
            epoch: self.options.epoch.clone(),
            sockets: self.entries.take_all(pids),
            history: self.entries.history(),
        }
    }
}
