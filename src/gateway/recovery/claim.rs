//! Claims: a client that reconnects names its former connection by pid.

use std::time::Instant;

use serde_json::Value;
use tokio::sync::OwnedMutexGuard;
use tracing::{debug, warn};

use crate::{
    domain::{Timestamp, UserId},
    gateway::{
        issued_id::issued_id, metrics::RecoveryOutcome, offset::Offset, trace::ResumedSubscription,
    },
    journal::{SubscriptionPosition, report},
};
use actix_socketio::engineio::CloseReason;

use super::{
    entries::TakenState,
    state::{RecoveryState, StoredRecoveryState},
    store::RecoveryStore,
};

/// Closes the former transport of a client that has reconnected over another one.
const TAKEN_OVER: CloseReason = CloseReason::Application("taken over");

/// What the auth payload of a CONNECT requests of recovery.
pub(in crate::gateway) enum RecoveryRequest {
    /// `recovery: false`: the connection cannot be recovered, and its frames carry no offset.
    Off,
    /// A new connection that can be recovered.
    New,
    /// To recover a connection.
    Claim(RecoveryClaim),
}

/// A client's request to recover a connection.
pub(in crate::gateway) struct RecoveryClaim {
    pub pid: String,
    /// The offset of the last packet that the client received.
    pub offset: Option<Offset>,
}

/// The former connection that a client has claimed. Unless the claim is confirmed, its state stays recoverable as before.
pub(in crate::gateway) struct ClaimedSocket {
    taken: TakenRecoveryState,
    id: String,
    subscriptions: Vec<ResumedSubscription>,
    claim_lock: OwnedMutexGuard<()>,
}

/// A connection to be continued.
pub(in crate::gateway) struct RecoveredSocket {
    pub pid: String,
    /// The id of the socket.
    pub id: String,
    pub subscriptions: Vec<ResumedSubscription>,
    /// Held until the new connection is registered.
    pub claim_lock: OwnedMutexGuard<()>,
}

/// A state that was taken from the store. It is put back when this is dropped, unless it was removed before.
struct TakenRecoveryState {
    store: RecoveryStore,
    pid: String,
    expires: Instant,
    state: Option<Box<RecoveryState>>,
}

impl Drop for TakenRecoveryState {
    fn drop(&mut self) {
        if let Some(state) = self.state.take() {
            self.store.put_back(&self.pid, self.expires, *state);
        }
    }
}

impl ClaimedSocket {
    /// Confirms the claim. Afterwards the same state cannot be claimed again.
    pub(in crate::gateway) fn confirm(mut self) -> RecoveredSocket {
        self.taken.state = None;
        let metrics = &self.taken.store.metrics;
        metrics.recovery(RecoveryOutcome::Recovered);
        RecoveredSocket {
            pid: self.taken.pid.clone(),
            id: self.id,
            subscriptions: self.subscriptions,
            claim_lock: self.claim_lock,
        }
    }

    /// Gives the claim up, because the CONNECT is refused.
    pub(in crate::gateway) fn refuse(self) {
        let metrics = &self.taken.store.metrics;
        metrics.recovery(RecoveryOutcome::Refused);
    }
}

impl RecoveryRequest {
    /// Reads the request from the auth payload of a CONNECT. `recovery` is off if it is `false`, or `"false"`, because the
    /// Java client sends texts only; any other value is as none. Off precedes a pid.
    pub(in crate::gateway) fn from_auth(auth: &Value) -> Self {
        match auth.get("recovery") {
            Some(Value::Bool(false)) => Self::Off,
            Some(Value::String(text)) if text == "false" => Self::Off,
            Some(_) | None => RecoveryClaim::from_auth(auth).map_or(Self::New, Self::Claim),
        }
    }
}

impl RecoveryClaim {
    /// Reads a claim from the auth payload of a CONNECT. Returns `None` if the payload has no pid, or one that is longer
    /// than every pid.
    fn from_auth(auth: &Value) -> Option<Self> {
        let pid = issued_id(auth.get("pid")?.as_str()?)?;
        let offset = auth.get("offset").and_then(Value::as_str);
        Some(Self {
            pid,
            offset: offset.and_then(Offset::from_client),
        })
    }
}

impl RecoveryStore {
    /// Takes the connection that a user claims, or returns `None` if it cannot be recovered completely.
    pub(in crate::gateway) async fn claim(
        &self,
        claim: &RecoveryClaim,
        user: &UserId,
    ) -> Option<ClaimedSocket> {
        match self.recover(claim, user).await {
            Ok(claimed) => Some(claimed),
            Err(outcome) => {
                self.metrics.recovery(outcome);
                None
            }
        }
    }

