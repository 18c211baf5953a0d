//! What the recovery machine requests of its shell.

use crate::{
    cluster::{ClaimAnswer, PeerClaim},
    domain::{Seq, UserId, VaultId},
    gateway::{
        recovery::state::StoredRecoveryState, relay::machine::RelayId, trace::ResumedSubscription,
    },
};

use super::{
    claim::{ClaimId, ClaimRefusal, Claimant, PendingClaim},
    disconnected::Eviction,
};

/// One effect of the recovery machine.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RecoveryEffect {
    /// Perform a step of a claim.
    Claim { id: ClaimId, step: ClaimStep },
    /// Perform a step of a claim of another node.
    PeerClaim { id: ClaimId, step: PeerClaimStep },
    /// States were removed before they expired. This is counted and logged.
    Evicted(Eviction),
}

/// One step of a claim. A claim has one at a time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ClaimStep {
    /// Let the relay suspend and close the connection, if it belongs to the user; then send `TakenOver`.
    TakeOver {
        relay: RelayId,
        pid: String,
        user: UserId,
    },
    /// Take the state from the database, where another process may have stored it; then send `StoredRead`,
    /// also if the claim ends before.
    ReadStored { pid: String },
    /// Ask the other nodes to hand the connection over; then send `PeersAnswered`.
    AskPeers(PeerClaim),
    /// Ask the journal whether it has the events after these positions; then send `EventsChecked`.
    CheckEvents { positions: Vec<MissedPosition> },
    /// The connection can be continued. `Confirm` or `End` follows.
    Granted {
        /// The id of the socket.
        socket: String,
        subscriptions: Vec<ResumedSubscription>,
    },
    /// The client becomes a new connection. `End` follows.
    Refused(ClaimRefusal),
}

/// One step of a claim of another node. A claim has one at a time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PeerClaimStep {
    /// Let the relay suspend and close the connection, if it belongs to the user; then send `TakenOver`.
    TakeOver {
        relay: RelayId,
        pid: String,
        user: UserId,
    },
    /// Write the state to the database, where the other node takes it; then send `StateStored`.
    StoreState {
        pid: String,
        stored: Box<StoredRecoveryState>,
    },
    /// Answer the other node. `End` follows.
    Answer(ClaimAnswer),
}

impl PendingClaim {
    /// Returns the step that closes the connection on this relay.
    pub(super) fn take_over(&self, id: ClaimId, relay: RelayId) -> RecoveryEffect {
        let (pid, user) = (self.pid.clone(), self.user.clone());
        match self.claimant {
            Claimant::Client { .. } => {
                let step = ClaimStep::TakeOver { relay, pid, user };
                RecoveryEffect::Claim { id, step }
            }
            Claimant::Peer { .. } => {
                let step = PeerClaimStep::TakeOver { relay, pid, user };
                RecoveryEffect::PeerClaim { id, step }
            }
        }
    }

    /// Returns the step that refuses the claim.
    pub(super) fn refusal(&self, id: ClaimId, refusal: ClaimRefusal) -> RecoveryEffect {
        match self.claimant {
            Claimant::Client { .. } => {
                let step = ClaimStep::Refused(refusal);
                RecoveryEffect::Claim { id, step }
            }
            Claimant::Peer { .. } => {
                let step = PeerClaimStep::Answer(ClaimAnswer::NotHere);
                RecoveryEffect::PeerClaim { id, step }
            }
        }
    }
}

/// The last event of a vault that a client has received.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MissedPosition {
    pub vault: VaultId,
    pub last_seen: Seq,
}
