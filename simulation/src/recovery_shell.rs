//! The shell of the recovery machine in the simulation. It does what `src/gateway/recovery/claim.rs` and `store.rs` do.

use vaultcast::gateway::{
    recovery::machine::{
        ClaimId, ClaimStep, MissedEvents, MissedPosition, PidClaim, RecoveryEffect, RecoveryInput,
        TakeOverOutcome,
    },
    relay::machine::RelayId,
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
                RecoveryEffect::Evicted(_) => {}
            }
        }
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
            ClaimStep::ReadStored { .. } => {
                self.recovery_input(node, RecoveryInput::StoredRead { id, stored: None });
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
        if matches!(step, Some(ClaimStep::ReadStored { .. })) {
            // The read goes on without its client.
            self.recovery_input(node, RecoveryInput::StoredRead { id, stored: None });
        }
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
