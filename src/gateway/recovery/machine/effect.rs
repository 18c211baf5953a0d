//! What the recovery machine requests of its shell.

use crate::{
    domain::{Seq, UserId, VaultId},
    gateway::{relay::machine::RelayId, trace::ResumedSubscription},
};

use super::{
    claim::{ClaimId, ClaimRefusal},
    disconnected::Eviction,
};

/// One effect of the recovery machine.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RecoveryEffect {
    /// Perform a step of a claim.
    Claim { id: ClaimId, step: ClaimStep },
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

/// The last event of a vault that a client has received.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MissedPosition {
    pub vault: VaultId,
    pub last_seen: Seq,
}
