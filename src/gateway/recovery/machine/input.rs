//! What the recovery machine receives.

use crate::{
    cluster::{ClaimAnswer, PeerClaim},
    domain::{Epoch, MonotonicTime},
    gateway::{
        recovery::state::{RecoveryState, StoredRecoveryState},
        relay::machine::RelayId,
    },
};

use super::{
    claim::{ClaimId, PidClaim},
    state::TakenStates,
};

/// One input of the recovery machine.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RecoveryInput {
    /// A socket with this pid is connected on a relay.
    Register { pid: String, relay: RelayId },
    /// A socket that was connected on this relay cannot be recovered.
    Unregister { pid: String, relay: RelayId },
    /// The transport of a socket was lost or closed: keep its state for the window.
    Save { pid: String, state: RecoveryState },
    /// A client reconnects. Claims of one pid are handled in the order given.
    Claim { id: ClaimId, claim: PidClaim },
    /// Another node claims a connection for one of its clients, and waits until this time.
    PeerClaim {
        id: ClaimId,
        claim: PeerClaim,
        until: MonotonicTime,
    },
    /// The relay has handled the request to take the connection over.
    TakenOver {
        id: ClaimId,
        outcome: TakeOverOutcome,
    },
    /// The database has returned and removed the state, or has none that can be read. It follows each `ReadStored`, also if
    /// the claim has ended meanwhile.
    StoredRead {
        id: ClaimId,
        stored: Option<StoredRecoveryState>,
    },
    /// The other nodes have been asked for the connection; `None` if there are none.
    PeersAnswered {
        id: ClaimId,
        answer: Option<ClaimAnswer>,
    },
    /// The state of a connection that another node claims was written, or not.
    StateStored { id: ClaimId, outcome: StoreOutcome },
    /// States that were taken to be stored were not written. They are put back with their original expiry.
    NotWritten(TakenStates),
    /// The journal has been asked for the missed events.
    EventsChecked { id: ClaimId, events: MissedEvents },
    /// The client continues the connection: the state cannot be claimed again. `Refused` follows at once if the journal has become
    /// another one since the claim was granted.
    Confirm { id: ClaimId },
    /// The positions of all clients are unknown, because another database was put in the place of the first one. Nothing that was
    /// kept until now can be recovered, nor can a socket that is connected now.
    HistoryReplaced {
        /// The epoch of the journal from now on.
        epoch: Epoch,
    },
    /// The claim has ended: the new connection is registered, was refused, or is gone. A state that was taken and not
    /// confirmed is put back. The next claim of the pid begins.
    End { id: ClaimId },
}

/// The outcome of a take-over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TakeOverOutcome {
    /// The relay has suspended and closed the connection, if it belongs to the user.
    Handled,
    /// The relay has ended. Its connections have no state.
    RelayEnded,
}

/// Whether a state was written to the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StoreOutcome {
    Stored,
    /// It was not, and is put back.
    NotWritten,
    /// That is not known. Only the database may have it.
    Unknown,
}

/// Whether the journal has the missed events of all vaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MissedEvents {
    Available,
    Trimmed,
    /// The journal could not be read.
    Unknown,
}
