//! Gives inputs to a recovery machine and describes its effects. Every claim is of the pid `p`.

use std::time::Duration;

use crate::{
    cluster::{ClaimAnswer, PeerClaim, PidHash},
    domain::{MonotonicTime, Seq, SubscriberId, UserId, VaultId},
    gateway::{
        offset::Offset,
        recovery::{RecoveryState, StoredRecoveryState, machine::*},
        relay::machine::RelayId,
        trace::{DeliveryTrace, ResumePosition},
    },
};

pub(super) const WINDOW: Duration = Duration::from_secs(120);
const PID: &str = "p";

/// A machine and the time.
pub(super) struct RecoveryStory {
    pub(super) machine: RecoveryMachine,
    pub(super) now: MonotonicTime,
}

pub(super) fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

pub(super) fn vault() -> VaultId {
    VaultId::parse(&format!("c{}", "a".repeat(24))).unwrap()
}

/// The state of a socket of this user that was sent the events 8 and 9 after 7.
pub(super) fn state(name: &str) -> RecoveryState {
    state_of("epoch", name)
}

/// The same state with positions of this epoch.
pub(super) fn state_of(epoch: &str, name: &str) -> RecoveryState {
    let mut trace = DeliveryTrace::new(64, None);
    let id = SubscriberId(0);
    let position = ResumePosition {
        last_seen: Seq(7),
        joined_at: Seq(7),
        epoch: epoch.into(),
    };
    trace.record_resume(id, &vault(), position);
    trace.record_event(id);
    trace.record_event(id);
    RecoveryState {
        user: user(name),
        id: "socket".to_owned(),
        trace,
        pending_joins: Vec::new(),
    }
}

fn describe(effect: &RecoveryEffect) -> String {
    let (id, step) = match effect {
        RecoveryEffect::Claim { id, step } => (id.0, step),
        RecoveryEffect::PeerClaim { id, step } => return describe_peer(id.0, step),
        RecoveryEffect::Evicted(_) => return "evicted".to_owned(),
    };
    match step {
        ClaimStep::TakeOver { relay, .. } => format!("{id}: take over from relay {}", relay.0),
        ClaimStep::ReadStored { .. } => format!("{id}: read the database"),
        ClaimStep::AskPeers(claim) => {
            assert_eq!(claim.pid, PidHash::of(PID));
            format!("{id}: ask the other nodes")
        }
        ClaimStep::CheckEvents { positions } => {
            let after: Vec<_> = positions.iter().map(|at| at.last_seen.0).collect();
            format!("{id}: check the events after {after:?}")
        }
        ClaimStep::Granted { .. } => format!("{id}: granted"),
        ClaimStep::Refused(refusal) => format!("{id}: refused, {refusal:?}"),
    }
}

fn describe_peer(id: u64, step: &PeerClaimStep) -> String {
    match step {
        PeerClaimStep::TakeOver { relay, .. } => {
            format!("{id}: take over from relay {} for a peer", relay.0)
        }
        PeerClaimStep::StoreState { .. } => format!("{id}: store the state"),
        PeerClaimStep::Answer(answer) => format!("{id}: answer {answer:?}"),
    }
}

impl RecoveryStory {
    pub(super) fn new() -> Self {
        Self::with_scope(ClaimScope::ThisNode)
    }

    /// Returns one of several nodes.
    pub(super) fn with_peers() -> Self {
        Self::with_scope(ClaimScope::AllNodes)
    }

    fn with_scope(scope: ClaimScope) -> Self {
        let options = RecoveryOptions {
            window: WINDOW,
            epoch: "epoch".into(),
            bounds: StateBounds::default(),
            scope,
        };
        Self {
            machine: RecoveryMachine::new(options),
            now: MonotonicTime::default(),
        }
    }

    pub(super) fn input(&mut self, input: RecoveryInput) -> Vec<String> {
        let mut effects = Vec::new();
        self.machine.handle(input, self.now, &mut effects);
        effects.iter().map(describe).collect()
    }

    pub(super) fn register(&mut self, relay: u64) {
        let (pid, relay) = (PID.to_owned(), RelayId(relay));
        assert_eq!(self.input(RecoveryInput::Register { pid, relay }), [""; 0]);
    }

    pub(super) fn save(&mut self, name: &str) {
        let (pid, state) = (PID.to_owned(), state(name));
        assert_eq!(self.input(RecoveryInput::Save { pid, state }), [""; 0]);
    }

    /// A claim of this user that received the event 8.
    pub(super) fn claim(&mut self, id: u64, name: &str) -> Vec<String> {
        self.claim_with(id, name, Some(Offset::for_event(&vault(), Seq(8))))
    }

    pub(super) fn claim_with(
        &mut self,
        id: u64,
        name: &str,
        offset: Option<Offset>,
    ) -> Vec<String> {
        let claim = PidClaim {
            pid: PID.to_owned(),
            user: user(name),
            offset,
        };
        let id = ClaimId(id);
        self.input(RecoveryInput::Claim { id, claim })
    }

    /// Another node claims the pid for this user, and waits for a second.
    pub(super) fn claim_of_peer(&mut self, id: u64, name: &str) -> Vec<String> {
        let claim = PeerClaim {
            pid: PidHash::of(PID),
            user: user(name),
        };
        let until = self.now + Duration::from_secs(1);
        let id = ClaimId(id);
        self.input(RecoveryInput::PeerClaim { id, claim, until })
    }

    pub(super) fn peers_answered(&mut self, id: u64, answer: ClaimAnswer) -> Vec<String> {
        let id = ClaimId(id);
        let answer = Some(answer);
        self.input(RecoveryInput::PeersAnswered { id, answer })
    }

    pub(super) fn no_peers(&mut self, id: u64) -> Vec<String> {
        let id = ClaimId(id);
        let answer = None;
        self.input(RecoveryInput::PeersAnswered { id, answer })
    }

    pub(super) fn state_stored(&mut self, id: u64, outcome: StoreOutcome) -> Vec<String> {
        let id = ClaimId(id);
        self.input(RecoveryInput::StateStored { id, outcome })
    }

    /// The database has nothing under the pid.
    pub(super) fn nothing_stored(&mut self, id: u64) -> Vec<String> {
        let id = ClaimId(id);
        self.input(RecoveryInput::StoredRead { id, stored: None })
    }

    pub(super) fn taken_over(&mut self, id: u64) -> Vec<String> {
        self.input(RecoveryInput::TakenOver {
            id: ClaimId(id),
            outcome: TakeOverOutcome::Handled,
        })
    }

    pub(super) fn checked(&mut self, id: u64, events: MissedEvents) -> Vec<String> {
        let id = ClaimId(id);
        self.input(RecoveryInput::EventsChecked { id, events })
    }

    pub(super) fn stored(&mut self, id: u64, epoch: &str, name: &str) -> Vec<String> {
        self.input(RecoveryInput::StoredRead {
            id: ClaimId(id),
            stored: Some(StoredRecoveryState {
                epoch: epoch.into(),
                state: state(name),
            }),
        })
    }

    pub(super) fn confirm(&mut self, id: u64) {
        let id = ClaimId(id);
        assert_eq!(self.input(RecoveryInput::Confirm { id }), [""; 0]);
    }

    pub(super) fn end(&mut self, id: u64) -> Vec<String> {
        self.input(RecoveryInput::End { id: ClaimId(id) })
    }
}
