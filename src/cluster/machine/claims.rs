//! Claims: when other nodes are asked for the connection of a client, and how long their answers are waited for.
//!
//! Only peers whose heartbeats say that they answer claims are waited for, and not those that are silent: a node that was killed
//! delays the reconnects of its clients once.

use std::collections::{BTreeSet, VecDeque};

use crate::{
    cluster::{
        message::{AnsweredClaim, ClaimAnswer, ClaimKey, NodeId, NumberedClaim},
        pid_hash::PeerClaim,
    },
    domain::MonotonicTime,
};

use super::{
    claim_exchange::{
        CLAIM_TIMEOUT, ClaimExchange, ClaimOutcome, MAX_ANSWERING, MAX_PENDING, PeerPresence,
        SentClaim,
    },
    effect::ClusterEffect,
    state::ClusterMachine,
};

impl ClaimExchange {
    /// Takes what is to be sent.
    pub(super) fn take_unsent(&mut self) -> ClusterEffect {
        ClusterEffect::SendClaims {
            claims: std::mem::take(&mut self.unsent),
            answers: std::mem::take(&mut self.unsent_answers),
        }
    }
}

impl ClusterMachine {
    /// Returns how many claims of this node wait for answers.
    pub fn pending_claims(&self) -> usize {
        self.claims.pending.len()
    }

    /// Asks the other nodes for a connection.
    pub(super) fn claim_requested(
        &mut self,
        number: u64,
        claim: PeerClaim,
        now: MonotonicTime,
        effects: &mut VecDeque<ClusterEffect>,
    ) {
        let waited_for = self
            .peers
            .iter()
            .filter(|(_, peer)| peer.is_waited_for(now));
        let waits_for: BTreeSet<_> = waited_for.map(|(node, _)| *node).collect();
        let outcome = if waits_for.is_empty() {
            ClaimOutcome::NoPeers
        } else if !self.link.is_up() {
            ClaimOutcome::BusDown
        } else if self.claims.pending.len() >= MAX_PENDING {
            ClaimOutcome::QueueFull
        } else {
            let asked_at = now;
            let request = SentClaim {
                asked_at,
                waits_for,
            };
            self.claims.pending.insert(number, request);
            self.claims.unsent.push(NumberedClaim { number, claim });
            return;
        };
        effects.push_back(ClusterEffect::EndClaim { number, outcome });
    }

    /// Lets this node answer the claims of another one, unless its own heartbeats show that the bus is too late for an answer.
    pub(super) fn claims_received(
        &mut self,
        node: NodeId,
        claims: Vec<NumberedClaim>,
        now: MonotonicTime,
        effects: &mut VecDeque<ClusterEffect>,
    ) {
        // The node that asks has given up, and its client may have come back to this one.
        let is_late = self
            .heartbeats
            .front()
            .is_some_and(|sent| now.since(sent.sent_at) >= CLAIM_TIMEOUT);
        if is_late {
            return;
        }
        for NumberedClaim { number, claim } in claims {
            let key = ClaimKey { node, number };
            if self.claims.answering.len() >= MAX_ANSWERING {
                let answer = ClaimAnswer::NotHere;
                self.claims
                    .unsent_answers
                    .push(AnsweredClaim { key, answer });
                effects.push_back(ClusterEffect::RecordRefusedClaim);
            } else if self.claims.answering.insert(key) {
                effects.push_back(ClusterEffect::AnswerClaim { key, claim });
            }
        }
    }

    /// Sends the answer of this node.
    pub(super) fn claim_answered(&mut self, key: ClaimKey, answer: ClaimAnswer) {
        // If the bus was connected again meanwhile, the node that asked does not wait any more.
        if self.claims.answering.remove(&key) && self.link.is_up() {
            self.claims
                .unsent_answers
                .push(AnsweredClaim { key, answer });
        }
    }

    /// Ends the claims of this node that these answers complete.
    pub(super) fn answers_received(
        &mut self,
        sender: NodeId,
        answers: Vec<AnsweredClaim>,
        effects: &mut VecDeque<ClusterEffect>,
    ) {
        for AnsweredClaim { key, answer } in answers {
            if key.node != self.node {
                continue;
            }
            let number = key.number;
            let Some(request) = self.claims.pending.get_mut(&number) else {
                continue; // it has ended
            };
            request.waits_for.remove(&sender);
            let outcome = match answer {
                ClaimAnswer::HandedOver => ClaimOutcome::HandedOver,
                ClaimAnswer::NotHere if request.waits_for.is_empty() => ClaimOutcome::NotHere,
                ClaimAnswer::NotHere => continue,
            };
            self.claims.pending.remove(&number);
            effects.push_back(ClusterEffect::EndClaim { number, outcome });
        }
    }

    /// Ends the claims whose time is over. A peer that has sent nothing meanwhile is not waited for until it does.
    pub(super) fn end_late_claims(
        &mut self,
        now: MonotonicTime,
        effects: &mut VecDeque<ClusterEffect>,
    ) {
        while let Some(first) = self.claims.pending.first_entry()
            && first.get().deadline() <= now
        {
            let (number, request) = first.remove_entry();
            for node in request.waits_for {
                if let Some(peer) = self.peers.get_mut(&node)
                    && peer.heard_at <= request.asked_at
                {
                    peer.presence = PeerPresence::Silent;
                }
            }
            let outcome = ClaimOutcome::TimedOut;
            effects.push_back(ClusterEffect::EndClaim { number, outcome });
        }
        // A slow bus must not carry them: the client may have come back to its former node meanwhile, and would lose that connection.
        let pending = &self.claims.pending;
        (self.claims.unsent).retain(|claim| pending.contains_key(&claim.number));
    }

    /// Ends all claims of this node, because the bus is down.
    pub(super) fn end_all_claims(&mut self, effects: &mut VecDeque<ClusterEffect>) {
        self.claims.unsent.clear();
        self.claims.unsent_answers.clear();
        for number in std::mem::take(&mut self.claims.pending).into_keys() {
            let outcome = ClaimOutcome::BusDown;
            effects.push_back(ClusterEffect::EndClaim { number, outcome });
        }
    }
}
