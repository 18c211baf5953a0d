//! The shell of the recovery machine in the simulation. It does what `src/gateway/recovery/claim.rs`, `peer_claim.rs` and `store.rs` do.
//! Other nodes are asked and answer within one step.

use std::time::Duration;

use vaultcast::{
    cluster::{ClaimAnswer, PeerClaim},
    gateway::{
        recovery::machine::{
            ClaimId, ClaimStep, MissedEvents, MissedPosition, PeerClaimStep, PidClaim,
            RecoveryEffect, RecoveryInput, StoreOutcome, TakeOverOutcome,
        },
        relay::machine::RelayId,
    },
};

use crate::{
    connections::pid_text,
    log::Log,
    mistakes::Mistake,
    names::{user_id, vault_index},
    node::{ClientPresence, PendingConnect},
    world::World,
};

impl World {
    /// Gives an input to the recovery machine of a node, and keeps the steps of claims that it asks for.
    pub fn recovery_input(&mut self, node: usize, input: RecoveryInput) {
        // Claims of other nodes are performed at once, so none of them has another step.
        let _ = self.peer_claim_input(node, input);
    }

    /// Gives an input of another node's claim to the recovery machine of a node, and returns the next step of this claim.
    fn peer_claim_input(&mut self, node: usize, input: RecoveryInput) -> Option<PeerClaimStep> {
        let mut next = None;
        let mut effects = Vec::new();
        let now = self.now;
        let node = &mut self.nodes[node];
        node.recovery.handle(input, now, &mut effects);
        for effect in effects {
            match effect {
                RecoveryEffect::Claim { id, step } => {
                    if let Some(connect) = node.claims.get_mut(&id) {
                        connect.step = Some(step);
                    }
                }
                RecoveryEffect::PeerClaim { step, .. } => next = Some(step),
                RecoveryEffect::Evicted(_) => {}
            }
        }
        next
    }

    /// A client connects. It claims its former connection if it had one.
    pub fn connect(&mut self, client: usize, node: usize, relay: usize, log: &mut Log) {
        let Some(pid) = self.clients[client].pid else {
            let pid = self.take_id();
            return self.open_connection(client, (node, relay, pid), None, log);
        };
        let id = ClaimId(self.take_id());
        let connect = PendingConnect {
            client,
            relay,
            pid,
            step: None,
            waiting: ClientPresence::Waiting,
            checked_at: 0,
        };
        self.nodes[node].claims.insert(id, connect);
        self.clients[client].connecting = Some((node, id));
        let offset = match self.config.mistake {
            Some(Mistake::IgnoreOffset) => None,
            _ => self.clients[client].offset.clone(),
        };
        let claim = PidClaim {
            pid: pid_text(pid),
            user: user_id(client),
            offset,
        };
        self.recovery_input(node, RecoveryInput::Claim { id, claim });
    }

    /// Performs the next step of a claim.
    pub fn continue_claim(&mut self, node: usize, id: ClaimId, log: &mut Log) {
        let Some(connect) = self.nodes[node].claims.get_mut(&id) else {
            return;
        };
        let Some(step) = connect.step.take() else {
            return;
        };
        let (client, relay, pid) = (connect.client, connect.relay, connect.pid);
        let checked_at = connect.checked_at;
        let is_gone = connect.waiting == ClientPresence::Gone;
        log.line(|| format!("    claim {} of client {client}: {step:?}", id.0));
        match step {
            ClaimStep::TakeOver { relay, .. } => {
                let outcome = self.take_over(node, relay, pid, log);
                self.recovery_input(node, RecoveryInput::TakenOver { id, outcome });
            }
            ClaimStep::ReadStored { pid } => self.read_stored(node, id, &pid),
            ClaimStep::AskPeers(claim) => {
                let answer = Some(self.ask_peers(node, pid, &claim, log));
                self.recovery_input(node, RecoveryInput::PeersAnswered { id, answer });
            }
            ClaimStep::CheckEvents { positions } => {
                let is_whole = self.config.mistake == Some(Mistake::RecoverTrimmed)
                    || positions.iter().all(|position| self.is_kept(position));
                let losses = self.losses;
                if let Some(connect) = self.nodes[node].claims.get_mut(&id) {
                    connect.checked_at = losses;
                }
                let events = if is_whole {
                    MissedEvents::Available
                } else {
                    MissedEvents::Trimmed
                };
                self.recovery_input(node, RecoveryInput::EventsChecked { id, events });
            }
            ClaimStep::Granted { .. } | ClaimStep::Refused(_) if is_gone => {
                self.end_claim(node, id);
            }
            ClaimStep::Granted { subscriptions, .. } => {
                self.recovery_input(node, RecoveryInput::Confirm { id });
                let refused = |connect: &PendingConnect| connect.step.is_some();
                if self.nodes[node].claims.get(&id).is_some_and(refused) {
                    return;
                }
                self.clients[client].connecting = None;
                self.open_connection(client, (node, relay, pid), Some(subscriptions), log);
                if let Some(address) = self.clients[client].connection
                    && let Some(connection) = self.connection_mut(address)
                {
                    connection.checked_at = checked_at;
                }
                self.end_claim(node, id);
            }
            ClaimStep::Refused(_) => {
                self.clients[client].connecting = None;
                let pid = self.take_id();
                self.open_connection(client, (node, relay, pid), None, log);
                self.end_claim(node, id);
            }
        }
    }