    async fn recover(
        &self,
        claim: &RecoveryClaim,
        user: &UserId,
    ) -> Result<ClaimedSocket, RecoveryOutcome> {
        let claim_lock = self.lock_claim(&claim.pid).await;
        let taken = self.take_state(&claim.pid, user).await;
        let mut taken = taken.ok_or(RecoveryOutcome::NothingStored)?;
        let state = taken.state.as_ref();
        let state = state.ok_or(RecoveryOutcome::NothingStored)?;
        let resumed = state.resumed_subscriptions(claim.offset.as_ref());
        let can_resume = match &resumed {
            Some(resumed) => {
                let position = |subscription: &ResumedSubscription| {
                    let position = subscription.position?;
                    Some(SubscriptionPosition {
                        vault: subscription.vault.clone(),
                        last_seen: position.last_seen,
                    })
                };
                let positions: Vec<_> = resumed.iter().filter_map(position).collect();
                self.journal.can_resume(&positions).await
            }
            None => Ok(false),
        };
        let outcome = match (can_resume, resumed) {
            (Ok(true), Some(subscriptions)) => {
                let id = state.id.clone();
                return Ok(ClaimedSocket {
                    taken,
                    id,
                    subscriptions,
                    claim_lock,
                });
            }
            (Ok(_), resumed) => {
                debug!(user.id = %user, "connection not recovered: missed events are unknown or trimmed");
                resumed.map_or(RecoveryOutcome::OffsetUnknown, |_| RecoveryOutcome::Trimmed)
            }
            (Err(error), _) => {
                report!(error, user.id = %user, "connection not recovered: journal read failed");
                RecoveryOutcome::Failed
            }
        };
        // The client becomes a new connection with another pid, so the state is of no use any more.
        taken.state = None;
        Err(outcome)
    }

    /// Takes the state of this pid if it belongs to this user. A connection that is still open is suspended and closed
    /// first.
    async fn take_state(&self, pid: &str, user: &UserId) -> Option<TakenRecoveryState> {
        let relay = self.entries().relay_of(pid).cloned();
        if let Some(relay) = relay {
            relay.take_over(pid, user, TAKEN_OVER).await.ok()?;
        }
        let taken = self.entries().take(pid, user);
        let (expires, state) = match taken {
            TakenState::Found(socket) => (socket.expires, Box::new(socket.state)),
            TakenState::Unavailable => return None,
            TakenState::NoEntry => {
                let state = self.take_stored_state(pid, user).await?;
                (Instant::now() + self.window, Box::new(state))
            }
        };
        Some(TakenRecoveryState {
            store: self.clone(),
            pid: pid.to_owned(),
            expires,
            state: Some(state),
        })
    }

    /// Takes the state from the database, where another process may have stored it.
    async fn take_stored_state(&self, pid: &str, user: &UserId) -> Option<RecoveryState> {
        let text = match self.journal.take_socket(pid, Timestamp::now()).await {
            Ok(text) => text?,
            Err(error) => {
                report!(error, user.id = %user, "connection not recovered: stored recovery state could not be read");
                return None;
            }
        };
        let StoredRecoveryState { epoch, state } = match serde_json::from_str(&text) {
            Ok(stored) => stored,
            Err(error) => {
                warn!(%error, "connection not recovered: stored recovery state is invalid");
                return None;
            }
        };
        if state.user != *user {
            // The state stays available to its own user.
            self.save(pid, state);
            return None;
        }
        (epoch == self.journal.epoch()).then_some(state)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn long_pid_is_no_claim_and_a_long_offset_is_unknown() {
        let pid = actix_socketio::random_id();
        let claim = RecoveryClaim::from_auth(&json!({ "pid": pid, "offset": "7.c12345678" }));
        let claim = claim.unwrap();
        assert_eq!((&claim.pid, claim.offset.is_some()), (&pid, true));
        let long = "x".repeat(900_000);
        let claim = RecoveryClaim::from_auth(&json!({ "pid": pid, "offset": long }));
        assert!(claim.unwrap().offset.is_none());
        assert!(RecoveryClaim::from_auth(&json!({ "pid": long })).is_none());
    }
    #[test]
    fn recovery_is_off_only_where_the_client_says_false() {
        let request = |recovery: Value| {
            let auth = json!({ "pid": actix_socketio::random_id(), "recovery": recovery });
            RecoveryRequest::from_auth(&auth)
        };
        for off in [json!(false), json!("false")] {
            assert!(
                matches!(request(off.clone()), RecoveryRequest::Off),
                "{off}"
            );
        }
        for on in [
            json!(true),
            json!("False"),
            json!(""),
            json!(0),
            json!(null),
            json!([]),
            json!({}),
        ] {
            assert!(
                matches!(request(on.clone()), RecoveryRequest::Claim(_)),
                "{on}"
            );
        }
        assert!(matches!(
            RecoveryRequest::from_auth(&json!({})),
            RecoveryRequest::New
        ));
    }
}
