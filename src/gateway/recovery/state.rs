//! The recovery state of a socket: what a later connection needs to continue it.

use serde::{Deserialize, Serialize};

use crate::{
    domain::{Epoch, UserId, VaultId},
    gateway::{
        offset::Offset,
        trace::{DeliveryTrace, ResumedSubscription, attach_bytes},
    },
    vault::Attach,
};

/// The recovery state of a socket.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RecoveryState {
    pub user: UserId,
    /// The id of the socket.
    pub id: String,
    pub trace: DeliveryTrace,
    /// Joins that no vault has answered.
    pub pending_joins: Vec<PendingJoinState>,
}

/// A join that the vault has not answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PendingJoinState {
    pub vault: VaultId,
    pub attach: Attach,
}

impl PendingJoinState {
    fn size_bytes(&self) -> usize {
        size_of::<Self>() + self.vault.as_str().len() + attach_bytes(&self.attach)
    }
}

/// A recovery state as the database stores it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StoredRecoveryState {
    /// The epoch of the journal. The state is not valid in another epoch.
    pub epoch: Epoch,
    pub state: RecoveryState,
}

impl RecoveryState {
    /// Returns about how many bytes the state takes.
    pub(super) fn size_bytes(&self) -> usize {
        let joins = self.pending_joins.iter().map(PendingJoinState::size_bytes);
        size_of::<Self>() + self.id.len() + self.trace.size_bytes() + joins.sum::<usize>()
    }

    /// Returns the subscriptions to resume for a client with this offset, or `None` if the trace does not show what the
    /// client has received.
    pub(super) fn resumed_subscriptions(
        &self,
        offset: Option<&Offset>,
    ) -> Option<Vec<ResumedSubscription>> {
        let mut resumed = self.trace.recover(offset)?;
        for PendingJoinState { vault, attach } in &self.pending_joins {
            let mut subscriptions = resumed.iter_mut();
            match subscriptions.find(|subscription| subscription.vault == *vault) {
                Some(subscription) => subscription.joins.push(attach.clone()),
                None => resumed.push(ResumedSubscription {
                    vault: vault.clone(),
                    position: None,
                    joined: None,
                    joins: vec![attach.clone()],
                }),
            }
        }
        Some(resumed)
    }
}
