//! Claims between nodes: what this node asks of the others, and what they ask of it.
//!
//! A node that looks for a state says no to others that claim the same pid: two nodes that claim it at the same time do not wait for
//! each other. The one that takes the row of the database recovers the connection, and the other one does not close it again.

use crate::{
    cluster::{ClaimAnswer, PeerClaim, PidHash},
    domain::MonotonicTime,
    gateway::recovery::state::StoredRecoveryState,
};

use super::{
    claim::{ClaimId, ClaimProgress, ClaimRefusal, PeerInquiry, PendingClaim, TakenRecoveryState},
    effect::{ClaimStep, PeerClaimStep, RecoveryEffect},
    input::StoreOutcome,
    state::RecoveryMachine,
};

impl RecoveryMachine {
    /// Asks the other nodes for a connection that neither this node nor the database has.
    pub(super) fn ask_peers(&mut self, id: ClaimId, effects: &mut Vec<RecoveryEffect>) {
        let Some(pending) = self.claims.get_mut(&id) else {
            return;
        };
        pending.progress = ClaimProgress::AskingPeers;
        let claim = PeerClaim {
            pid: PidHash::of(&pending.pid),
            user: pending.user.clone(),
        };
        let waiting: Vec<_> = match self.queues.get(&pending.pid) {
            Some(queue) => queue.iter().copied().collect(),
            None => Vec::new(),
        };
        let step = ClaimStep::AskPeers(claim);
        effects.push(RecoveryEffect::Claim { id, step });
        for other in waiting {
            if self
                .claims
                .get(&other)
                .is_some_and(PendingClaim::is_waiting_peer)
            {
                self.refuse(other, ClaimRefusal::NothingStored, effects);
            }
        }
    }

    /// Continues with what the other nodes have answered.
    pub(super) fn peers_answered(
        &mut self,
        id: ClaimId,
        answer: Option<ClaimAnswer>,
        effects: &mut Vec<RecoveryEffect>,
    ) {
        let Some(pending) = self.claims.get_mut(&id) else {
            return; // the client is gone; a state that was handed over is in the database
        };
        if pending.progress != ClaimProgress::AskingPeers {
            return;
        }
        match answer {
            // After a no as well: a node may have handed the state over to an earlier claim of this client, have stopped in order
            // meanwhile, or have needed longer than this claim waits.
            Some(ClaimAnswer::HandedOver | ClaimAnswer::NotHere) => {
                pending.progress = ClaimProgress::ReadingStored(PeerInquiry::Made);
                let pid = pending.pid.clone();
                let step = ClaimStep::ReadStored { pid };
                effects.push(RecoveryEffect::Claim { id, step });
            }
            None => self.refuse(id, ClaimRefusal::NothingStored, effects),
        }
    }

    /// Begins the claim of another node, if this node has the connection or a claim that has its state.
    pub(super) fn begin_peer_claim(
        &mut self,
        id: ClaimId,
        PeerClaim { pid: hash, user }: PeerClaim,
        until: MonotonicTime,
        now: MonotonicTime,
        effects: &mut Vec<RecoveryEffect>,
    ) {
        self.entries.remove_expired(now);
        let known = self.entries.pid_of(hash);
        let found = known.or_else(|| self.queued.get(hash));
        match found.map(str::to_owned) {
            Some(pid) if !self.is_searched(&pid) => {
                let claim = PendingClaim::of_peer(pid, user, until);
                self.enqueue(id, claim, now, effects);
            }
            Some(_) | None => {
                let step = PeerClaimStep::Answer(ClaimAnswer::NotHere);
                effects.push(RecoveryEffect::PeerClaim { id, step });
            }
        }
    }

    /// Returns whether a client of this node claims the pid, and its state is looked for in the database and at other nodes.
    fn is_searched(&self, pid: &str) -> bool {
        let queue = self.queues.get(pid);
        let first = queue.and_then(|queue| self.claims.get(queue.front()?));
        first.is_some_and(|first| match first.progress {
            ClaimProgress::ReadingStored(_) | ClaimProgress::AskingPeers => true,
            ClaimProgress::Waiting
            | ClaimProgress::TakingOver
            | ClaimProgress::Abandoned
            | ClaimProgress::CheckingEvents { .. }
            | ClaimProgress::Granted(_)
            | ClaimProgress::HandingOver(_)
            | ClaimProgress::Decided => false,
        })
    }

    /// Lets the state be moved to the database, for the node that claims it.
    pub(super) fn hand_over(
        &mut self,
        id: ClaimId,
        taken: TakenRecoveryState,
        effects: &mut Vec<RecoveryEffect>,
    ) {
        let Some(pending) = self.claims.get_mut(&id) else {
            return;
        };
        let step = PeerClaimStep::StoreState {
            pid: pending.pid.clone(),
            stored: Box::new(StoredRecoveryState {
                epoch: self.options.epoch.clone(),
                state: taken.state.clone(),
            }),
        };
        pending.progress = ClaimProgress::HandingOver(taken);
        effects.push(RecoveryEffect::PeerClaim { id, step });
    }

    /// Answers the node that claims the state.
    pub(super) fn state_stored(
        &mut self,
        id: ClaimId,
        outcome: StoreOutcome,
        now: MonotonicTime,
        effects: &mut Vec<RecoveryEffect>,
    ) {
        let Some(pending) = self.claims.get_mut(&id) else {
            return;
        };
        let ClaimProgress::HandingOver(taken) = &pending.progress else {
            return;
        };
        let (pid, taken) = (pending.pid.clone(), taken.clone());
        pending.progress = ClaimProgress::Decided;
        let answer = match outcome {
            StoreOutcome::Stored => ClaimAnswer::HandedOver,
            StoreOutcome::NotWritten => {
                self.put_back(&pid, taken, now, effects);
                ClaimAnswer::NotHere
            }
            // If it was written, the node that claims it finds it. Kept here as well, it might be used twice.
            StoreOutcome::Unknown => ClaimAnswer::NotHere,
        };
        let step = PeerClaimStep::Answer(answer);
        effects.push(RecoveryEffect::PeerClaim { id, step });
    }
}