    /// Ends a claim, so that the next one of its pid begins.
    pub fn end_claim(&mut self, node: usize, id: ClaimId) {
        let connect = self.nodes[node].claims.remove(&id);
        self.recovery_input(node, RecoveryInput::End { id });
        let step = connect.and_then(|connect| connect.step);
        if let Some(ClaimStep::ReadStored { pid }) = step {
            // The read goes on without its client.
            self.read_stored(node, id, &pid);
        }
    }

    fn read_stored(&mut self, node: usize, id: ClaimId, pid: &str) {
        let stored = self.database.sockets.remove(pid);
        self.recovery_input(node, RecoveryInput::StoredRead { id, stored });
    }

    /// Asks all other nodes for a connection, one after the other and at once.
    fn ask_peers(
        &mut self,
        node: usize,
        pid: u64,
        claim: &PeerClaim,
        log: &mut Log,
    ) -> ClaimAnswer {
        for other in 0..self.nodes.len() {
            if other == node {
                continue;
            }
            match self.answer_peer(other, pid, claim.clone(), log) {
                ClaimAnswer::HandedOver => return ClaimAnswer::HandedOver,
                ClaimAnswer::NotHere => {}
            }
        }
        ClaimAnswer::NotHere
    }

    /// Lets a node answer the claim of another one.
    fn answer_peer(
        &mut self,
        node: usize,
        pid: u64,
        claim: PeerClaim,
        log: &mut Log,
    ) -> ClaimAnswer {
        let id = ClaimId(self.take_id());
        let until = self.now + Duration::from_secs(1);
        let begin = RecoveryInput::PeerClaim { id, claim, until };
        let mut step = self.peer_claim_input(node, begin);
        let mut answer = ClaimAnswer::NotHere;
        while let Some(next) = step {
            log.line(|| {
                format!(
                    "    claim {} of another node at node {node}: {next:?}",
                    id.0
                )
            });
            step = match next {
                PeerClaimStep::TakeOver { relay, .. } => {
                    let outcome = self.take_over(node, relay, pid, log);
                    self.peer_claim_input(node, RecoveryInput::TakenOver { id, outcome })
                }
                PeerClaimStep::StoreState { pid, stored } => {
                    self.database.sockets.insert(pid, *stored);
                    let outcome = StoreOutcome::Stored;
                    self.peer_claim_input(node, RecoveryInput::StateStored { id, outcome })
                }
                PeerClaimStep::Answer(given) => {
                    answer = given;
                    None
                }
            };
        }
        // If it waits for an earlier claim of the node, the other node does not wait any longer.
        self.recovery_input(node, RecoveryInput::End { id });
        answer
    }

    fn take_over(
        &mut self,
        node: usize,
        relay: RelayId,
        pid: u64,
        log: &mut Log,
    ) -> TakeOverOutcome {
        let mut relays = self.nodes[node].relays.iter();
        if !relays.any(|other| other.sink.0 == relay.0) {
            return TakeOverOutcome::RelayEnded;
        }
        if let Some(address) = self.address_of(node, pid) {
            self.end_connection(address, log);
        }
        TakeOverOutcome::Handled
    }

    /// Returns whether the journal has every event after a position, as `Journal::can_resume` does. The last seen event must
    /// be there as well, because it may have removed the subscriber.
    fn is_kept(&self, position: &MissedPosition) -> bool {
        let rows = &self.database.vaults[vault_index(&position.vault)];
        let seen = position.last_seen.0;
        seen <= rows.head() && (rows.head() == 0 || rows.trimmed < seen.max(1))
    }
}
