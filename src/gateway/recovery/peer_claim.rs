//! Claims of other nodes: one of their clients names the pid of a connection that may be here.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::{
    cluster::{ClaimAnswer, ClaimResponder, PeerClaim, machine::CLAIM_TIMEOUT},
    domain::MonotonicTime,
    journal::JournalError,
};

use super::{
    machine::{PeerClaimStep, RecoveryInput, StoreOutcome},
    store::RecoveryStore,
};

impl ClaimResponder for RecoveryStore {
    fn answer(&self, claim: PeerClaim) -> BoxFuture<'static, ClaimAnswer> {
        Box::pin(self.clone().answer_peer(claim))
    }
}

impl RecoveryStore {
    /// Returns what answers the claims of other nodes.
    pub fn claim_responder(&self) -> Arc<dyn ClaimResponder> {
        Arc::new(self.clone())
    }

    /// Closes the connection that another node claims, if it is here, and moves its state to the database.
    async fn answer_peer(self, claim: PeerClaim) -> ClaimAnswer {
        let until = MonotonicTime::now() + CLAIM_TIMEOUT;
        let mut active = self.begin_peer_claim(claim, until);
        let id = active.id;
        while let Some(step) = active.next_step().await {
            match step {
                PeerClaimStep::TakeOver { relay, pid, user } => {
                    let outcome = self.take_over(relay, &pid, &user).await;
                    self.input(RecoveryInput::TakenOver { id, outcome });
                }
                PeerClaimStep::StoreState { pid, stored } => {
                    let outcome = match self.persist_state(pid, &stored).await {
                        Ok(()) => StoreOutcome::Stored,
                        Err(JournalError::Unknown(_) | JournalError::Closed) => {
                            StoreOutcome::Unknown
                        }
                        Err(
                            JournalError::Unavailable(_)
                            | JournalError::Contended(_)
                            | JournalError::Fault(_),
                        ) => StoreOutcome::NotWritten,
                    };
                    self.input(RecoveryInput::StateStored { id, outcome });
                }
                PeerClaimStep::Answer(ClaimAnswer::HandedOver) => return ClaimAnswer::HandedOver,
                PeerClaimStep::Answer(ClaimAnswer::NotHere) => break,
            }
        }
        drop(active);
        // The state may be on its way to the database. The node that claims it looks there once more after a no.
        let left = until.since(MonotonicTime::now());
        let _ = tokio::time::timeout(left, self.storing.read()).await;
        ClaimAnswer::NotHere
    }
}
