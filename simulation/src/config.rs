//! The size of a simulated world, and the mistake that it contains.

use std::time::Duration;

use vaultcast::{journal::DatabaseSharing, vault::machine::MachineOptions};

use crate::{database::EPOCH, mistakes::Mistake};

/// The size of a world.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    pub nodes: usize,
    pub relays_per_node: usize,
    pub vaults: usize,
    pub clients: usize,
    /// How many mutations may wait for one vault (`actors.vault_mailbox`).
    pub vault_queue: usize,
    pub commit_batch: usize,
    /// How many events may wait for one relay (`actors.relay_mailbox`).
    pub relay_mailbox: usize,
    /// How many packets may wait for one socket (`actors.session_outbox`).
    pub outbox: usize,
    /// How many unconfirmed packets a trace records (`socketio.recovery_events`).
    pub traced_packets: u64,
    pub bus: BusModel,
    /// How often each optional step may still happen.
    pub budget: Budget,
    pub mistake: Option<Mistake>,
}

/// What carries the hints between several nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BusModel {
    /// Nothing: only the sweep finds the events of other nodes.
    Off,
    /// It connects and accepts at once, and only the hints of other nodes are on their way for a time. The links are up when the
    /// world begins. So small worlds have few states.
    Prompt,
    /// Everything takes its time.
    Slow,
}

/// How often steps may happen that are not needed for progress.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Budget {
    pub mutations: usize,
    pub joins: usize,
    pub leaves: usize,
    pub pings: usize,
    pub membership_changes: usize,
    pub deletions: usize,
    /// A connection breaks.
    pub cuts: usize,
    /// A transaction fails, or its outcome is lost.
    pub transaction_faults: usize,
    pub read_faults: usize,
    pub panics: usize,
    pub crashes: usize,
    /// A message between nodes is lost or repeated, or a sweep reports an outdated head.
    pub hint_faults: usize,
    /// The bus or one connection to it fails, or the bus works again.
    pub bus_faults: usize,
    /// The time of the next deadline of a link comes.
    pub link_wake_ups: usize,
    /// An unused vault ends early.
    pub unloads: usize,
    pub trims: usize,
    pub wake_ups: usize,
}

impl Config {
    /// Returns which processes write the database.
    pub fn sharing(&self) -> DatabaseSharing {
        match self.mistake {
            Some(Mistake::SkipHeadCheck) => DatabaseSharing::ThisProcess,
            _ if self.nodes > 1 => DatabaseSharing::SeveralProcesses,
            _ => DatabaseSharing::ThisProcess,
        }
    }

    /// Returns the options of the vault machines.
    pub fn machine_options(&self) -> MachineOptions {
        MachineOptions {
            commit_batch: self.commit_batch,
            idle: Duration::from_secs(60),
            epoch: EPOCH.into(),
            sharing: self.sharing(),
        }
    }
}
