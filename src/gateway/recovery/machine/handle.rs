//! Handles inputs.

use crate::{
    domain::MonotonicTime,
    gateway::recovery::state::{RecoveryState, StoredRecoveryState},
};

use super::{
    claim::{ClaimId, ClaimProgress, ClaimRefusal, PendingClaim, PidClaim, TakenRecoveryState},
    effect::{ClaimStep, MissedPosition, RecoveryEffect},
    entries::TakenState,
    input::{MissedEvents, RecoveryInput, TakeOverOutcome},
    state::RecoveryMachine,
};

impl RecoveryMachine {
    /// Handles an input at the time `now` and appends its effects.
    pub fn handle(
        &mut self,
        input: RecoveryInput,
        now: MonotonicTime,
        effects: &mut Vec<RecoveryEffect>,
    ) {
        match input {
            RecoveryInput::Register { pid, relay } => self.entries.insert_connected(&pid, relay),
            RecoveryInput::Unregister { pid, relay } => self.entries.remove_connected(&pid, relay),
            RecoveryInput::Save { pid, state } => self.save(&pid, state, now, effects),
            RecoveryInput::Claim { id, claim } => self.begin_claim(id, claim, now, effects),
            RecoveryInput::TakenOver { id, outcome } => match outcome {
                TakeOverOutcome::Handled => self.take_state(id, now, effects),
                TakeOverOutcome::RelayEnded => {
                    self.refuse(id, ClaimRefusal::NothingStored, effects);
                }
            },
            RecoveryInput::StoredRead { id, stored } => {
                self.stored_read(id, stored, now, effects);
            }
            RecoveryInput::EventsChecked { id, events } => match events {
                MissedEvents::Available => self.grant(id, effects),
                // The client becomes a new connection with another pid, so the state is of no use any more.
                MissedEvents::Trimmed => self.refuse(id, ClaimRefusal::Trimmed, effects),
                MissedEvents::Unknown => self.refuse(id, ClaimRefusal::Failed, effects),
            },
            RecoveryInput::Confirm { id } => {
                if let Some(pending) = self.claims.get_mut(&id) {
                    pending.progress = ClaimProgress::Decided;
                }
            }
            RecoveryInput::HistoryReplaced { epoch } => {
                self.options.epoch = epoch;
                self.entries.invalidate();
            }
            RecoveryInput::End { id } => self.end_claim(id, now, effects),
        }
    }

    /// Keeps the state of a disconnected socket for the window.
    fn save(
        &mut self,
        pid: &str,
        state: RecoveryState,
        now: MonotonicTime,
        effects: &mut Vec<RecoveryEffect>,
    ) {
        self.entries.remove_expired(now);
        let expires = now + self.options.window;
        if self.entries.remove_outdated(pid) {
            return;
        }
        let eviction = self.entries.insert_disconnected(pid, expires, state);
        effects.extend(eviction.map(RecoveryEffect::Evicted));
    }

    /// Begins a claim, or lets it wait for the earlier claims of its pid.
    fn begin_claim(
        &mut self,
        id: ClaimId,
        claim: PidClaim,
        now: MonotonicTime,
        effects: &mut Vec<RecoveryEffect>,
    ) {
        let queue = self.queues.entry(claim.pid.clone()).or_default();
        queue.push_back(id);
        let is_first = queue.len() == 1;
        let progress = ClaimProgress::Waiting;
        self.claims.insert(id, PendingClaim { claim, progress });
        if is_first {
            self.start(id, now, effects);
        }
    }

    /// Starts a claim whose turn it is. A connection that is still open is suspended and closed first.
    fn start(&mut self, id: ClaimId, now: MonotonicTime, effects: &mut Vec<RecoveryEffect>) {
        let Some(pending) = self.claims.get_mut(&id) else {
            return;
        };
        match self.entries.relay_of(&pending.claim.pid) {
            Some(relay) => {
                pending.progress = ClaimProgress::TakingOver;
                let step = ClaimStep::TakeOver {
                    relay,
                    pid: pending.claim.pid.clone(),
                    user: pending.claim.user.clone(),
                };
                effects.push(RecoveryEffect::Claim { id, step });
            }
            None => self.take_state(id, now, effects),
        }
    }

    /// Takes the state of a disconnected socket, or asks the database for it.
    fn take_state(&mut self, id: ClaimId, now: MonotonicTime, effects: &mut Vec<RecoveryEffect>) {
        let Some(pending) = self.claims.get_mut(&id) else {
            return; // the client is gone
        };
        let PidClaim { pid, user, .. } = &pending.claim;
        match self.entries.take(pid, user, now) {
            TakenState::Found(socket) => {
                let taken = TakenRecoveryState {
                    state: socket.state,
                    expires: socket.expires,
                    history: self.entries.history(),
                };
                self.check_events(id, taken, effects);
            }
            TakenState::Unavailable => self.refuse(id, ClaimRefusal::NothingStored, effects),
            TakenState::NoEntry => {
                let step = ClaimStep::ReadStored { pid: pid.clone() };
                pending.progress = ClaimProgress::ReadingStored;
                effects.push(RecoveryEffect::Claim { id, step });
            }
        }
    }

