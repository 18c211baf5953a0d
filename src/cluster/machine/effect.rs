//! The effects of the machine.

use std::time::Duration;

use crate::{
    cluster::{
        message::{AnsweredClaim, ClaimKey, NumberedClaim},
        pid_hash::PeerClaim,
    },
    domain::{VaultHead, VaultId},
};

use super::claim_exchange::ClaimOutcome;

/// What the shell has to do, in order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ClusterEffect {
    /// Drop the connection of the bus, if there is one, and connect. Answered by `Connected` or `Disconnected`.
    Connect,
    /// Send a heartbeat with this number. Answered by `Sent`.
    SendHeartbeat(u64),
    /// Take the hints from the queue, report them by [`hints_taken`](super::ClusterMachine::hints_taken), and send them.
    /// Answered by `Sent`, also if there are none.
    SendHints,
    /// Send these claims of this node, and its answers to claims of others. Answered by `Sent`.
    SendClaims {
        claims: Vec<NumberedClaim>,
        answers: Vec<AnsweredClaim>,
    },
    /// Report how the claim of this number ended. It is not waited for any more.
    EndClaim { number: u64, outcome: ClaimOutcome },
    /// Hand the connection over that another node claims, if this node has it. Answered by `ClaimAnswered`.
    AnswerClaim { key: ClaimKey, claim: PeerClaim },
    /// Record that a claim of another node was answered without a look for the connection, because too many are being answered.
    RecordRefusedClaim,
    /// Take the hints from the queue and drop them, because the bus is down.
    DropHints,
    /// Take the hints from the queue, report them by [`hints_taken`](super::ClusterMachine::hints_taken), and drop them, because no
    /// other node is there.
    SkipHints,
    /// Compare the heads of the vaults with subscribers with the journal's. Answered by `Swept`.
    Sweep,
    /// Report to a vault that its journal has reached this head.
    MoveHead(VaultHead),
    /// The bus works now.
    ReportUp,
    /// The bus does not work any more.
    ReportDown,
    /// Record the way of a heartbeat through the bus and back.
    RecordLag(Duration),
    /// Record that no hint has named so many heads that a sweep has found.
    RecordLost(u64),
    /// Report to a vault that the journal had a lower head than the vault.
    CheckHead(VaultId),
    /// Work with this epoch from now on, because the database has it.
    ReplaceEpoch(String),
}
