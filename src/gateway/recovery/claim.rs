//! Claims: a client that reconnects names its former connection by pid.

use serde_json::Value;
use tracing::{debug, warn};

use crate::{
    domain::UserId,
    gateway::{
        issued_id::issued_id, metrics::RecoveryOutcome, offset::Offset, relay::machine::RelayId,
        trace::ResumedSubscription,
    },
    journal::{SubscriptionPosition, report},
};
use actix_socketio::engineio::CloseReason;

use super::{
    machine::{
        ClaimRefusal, ClaimStep, MissedEvents, MissedPosition, PidClaim, RecoveryInput,
        TakeOverOutcome,
    },
    state::StoredRecoveryState,
    store::{ActiveClaim, RecoveryStore},
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
    active: ActiveClaim<ClaimStep>,
    pid: String,
    id: String,
    subscriptions: Vec<ResumedSubscription>,
}

/// A connection to be continued.
pub(in crate::gateway) struct RecoveredSocket {
    pub pid: String,
    /// The id of the socket.
    pub id: String,
    pub subscriptions: Vec<ResumedSubscription>,
    /// Held until the new connection is registered, so that a later claim of the pid takes it over.
    pub claim: ClaimGuard,
}

/// Ends a confirmed claim when it is dropped.
pub(in crate::gateway) struct ClaimGuard(
    #[allow(dead_code, reason = "ends when dropped")] ActiveClaim<ClaimStep>,
);

impl ClaimedSocket {
    /// Confirms the claim. Afterwards the same state cannot be claimed again. Returns `None` if the journal has become another
    /// one since the claim was granted.
    pub(in crate::gateway) fn confirm(mut self) -> Option<RecoveredSocket> {
        let store = self.active.store();
        store.input(RecoveryInput::Confirm { id: self.active.id });
        let refused = self.active.take_step();
        debug_assert!(matches!(refused, None | Some(ClaimStep::Refused(_))));
        let outcome = match refused {
            Some(_) => RecoveryOutcome::Trimmed,
            None => RecoveryOutcome::Recovered,
        };
        self.active.store().metrics.recovery(outcome);
        refused.is_none().then(|| RecoveredSocket {
            pid: self.pid,
            id: self.id,
            subscriptions: self.subscriptions,
            claim: ClaimGuard(self.active),
        })
    }

    /// Gives the claim up, because the CONNECT is refused.
    pub(in crate::gateway) fn refuse(self) {
        let metrics = &self.active.store().metrics;
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
        let mut active = self.begin_claim(PidClaim {
            pid: claim.pid.clone(),
            user: user.clone(),
            offset: claim.offset.clone(),
        });
        let id = active.id;
        while let Some(step) = active.next_step().await {
            match step {
                ClaimStep::TakeOver { relay, pid, user } => {
                    let outcome = self.take_over(relay, &pid, &user).await;
                    self.input(RecoveryInput::TakenOver { id, outcome });
                }
                ClaimStep::ReadStored { pid } => {
                    // Not awaited here: the database gives the state up even if the client is gone meanwhile.
                    let (store, user) = (self.clone(), user.clone());
                    actix::spawn(async move {
                        let stored = store.take_stored_state(&pid, &user).await;
                        store.input(RecoveryInput::StoredRead { id, stored });
                    });
                }
                ClaimStep::AskPeers(claim) => {
                    let answer = self.ask_peers(claim).await;
                    self.input(RecoveryInput::PeersAnswered { id, answer });
                }
                ClaimStep::CheckEvents { positions } => {
                    let events = self.check_events(positions, user).await;
                    self.input(RecoveryInput::EventsChecked { id, events });
                }
                ClaimStep::Granted {
                    socket,
                    subscriptions,
                } => {
                    return Some(ClaimedSocket {
                        active,
                        pid: claim.pid.clone(),
                        id: socket,
                        subscriptions,
                    });
                }
                ClaimStep::Refused(refusal) => {
                    self.report_refusal(refusal, user);
                    return None;
                }
            }
        }
        None
    }

    fn report_refusal(&self, refusal: ClaimRefusal, user: &UserId) {
        match refusal {
            ClaimRefusal::OffsetUnknown | ClaimRefusal::Trimmed => {
                debug!(user.id = %user, "connection not recovered: missed events are unknown or trimmed");
            }
            ClaimRefusal::NothingStored | ClaimRefusal::Failed => {}
        }
        self.metrics.recovery(match refusal {
            ClaimRefusal::NothingStored => RecoveryOutcome::NothingStored,
            ClaimRefusal::OffsetUnknown => RecoveryOutcome::OffsetUnknown,
            ClaimRefusal::Trimmed => RecoveryOutcome::Trimmed,
            ClaimRefusal::Failed => RecoveryOutcome::Failed,
        });
    }

    /// Lets a relay suspend and close the connection of this pid.
    pub(super) async fn take_over(
        &self,
        relay: RelayId,
        pid: &str,
        user: &UserId,
    ) -> TakeOverOutcome {
        let relay = self.core().relays.get(&relay).cloned();
        let Some(relay) = relay else {
            return TakeOverOutcome::RelayEnded;
        };
        match relay.take_over(pid, user, TAKEN_OVER).await {
            Ok(()) => TakeOverOutcome::Handled,
            Err(_) => TakeOverOutcome::RelayEnded,
        }
    }

    async fn check_events(&self, positions: Vec<MissedPosition>, user: &UserId) -> MissedEvents {
        let positions: Vec<_> = positions
            .into_iter()
            .map(|MissedPosition { vault, last_seen }| SubscriptionPosition { vault, last_seen })
            .collect();
        match self.journal.can_resume(&positions).await {
            Ok(true) => MissedEvents::Available,
            Ok(false) => MissedEvents::Trimmed,
            Err(error) => {
                report!(error, user.id = %user, "connection not recovered: journal read failed");
                MissedEvents::Unknown
            }
        }
    }

    /// Takes the state from the database, where another process may have stored it.
    async fn take_stored_state(&self, pid: &str, user: &UserId) -> Option<StoredRecoveryState> {
        let text = match self
            .journal
            .take_socket(pid, self.journal.shared_time())
            .await
        {
            Ok(text) => text?,
            Err(error) => {
                report!(error, user.id = %user, "connection not recovered: stored recovery state could not be read");
                return None;
            }
        };
        match StoredRecoveryState::parse(&text) {
            Ok(stored) => Some(stored),
            Err(error) => {
                warn!(%error, "connection not recovered: stored recovery state is invalid");
                None
            }
        }
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