    /// Continues with what the database had. A state that this claim does not use stays available to its own user.
    fn stored_read(
        &mut self,
        id: ClaimId,
        stored: Option<StoredRecoveryState>,
        now: MonotonicTime,
        effects: &mut Vec<RecoveryEffect>,
    ) {
        let Some(PendingClaim { claim, progress }) = self.claims.get(&id) else {
            return;
        };
        let is_abandoned = *progress == ClaimProgress::Abandoned;
        let (pid, user) = (claim.pid.clone(), claim.user.clone());
        match stored.filter(|stored| stored.epoch == self.options.epoch) {
            Some(stored) if is_abandoned || stored.state.user != user => {
                self.save(&pid, stored.state, now, effects);
                self.refuse(id, ClaimRefusal::NothingStored, effects);
            }
            Some(stored) => {
                let taken = TakenRecoveryState {
                    state: stored.state,
                    expires: now + self.options.window,
                    history: self.entries.history(),
                };
                self.check_events(id, taken, effects);
            }
            None => self.refuse(id, ClaimRefusal::NothingStored, effects),
        }
        if is_abandoned {
            self.end_claim(id, now, effects);
        }
    }

    /// Determines what the client has missed, and asks the journal whether it has that.
    fn check_events(
        &mut self,
        id: ClaimId,
        taken: TakenRecoveryState,
        effects: &mut Vec<RecoveryEffect>,
    ) {
        let Some(pending) = self.claims.get_mut(&id) else {
            return;
        };
        let offset = pending.claim.offset.as_ref();
        let Some(subscriptions) = taken.state.resumed_subscriptions(offset) else {
            return self.refuse(id, ClaimRefusal::OffsetUnknown, effects);
        };
        let positions = subscriptions.iter().filter_map(|subscription| {
            Some(MissedPosition {
                vault: subscription.vault.clone(),
                last_seen: subscription.position?.last_seen,
            })
        });
        let step = ClaimStep::CheckEvents {
            positions: positions.collect(),
        };
        pending.progress = ClaimProgress::CheckingEvents {
            taken,
            subscriptions,
        };
        effects.push(RecoveryEffect::Claim { id, step });
    }

    /// Lets the client continue the connection.
    fn grant(&mut self, id: ClaimId, effects: &mut Vec<RecoveryEffect>) {
        let Some(pending) = self.claims.get_mut(&id) else {
            return;
        };
        match std::mem::replace(&mut pending.progress, ClaimProgress::Decided) {
            ClaimProgress::CheckingEvents { taken, .. }
                if taken.history != self.entries.history() =>
            {
                self.refuse(id, ClaimRefusal::Trimmed, effects);
            }
            ClaimProgress::CheckingEvents {
                taken,
                subscriptions,
            } => {
                let step = ClaimStep::Granted {
                    socket: taken.state.id.clone(),
                    subscriptions,
                };
                pending.progress = ClaimProgress::Granted(taken);
                effects.push(RecoveryEffect::Claim { id, step });
            }
            other @ (ClaimProgress::Waiting
            | ClaimProgress::TakingOver
            | ClaimProgress::ReadingStored
            | ClaimProgress::Abandoned
            | ClaimProgress::Granted(_)
            | ClaimProgress::Decided) => pending.progress = other,
        }
    }

    fn refuse(&mut self, id: ClaimId, refusal: ClaimRefusal, effects: &mut Vec<RecoveryEffect>) {
        if let Some(pending) = self.claims.get_mut(&id) {
            pending.progress = ClaimProgress::Decided;
            let step = ClaimStep::Refused(refusal);
            effects.push(RecoveryEffect::Claim { id, step });
        }
    }

    /// Ends a claim, after the answer of the database if that is on its way. A state that was taken and not confirmed is put
    /// back with its original expiry.
    fn end_claim(&mut self, id: ClaimId, now: MonotonicTime, effects: &mut Vec<RecoveryEffect>) {
        if let Some(pending) = self.claims.get_mut(&id)
            && pending.progress == ClaimProgress::ReadingStored
        {
            pending.progress = ClaimProgress::Abandoned;
            return;
        }
        let Some(PendingClaim { claim, progress }) = self.claims.remove(&id) else {
            return;
        };
        match progress {
            ClaimProgress::CheckingEvents { taken, .. } | ClaimProgress::Granted(taken)
                if taken.history == self.entries.history() =>
            {
                let TakenRecoveryState { state, expires, .. } = taken;
                let eviction = self.entries.put_back(&claim.pid, expires, state, now);
                effects.extend(eviction.map(RecoveryEffect::Evicted));
            }
            ClaimProgress::Waiting
            | ClaimProgress::CheckingEvents { .. }
            | ClaimProgress::Granted(_)
            | ClaimProgress::TakingOver
            | ClaimProgress::ReadingStored
            | ClaimProgress::Abandoned
            | ClaimProgress::Decided => {}
        }
        let Some(queue) = self.queues.get_mut(&claim.pid) else {
            return;
        };
        let was_first = queue.front() == Some(&id);
        queue.retain(|waiting| *waiting != id);
        match queue.front().copied() {
            Some(next) if was_first => self.start(next, now, effects),
            Some(_) => {}
            None => drop(self.queues.remove(&claim.pid)),
        }
    }
}
