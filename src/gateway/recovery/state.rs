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

impl StoredRecoveryState {
    /// Reads a state from the database.
    ///
    /// # Errors
    /// When the text is no state.
    pub(super) fn parse(text: &str) -> serde_json::Result<Self> {
        let mut stored: Self = serde_json::from_str(text)?;
        stored.state.trace.complete_epochs(&stored.epoch);
        Ok(stored)
    }
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        domain::{Seq, SubscriberId},
        gateway::trace::ResumePosition,
    };

    #[test]
    fn positions_that_an_earlier_version_stored_are_of_the_epoch_of_their_state() {
        let position = ResumePosition {
            last_seen: Seq(7),
            joined_at: Seq(5),
            epoch: "epoch".into(),
        };
        let mut trace = DeliveryTrace::new(64, None);
        trace.record_resume(SubscriberId(0), &VaultId::generate(), position.clone());
        let stored = StoredRecoveryState {
            epoch: "epoch".into(),
            state: RecoveryState {
                user: UserId::new("ana").unwrap(),
                id: "socket".to_owned(),
                trace,
                pending_joins: Vec::new(),
            },
        };
        let mut row = serde_json::to_value(&stored).unwrap();
        let slot = &mut row["state"]["trace"]["subscriptions"]["slots"][0];
        let Value::Object(slot) = slot else {
            panic!("the trace has a subscription: {row}");
        };
        assert_eq!(slot.remove("epoch"), Some(json!("epoch")));
        let read = StoredRecoveryState::parse(&row.to_string()).unwrap();
        let resumed = read.state.resumed_subscriptions(None).unwrap();
        assert_eq!(resumed[0].position, Some(position));
    }
}
