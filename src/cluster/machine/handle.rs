//! The entry of the machine: which part handles which input.

use std::collections::VecDeque;

use crate::domain::MonotonicTime;

use super::{
    effect::ClusterEffect,
    input::ClusterInput,
    state::{ClusterMachine, MAX_JITTER, PEER_LIFETIME},
};

impl ClusterMachine {
    /// Handles an input at this time, and appends the effects in the order in which they must be performed.
    pub fn handle(
        &mut self,
        input: ClusterInput,
        now: MonotonicTime,
        effects: &mut VecDeque<ClusterEffect>,
    ) {
        match input {
            ClusterInput::Connected => self.connected(now, effects),
            ClusterInput::DatabaseConnected => self.sweep_after_connect(now),
            ClusterInput::Disconnected => self.disconnected(now, effects),
            ClusterInput::Received { message, jitter } => {
                self.received(message, now + jitter.min(MAX_JITTER), now, effects);
            }
            ClusterInput::Sent => self.sent(),
            ClusterInput::HintsWaiting => self.hints_waiting(now, effects),
            ClusterInput::ClaimRequested { number, claim } => {
                self.claim_requested(number, claim, now, effects);
            }
            ClusterInput::ClaimAnswered { key, answer } => self.claim_answered(key, answer),
            ClusterInput::Swept(heads) => self.swept(heads, now, effects),
            ClusterInput::Tick => {}
        }
        self.peers
            .retain(|_, peer| now.since(peer.heard_at) < PEER_LIFETIME);
        self.end_late_claims(now, effects);
        self.follow_delayed_hints(now, effects);
        self.drive_link(now, effects);
        self.sweep_if_due(now, effects);
    }
}
