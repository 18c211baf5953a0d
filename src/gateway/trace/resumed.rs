//! What the trace returns for a client that reconnects: the subscriptions to resume.

use crate::{
    domain::{Epoch, Seq, VaultId},
    vault::{Attach, Joined},
};

/// Where a subscription continues.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ResumePosition {
    /// The last event that the client has received.
    pub last_seen: Seq,
    /// The head of the vault when the socket joined it.
    pub joined_at: Seq,
    /// The epoch of the history that the numbers belong to.
    pub epoch: Epoch,
}

/// A subscription to resume.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ResumedSubscription {
    pub vault: VaultId,
    /// `None` if the socket has not joined yet.
    pub position: Option<ResumePosition>,
    /// The `vault:joined` that the client has not received.
    pub joined: Option<Joined>,
    /// Joins without an answer, or whose answer the client has not received.
    pub joins: Vec<Attach>,
}
