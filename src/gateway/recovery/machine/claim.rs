//! The claims of one pid: one is in progress, and the others wait in the order of their CONNECTs. A claim is made by a client of this
//! node, or by another node for one of its clients.

use crate::{
    domain::{MonotonicTime, UserId},
    gateway::{offset::Offset, recovery::state::RecoveryState, trace::ResumedSubscription},
};

/// One CONNECT that claims a former connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClaimId(pub u64);

/// What a client claims.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PidClaim {
    pub pid: String,
    pub user: UserId,
    /// The offset of the last packet that the client received.
    pub offset: Option<Offset>,
}

/// A claim and how far it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct PendingClaim {
    pub(super) pid: String,
    pub(super) user: UserId,
    pub(super) claimant: Claimant,
    pub(super) progress: ClaimProgress,
}

/// What makes a claim.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Claimant {
    /// A client of this node that continues after this offset.
    Client { offset: Option<Offset> },
    /// Another node, which does not wait longer than this.
    Peer { until: MonotonicTime },
}

impl PendingClaim {
    /// Returns the claim of a client.
    pub(super) fn of_client(PidClaim { pid, user, offset }: PidClaim) -> Self {
        Self {
            pid,
            user,
            claimant: Claimant::Client { offset },
            progress: ClaimProgress::Waiting,
        }
    }

    /// Returns the claim of another node.
    pub(super) fn of_peer(pid: String, user: UserId, until: MonotonicTime) -> Self {
        Self {
            pid,
            user,
            claimant: Claimant::Peer { until },
            progress: ClaimProgress::Waiting,
        }
    }

    /// Returns whether another node has made the claim and does not wait for its answer any more.
    pub(super) fn has_timed_out(&self, now: MonotonicTime) -> bool {
        match self.claimant {
            Claimant::Client { .. } => false,
            Claimant::Peer { until } => until <= now,
        }
    }

    /// Returns whether this is a claim of another node that has not begun.
    pub(super) fn is_waiting_peer(&self) -> bool {
        match self.claimant {
            Claimant::Client { .. } => false,
            Claimant::Peer { .. } => self.progress == ClaimProgress::Waiting,
        }
    }
}

/// How far a claim is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum ClaimProgress {
    /// Earlier claims of the pid are in progress.
    Waiting,
    /// The open connection is being suspended and closed.
    TakingOver,
    /// The database is asked for the state.
    ReadingStored(PeerInquiry),
    /// The other nodes are asked to hand the connection over.
    AskingPeers,
    /// The client is gone while the database is asked. The claim ends with the answer, because the database gives the state
    /// up.
    Abandoned,
    /// The journal is asked whether it has the missed events.
    CheckingEvents {
        taken: TakenRecoveryState,
        subscriptions: Vec<ResumedSubscription>,
    },
    /// The client may continue the connection. The state is put back unless the claim is confirmed.
    Granted(TakenRecoveryState),
    /// The state is being moved to the database for another node. It is put back if it was not written.
    HandingOver(TakenRecoveryState),
    /// The state is used up, or the claim is refused. The next claim waits until this one ends.
    Decided,
}

/// Whether the other nodes were asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum PeerInquiry {
    NotMade,
    Made,
}

/// A state that a claim has taken, with its original expiry.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct TakenRecoveryState {
    pub(super) state: RecoveryState,
    pub(super) expires: MonotonicTime,
    pub(super) history: HistoryNumber,
}

/// Counts how often positions have become unknown. What was kept under an earlier number is not valid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct HistoryNumber(pub(super) u64);

/// Why a connection is not recovered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClaimRefusal {
    /// No recovery state is stored for the pid and the user.
    NothingStored,
    /// The trace does not show what the client has received.
    OffsetUnknown,
    /// The journal no longer has the missed events, or is another one than before.
    Trimmed,
    /// The journal could not be read.
    Failed,
}
