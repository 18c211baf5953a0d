//! What a vault does when its journal is not the one that it has read: an older database was put back, or a replica that lacks
//! events was promoted. The numbers of the events that subscribers have received belong to other events then, so no subscription
//! can be resumed.

use crate::{
    domain::{Seq, Vault},
    journal::{CommittedEvent, DatabaseSharing},
};

use super::{
    effect::{PositionLoss, VaultEffect, VaultFact},
    hint_read::HintRead,
    ring::EventRing,
    state::{VaultMachine, VaultState},
    step::Step,
};

impl VaultMachine {
    /// Compares the head with the journal's, because the sweep has found a lower one. The sweep's may be outdated: the vault may
    /// have been loaded again since.
    pub(super) fn check_rewind(&mut self, step: &mut Step<'_>) {
        match self.options.sharing {
            DatabaseSharing::SeveralProcesses if self.head().is_some() => self.check_head_now(step),
            DatabaseSharing::SeveralProcesses | DatabaseSharing::ThisProcess => {}
        }
    }

    /// Loads the vault again, because its journal has gone back to this head.
    pub(super) fn rewound(&mut self, journal_head: Seq, step: &mut Step<'_>) {
        if let Some(head) = self.head() {
            let rewound = VaultFact::Rewound { head, journal_head };
            step.effects.push(VaultEffect::Report(rewound));
            self.replace_history(PositionLoss::ThisVault, step);
        }
    }

    /// Loads the vault again without its subscribers. Their sinks close their sockets.
    pub(super) fn replace_history(&mut self, loss: PositionLoss, step: &mut Step<'_>) {
        step.effects.push(VaultEffect::ReportPositionsUnknown(loss));
        self.restart(step);
    }

    /// Continues with the state of a transaction that has found a lower head, without the subscribers.
    pub(super) fn adopt_rewound(
        &mut self,
        journal_head: Seq,
        vault: Option<Vault>,
        step: &mut Step<'_>,
    ) {
        if let Some(head) = self.head() {
            let rewound = VaultFact::Rewound { head, journal_head };
            step.effects.push(VaultEffect::Report(rewound));
            let loss = VaultEffect::ReportPositionsUnknown(PositionLoss::ThisVault);
            step.effects.push(loss);
            // A read that began before may return an event of the former history.
            self.hint_read = HintRead::Idle;
            self.adopt(vault, step);
        }
    }

    /// Continues with the state of a transaction that has found a head too far ahead. The subscribers resume, and read the
    /// events that this vault misses from the journal.
    pub(super) fn adopt_far_ahead(&mut self, vault: Option<Vault>, step: &mut Step<'_>) {
        if let Some(head) = self.head() {
            let behind = VaultFact::FarBehind { head };
            step.effects.push(VaultEffect::Report(behind));
            self.adopt(vault, step);
        }
    }

    /// Replaces the state. So the mutations that wait are not refused, as they would be if the vault were loaded again. A vault that
    /// was deleted meanwhile is loaded again: its subscribers receive the end from the journal.
    fn adopt(&mut self, vault: Option<Vault>, step: &mut Step<'_>) {
        let Some(vault) = vault.filter(|vault| !vault.members.is_empty()) else {
            return self.restart(step);
        };
        let sinks: Vec<_> = self.fanout.sinks().collect();
        for sink in sinks {
            self.fanout.fell_behind(sink, step);
        }
        let ring = EventRing::new(vault.head);
        self.state = VaultState::Open { vault, ring };
        step.effects.push(VaultEffect::WithdrawMembers);
        step.effects.push(VaultEffect::PublishMembers);
    }

    /// Publishes the events that a read of the journal has returned. If those after the head were trimmed, the vault is loaded
    /// again, and its subscribers resume.
    pub(super) fn publish_read(&mut self, events: Vec<CommittedEvent>, step: &mut Step<'_>) {
        if self.misses_events_before(&events) {
            self.far_behind(step);
        } else {
            self.publish(events, step);
        }
    }

    /// Returns whether the journal has no longer the event after the head, and mutations wait. Their transaction finds the same,
    /// and the vault continues with the state that it reads; loaded again, it would refuse them.
    pub(super) fn leaves_far_ahead_to_transaction(&self, events: &[CommittedEvent]) -> bool {
        !self.queue.waiting.is_empty() && self.misses_events_before(events)
    }

    /// Returns whether the events do not follow the head, because those between were trimmed.
    fn misses_events_before(&self, events: &[CommittedEvent]) -> bool {
        match (events.first(), self.head()) {
            (Some(first), Some(head)) => first.record.seq > head.next(),
            (Some(_) | None, _) => false,
        }
    }

    /// Loads the vault again, because it misses too many events to read them one by one.
    pub(super) fn far_behind(&mut self, step: &mut Step<'_>) {
        if let Some(head) = self.head() {
            let behind = VaultFact::FarBehind { head };
            step.effects.push(VaultEffect::Report(behind));
            self.restart(step);
        }
    }
}
