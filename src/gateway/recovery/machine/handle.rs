//! Handles inputs.

use crate::{
    domain::MonotonicTime,
    gateway::{
        recovery::state::{RecoveryState, StoredRecoveryState},
        trace::ResumedSubscription,
    },
};

use super::{
    claim::{
        ClaimId, ClaimProgress, ClaimRefusal, Claimant, PeerInquiry, PendingClaim,
        TakenRecoveryState,
    },
    disconnected::DisconnectedSocket,
    effect::{ClaimStep, MissedPosition, RecoveryEffect},
    entries::TakenState,
    input::{MissedEvents, RecoveryInput, TakeOverOutcome},
    pid_index::ClaimScope,
    state::{RecoveryMachine, TakenStates},
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
            RecoveryInput::Claim { id, claim } => {
                self.enqueue(id, PendingClaim::of_client(claim), now, effects);
            }
            RecoveryInput::PeerClaim { id, claim, until } => {
                self.begin_peer_claim(id, claim, until, now, effects);
            }
            RecoveryInput::PeersAnswered { id, answer } => self.peers_answered(id, answer, effects),
            RecoveryInput::StateStored { id, outcome } => {
                self.state_stored(id, outcome, now, effects);
            }
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
            RecoveryInput::Confirm { id } => self.confirm(id, effects),
            RecoveryInput::HistoryReplaced { epoch } => {
                self.options.epoch = epoch;
                self.entries.invalidate();
            }
            RecoveryInput::NotWritten(TakenStates {
                sockets, history, ..
            }) => {
                for DisconnectedSocket {
                    pid,
                    state,
                    expires,
                    ..
                } in sockets
                {
                    let taken = TakenRecoveryState {
                        state,
                        expires,
                        history,
                    };
                    self.put_back(&pid, taken, now, effects);
                }
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
    pub(super) fn enqueue(
        &mut self,
        id: ClaimId,
        claim: PendingClaim,
        now: MonotonicTime,
        effects: &mut Vec<RecoveryEffect>,
    ) {
        let queue = self.queues.entry(claim.pid.clone()).or_default();
        queue.push_back(id);
        let is_first = queue.len() == 1;
        if is_first {
            self.queued.insert(&claim.pid);
        }
        self.claims.insert(id, claim);
        if is_first {
            self.start(id, now, effects);
        }
    }

    /// Starts a claim whose turn it is. A connection that is still open is suspended and closed first.
    fn start(&mut self, id: ClaimId, now: MonotonicTime, effects: &mut Vec<RecoveryEffect>) {
        let Some(pending) = self.claims.get_mut(&id) else {
            return;
        };
        if pending.progress != ClaimProgress::Waiting {
            return; // it was refused, and ends by itself
        }
        match self.entries.relay_of(&pending.pid) {
            Some(relay) if !pending.has_timed_out(now) => {
                pending.progress = ClaimProgress::TakingOver;
                effects.push(pending.take_over(id, relay));
            }
            Some(_) => self.refuse(id, ClaimRefusal::NothingStored, effects),
            None => self.take_state(id, now, effects),
        }
    }

    /// Takes the state of a disconnected socket, or asks the database for it.
    fn take_state(&mut self, id: ClaimId, now: MonotonicTime, effects: &mut Vec<RecoveryEffect>) {
        let Some(pending) = self.claims.get_mut(&id) else {
            return; // the client is gone
        };
        if pending.has_timed_out(now) {
            return self.refuse(id, ClaimRefusal::NothingStored, effects);
        }
        match self.entries.take(&pending.pid, &pending.user, now) {
            TakenState::Found(socket) => {
                let taken = TakenRecoveryState {
                    state: socket.state,
                    expires: socket.expires,
                    history: self.entries.history(),
                };
                match pending.claimant {
                    Claimant::Client { .. } => self.check_events(id, taken, effects),
                    Claimant::Peer { .. } => self.hand_over(id, taken, effects),
                }
            }
            TakenState::Unavailable => self.refuse(id, ClaimRefusal::NothingStored, effects),
            TakenState::NoEntry => match pending.claimant {
                Claimant::Client { .. } => {
                    let pid = pending.pid.clone();
                    let step = ClaimStep::ReadStored { pid };
                    pending.progress = ClaimProgress::ReadingStored(PeerInquiry::NotMade);
                    effects.push(RecoveryEffect::Claim { id, step });
                }
                Claimant::Peer { .. } => self.refuse(id, ClaimRefusal::NothingStored, effects),
            },
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
        let Some(pending) = self.claims.get(&id) else {
            return;
        };
        let is_abandoned = pending.progress == ClaimProgress::Abandoned;
        let asks_peers = self.options.scope == ClaimScope::AllNodes
            && pending.progress == ClaimProgress::ReadingStored(PeerInquiry::NotMade);
        let (pid, user) = (pending.pid.clone(), pending.user.clone());
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
            // Also if the read failed: the question leads to another read, which may succeed. A node that has the state and cannot
            // write it keeps it.
            None if asks_peers => self.ask_peers(id, effects),
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
        let offset = match &pending.claimant {
            Claimant::Client { offset } => offset.as_ref(),
            Claimant::Peer { .. } => None,
        };
        let Some(subscriptions) = taken.state.resumed_subscriptions(offset) else {
            return self.refuse(id, ClaimRefusal::OffsetUnknown, effects);
        };
        let is_current = |subscription: &ResumedSubscription| {
            let position = subscription.position.as_ref();
            position.is_none_or(|position| position.epoch == self.options.epoch)
        };
        // The socket was connected before the journal became another one.
        if !subscriptions.iter().all(is_current) {
            return self.refuse(id, ClaimRefusal::Trimmed, effects);
        }
        let positions = subscriptions.iter().filter_map(|subscription| {
            Some(MissedPosition {
                vault: subscription.vault.clone(),
                last_seen: subscription.position.as_ref()?.last_seen,
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
            | ClaimProgress::ReadingStored(_)
            | ClaimProgress::AskingPeers
            | ClaimProgress::Abandoned
            | ClaimProgress::Granted(_)
            | ClaimProgress::HandingOver(_)
            | ClaimProgress::Decided) => pending.progress = other,
        }
    }

    /// Uses the state up, unless the journal has become another one since the claim was granted.
    fn confirm(&mut self, id: ClaimId, effects: &mut Vec<RecoveryEffect>) {
        let Some(pending) = self.claims.get_mut(&id) else {
            return;
        };
        let granted = std::mem::replace(&mut pending.progress, ClaimProgress::Decided);
        if let ClaimProgress::Granted(taken) = granted
            && taken.history != self.entries.history()
        {
            self.refuse(id, ClaimRefusal::Trimmed, effects);
        }
    }

    pub(super) fn refuse(
        &mut self,
        id: ClaimId,
        refusal: ClaimRefusal,
        effects: &mut Vec<RecoveryEffect>,
    ) {
        if let Some(pending) = self.claims.get_mut(&id) {
            pending.progress = ClaimProgress::Decided;
            effects.push(pending.refusal(id, refusal));
        }
    }

    /// Puts a state back with its original expiry, unless the journal has become another one.
    pub(super) fn put_back(
        &mut self,
        pid: &str,
        taken: TakenRecoveryState,
        now: MonotonicTime,
        effects: &mut Vec<RecoveryEffect>,
    ) {
        if taken.history == self.entries.history() {
            let eviction = self.entries.put_back(pid, taken.expires, taken.state, now);
            effects.extend(eviction.map(RecoveryEffect::Evicted));
        }
    }

    /// Ends a claim, after the answer of the database if that is on its way. A state that was taken and not confirmed is put
    /// back with its original expiry.
    fn end_claim(&mut self, id: ClaimId, now: MonotonicTime, effects: &mut Vec<RecoveryEffect>) {
        if let Some(pending) = self.claims.get_mut(&id)
            && matches!(pending.progress, ClaimProgress::ReadingStored(_))
        {
            pending.progress = ClaimProgress::Abandoned;
            return;
        }
        let Some(PendingClaim { pid, progress, .. }) = self.claims.remove(&id) else {
            return;
        };
        match progress {
            ClaimProgress::CheckingEvents { taken, .. } | ClaimProgress::Granted(taken) => {
                self.put_back(&pid, taken, now, effects);
            }
            ClaimProgress::Waiting
            | ClaimProgress::TakingOver
            | ClaimProgress::ReadingStored(_)
            | ClaimProgress::AskingPeers
            | ClaimProgress::Abandoned
            // The write goes on without the claim.
            | ClaimProgress::HandingOver(_)
            | ClaimProgress::Decided => {}
        }
        let Some(queue) = self.queues.get_mut(&pid) else {
            return;
        };
        let was_first = queue.front() == Some(&id);
        queue.retain(|waiting| *waiting != id);
        match queue.front().copied() {
            Some(next) if was_first => self.start(next, now, effects),
            Some(_) => {}
            None => {
                self.queues.remove(&pid);
                self.queued.remove(&pid);
            }
        }
    }
}
